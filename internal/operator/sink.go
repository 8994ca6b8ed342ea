package operator

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

// Sink takes events outside. The leader gives each sink every event at least once, in order; after a failure or a change of
// leaders some come again. A sink begins with what happens after an operator first knew of it.
type Sink interface {
	// Name is what its position is kept under.
	Name() string
	// Send takes events in order, and tells how many were surely taken when it fails: those don't come again.
	Send(ctx context.Context, events []tenant.Event) (taken int, err error)
}

const (
	sinkBatch = 100
	// sinkLongest bounds the time between tries: one leader asks, and what happened meanwhile waits for it.
	sinkLongest = 10 * time.Second
)

// deliver gives a sink its events for as long as this replica leads.
func (o *Operator) deliver(ctx context.Context, s Sink) {
	failures := 0
	for ctx.Err() == nil {
		err := o.deliverOnce(ctx, s, &failures)
		if err == nil || ctx.Err() != nil {
			continue
		}
		failures++
		o.Metrics.sink.WithLabelValues(s.Name()).Set(1)
		o.Log.WarnContext(ctx, "events aren't taken", "sink", s.Name(), "tries", failures, "error", err)
		if noted := o.Store.noteTrouble(ctx, s.Name(), err.Error()); noted != nil && ctx.Err() == nil {
			o.Log.WarnContext(ctx, "note it", "error", noted)
		}
		pause(ctx, min(backoff(failures), sinkLongest))
	}
}

// deliverOnce goes on after the sink's position until something fails.
func (o *Operator) deliverOnce(ctx context.Context, s Sink, failures *int) error {
	after, err := o.Store.position(ctx, s.Name())
	if errors.Is(err, tenant.ErrNotFound) {
		newest, err := o.Records.Events(ctx, 0, registry.EventFilter{Limit: 1, Newest: true})
		if err != nil {
			return err
		}
		if len(newest) > 0 {
			after = newest[0].ID
		}
		if err := o.Store.setPosition(ctx, s.Name(), after); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	for event, err := range o.Records.Follow(ctx, after, registry.EventFilter{}) {
		if err != nil {
			return err
		}
		if event.ID <= after {
			continue // went with a batch before
		}
		events, err := o.Records.Events(ctx, after, registry.EventFilter{Limit: sinkBatch})
		if err != nil || len(events) == 0 {
			return err
		}
		taken, failed := s.Send(ctx, events)
		if failed == nil {
			taken = len(events)
		}
		if taken > 0 {
			after, *failures = events[taken-1].ID, 0
			if err := o.Store.setPosition(ctx, s.Name(), after); err != nil {
				return err
			}
		}
		if failed != nil {
			return failed
		}
		o.Metrics.sink.WithLabelValues(s.Name()).Set(0)
	}
	return nil
}

func (s *Store) position(ctx context.Context, sink string) (after int64, err error) {
	err = s.pool.QueryRow(ctx, `select position from tenantctl_operator.sink where name = $1`, sink).Scan(&after)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, tenant.ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("read the position of sink %s: %w", sink, err)
	}
	return after, nil
}

// setPosition only moves on: who was the leader before may come late.
func (s *Store) setPosition(ctx context.Context, sink string, position int64) error {
	_, err := s.pool.Exec(ctx, `insert into tenantctl_operator.sink as s (name, position) values ($1, $2)
		on conflict (name) do update set position = greatest(s.position, excluded.position), trouble = '', at = now()`, sink, position)
	if err != nil {
		return fmt.Errorf("keep the position of sink %s: %w", sink, err)
	}
	return nil
}

func (s *Store) noteTrouble(ctx context.Context, sink, trouble string) error {
	_, err := s.pool.Exec(ctx, `update tenantctl_operator.sink set trouble = $2, at = now() where name = $1`, sink, trouble)
	return err
}

// SinkState is how far a sink is.
type SinkState struct {
	Name     string    `json:"name"`
	Position int64     `json:"position"`          // the id of the last event that it took
	Trouble  string    `json:"trouble,omitempty"` // why it takes none just now
	At       time.Time `json:"at"`
}

// Sinks lists how far sinks are.
func (s *Store) Sinks(ctx context.Context) ([]SinkState, error) {
	rows, err := s.pool.Query(ctx, `select name, position, trouble, at from tenantctl_operator.sink order by name`)
	if err != nil {
		return nil, fmt.Errorf("read the sinks: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[SinkState])
}

// CloudEvent is an event as it goes outside (CloudEvents 1.0). docs/operator.md describes its data.
type CloudEvent struct {
	SpecVersion string    `json:"specversion"`
	ID          string    `json:"id"` // rises in order of what happened; the same when an event comes again
	Source      string    `json:"source"`
	Type        string    `json:"type"`
	Subject     string    `json:"subject,omitempty"` // the tenant
	Time        time.Time `json:"time"`
	ContentType string    `json:"datacontenttype"`
	Data        eventData `json:"data"`
}

type eventData struct {
	Message string          `json:"message"`
	Actor   string          `json:"actor,omitempty"`
	Detail  json.RawMessage `json:"detail,omitempty"`
}

// CloudEventOf is an event for outside.
func CloudEventOf(e tenant.Event) CloudEvent {
	return CloudEvent{
		SpecVersion: "1.0", ID: strconv.FormatInt(e.ID, 10), Source: "tenantctl", Type: e.Type, Subject: string(e.Tenant), Time: e.Time,
		ContentType: "application/json", Data: eventData{Message: e.Message, Actor: e.Actor, Detail: e.Data},
	}
}

// CloudEventType is the media type of a CloudEvent as JSON.
const CloudEventType = "application/cloudevents+json"

// Webhook posts each event by itself.
type Webhook struct {
	URL string
	// Secret signs: SignatureHeader holds "t=SECONDS,v1=HEX", HEX being HMAC-SHA256 over SECONDS, a dot and the body.
	Secret []byte
	Now    func() time.Time
	Client *http.Client
}

// SignatureHeader is where a webhook's signature is.
const SignatureHeader = "X-Tenantctl-Signature"

// Name implements Sink.
func (w *Webhook) Name() string { return "webhook " + w.URL }

// Send implements Sink. An answer of 2xx means that the event was taken.
func (w *Webhook) Send(ctx context.Context, events []tenant.Event) (taken int, err error) {
	for i, e := range events {
		if err := w.post(ctx, e); err != nil {
			return i, fmt.Errorf("post event %d: %w", e.ID, err)
		}
	}
	return len(events), nil
}

func (w *Webhook) post(ctx context.Context, e tenant.Event) error {
	body, err := json.Marshal(CloudEventOf(e))
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", CloudEventType)
	request.Header.Set(SignatureHeader, Sign(w.Secret, w.Now(), body))
	response, err := w.Client.Do(request)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection can be used again
	_ = response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("answered %s", response.Status)
	}
	return nil
}

// Sign is a signature as SignatureHeader has it.
func Sign(secret []byte, at time.Time, body []byte) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	return "t=" + seconds + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// Verify checks a signature, for receivers: one older than maxAge isn't taken, so that nobody can send it again later.
func Verify(secret []byte, signature string, body []byte, now time.Time, maxAge time.Duration) bool {
	seconds, _, found := strings.Cut(strings.TrimPrefix(signature, "t="), ",")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if !found || err != nil || now.Sub(time.Unix(unix, 0)).Abs() > maxAge {
		return false
	}
	return hmac.Equal([]byte(signature), []byte(Sign(secret, time.Unix(unix, 0), body)))
}
