package messaging

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/service"
)

// writeTime is how long a client may leave an event lying.
const writeTime = 10 * time.Second

// errUnread is a client that takes no more.
var errUnread = errors.New("stream isn't read")

// sse is a stream of server-sent events to one user.
type sse struct {
	w       http.ResponseWriter
	control *http.ResponseController
	last    int64 // message that the client has, or needn't have
}

// stream sends what is said from now on, or behind the message that the client has last.
func (s *server) stream(r *service.Request) (service.Response, error) {
	now, err := s.newest(r)
	if err != nil {
		return service.Response{}, err
	}
	from := now
	if text := r.Header.Get("Last-Event-Id"); text != "" {
		has, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return service.Response{}, service.Refuse(http.StatusUnprocessableEntity, "invalid", "Last-Event-ID isn't an event's")
		}
		from = min(has, now)
	}
	header := http.Header{"Content-Type": {"text/event-stream"}, "X-Accel-Buffering": {"no"}}
	return service.Response{Header: header, Stream: func(w http.ResponseWriter) error {
		ctx, cancel := context.WithDeadline(r.Context(), r.Identity.Expires)
		defer cancel()
		err := s.sendAll(ctx, r, now, &sse{w: w, control: http.NewResponseController(w), last: from})
		if ctx.Err() != nil || errors.Is(err, errUnread) {
			return nil // the client is gone, or its token: so ends a stream
		}
		return err
	}}, nil
}

func (s *server) sendAll(ctx context.Context, r *service.Request, now int64, out *sse) error {
	listener, leave := s.hub.join(ctx, r.Identity.Tenant.Name, r.Identity.Subject, now)
	defer leave()
	if err := out.write("id: %d\nevent: ready\ndata: {}\n\n", out.last); err != nil {
		return err
	}
	if err := s.catchUp(ctx, r, out); err != nil {
		return err
	}
	return s.follow(ctx, out, listener)
}

// newest is the id of the tenant's newest message.
func (s *server) newest(r *service.Request) (last int64, err error) {
	err = s.store.Read(r.Context(), r.Identity.Tenant, func(b *pgx.Batch) {
		b.Queue(`select last from message_order`).QueryRow(func(row pgx.Row) error { return row.Scan(&last) })
	})
	return last, err
}

// catchUp sends what is there already. The listener has joined before, so that nothing lies between the two.
func (s *server) catchUp(ctx context.Context, r *service.Request, out *sse) error {
	for {
		var found []Message
		err := s.store.Read(ctx, r.Identity.Tenant, func(b *pgx.Batch) {
			b.Queue(`select `+columns+` from messages m join participants p on p.conversation_id = m.conversation_id and p.user_id = $1
				where m.id > $2 order by m.id limit $3`, r.Identity.Subject, out.last, batch).Query(func(rows pgx.Rows) (err error) {
				found, err = pgx.CollectRows(rows, pgx.RowToStructByName[Message])
				return err
			})
		})
		if err != nil {
			return err
		}
		for _, m := range found {
			if err := out.send(m); err != nil {
				return err
			}
		}
		if len(found) < batch {
			return nil
		}
		select {
		case <-s.ends:
			return nil
		default:
		}
	}
}

// follow sends what the listener hears, until the stream is to end.
func (s *server) follow(ctx context.Context, out *sse, l *listener) error {
	beat := time.NewTicker(s.opts.Heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ends:
			return nil
		case <-beat.C:
			err = out.write(": \n\n")
		case m, more := <-l.messages:
			if !more {
				return nil
			}
			err = out.send(m)
		}
		if err != nil {
			return err
		}
	}
}

// send sends a message that the client hasn't got.
func (out *sse) send(m Message) error {
	if m.ID <= out.last {
		return nil
	}
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode message %d: %w", m.ID, err)
	}
	out.last = m.ID
	return out.write("id: %d\nevent: message\ndata: %s\n\n", m.ID, body)
}

func (out *sse) write(format string, args ...any) error {
	_ = out.control.SetWriteDeadline(time.Now().Add(writeTime)) // a recorder of tests has no deadlines
	_, err := fmt.Fprintf(out.w, format, args...)
	if err == nil {
		err = out.control.Flush()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUnread, err)
	}
	return nil
}
