// Package idempotency has a write that its caller sends twice happen once. The answer is kept in the tenant's schema, in the table
// <service>_idempotency, in the transaction of the write itself: there is an answer exactly where there is a write.
package idempotency

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/postgres"
)

const (
	// Header names a write. The same name with the same request gives the same answer.
	Header = "Idempotency-Key"
	// Replayed is the header of an answer that was given before.
	Replayed = "Idempotent-Replayed"

	maxKey = 255
)

// Store runs transactions of a tenant; scope.Pools does.
type Store interface {
	Tx(ctx context.Context, t scope.Tenant, do func(context.Context, scope.Tx) error) error
}

// Writes makes handlers of operations that write.
type Writes struct {
	Store   Store
	Service string
	Since   uint64     // the version of the service's stream that brings the table
	Keys    Statements // the zero value: those of the table <service>_idempotency
}

// Statements are how keys are kept, where they aren't in a table of their own. $1 is whose key it is, $2 the key.
type Statements struct {
	Purge  string // takes some away that are over a day old; it has no parameters
	Take   string // writes the key down with $3, the request's digest; answers with true where it wasn't there
	Keep   string // writes the answer down: $3 its status, $4 its header as JSON, $5 its body or null
	Replay string // reads digest, status, header and body
}

func (w Writes) statements() Statements {
	if w.Keys != (Statements{}) {
		return w.Keys
	}
	table := postgres.Ident(w.Service + "_idempotency")
	return Statements{
		Purge: `delete from ` + table + ` where ctid = any (array(select ctid from ` + table + `
			where created_at < now() - interval '24 hours' order by created_at limit 20 for update skip locked))`,
		Take:   `insert into ` + table + ` (subject, key, request) values ($1, $2, $3) on conflict do nothing returning true`,
		Keep:   `update ` + table + ` set status = $3, header = $4::jsonb, body = $5 where subject = $1 and key = $2`,
		Replay: `select request, status, header::text, body from ` + table + ` where subject = $1 and key = $2`,
	}
}

// Do is a write in a transaction of the caller's tenant. An error undoes it.
type Do func(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error)

// Handler runs do in a transaction, once for each key of a user. Of requests that come at the same time one runs, and the others
// wait for its answer.
func (w Writes) Handler(do Do) service.Handler {
	return func(r *service.Request) (answer service.Response, err error) {
		key, err := w.key(r)
		if err != nil {
			return answer, err
		}
		err = w.Store.Tx(r.Context(), r.Identity.Tenant, func(ctx context.Context, tx scope.Tx) error {
			if key == "" {
				answer, err = do(ctx, r, tx)
			} else {
				answer, err = w.once(ctx, r, tx, key, do)
			}
			return err
		})
		return answer, err
	}
}

// Asking is Handler for a write that asks others first whether it may be, before there is a transaction, which would wait for
// them. What was answered already is answered again unasked: what they say may have changed since.
func (w Writes) Asking(ask func(*service.Request) error, do Do) service.Handler {
	next := w.Handler(do)
	return func(r *service.Request) (service.Response, error) {
		answer, answered, err := w.before(r)
		if err != nil || answered {
			return answer, err
		}
		if err := ask(r); err != nil {
			return service.Response{}, err
		}
		return next(r)
	}
}

// before is what was answered to the same key, if anything was.
func (w Writes) before(r *service.Request) (answer service.Response, answered bool, err error) {
	key, err := w.key(r)
	if err != nil || key == "" {
		return answer, false, err
	}
	err = w.Store.Tx(r.Context(), r.Identity.Tenant, func(ctx context.Context, tx scope.Tx) error {
		answer, err = w.replay(ctx, tx, r.Identity.Subject, key, hash(r))
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return service.Response{}, false, nil
	}
	return answer, err == nil, err
}

// key is the request's, or empty.
func (w Writes) key(r *service.Request) (string, error) {
	values := r.Header.Values(Header)
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 || !printable(values[0]) {
		return "", service.Refuse(http.StatusUnprocessableEntity, "invalid", "%s must be one value of 1 to %d printable characters", Header, maxKey)
	}
	if r.Identity.Tenant.Versions[w.Service] < w.Since {
		return "", service.Refuse(http.StatusUnprocessableEntity, "not-at-this-version",
			"this tenant's schema can't keep a %s yet; send the request without it", Header)
	}
	return values[0], nil
}

func printable(key string) bool {
	if key == "" || len(key) > maxKey {
		return false
	}
	for _, b := range []byte(key) {
		if b < ' ' || b > '~' {
			return false
		}
	}
	return true
}

// once takes the key, or answers as it was answered before.
func (w Writes) once(ctx context.Context, r *service.Request, tx scope.Tx, key string, do Do) (service.Response, error) {
	request := hash(r)
	mine, err := w.take(ctx, tx, r.Identity.Subject, key, request)
	if err != nil {
		return service.Response{}, err
	}
	if !mine {
		return w.replay(ctx, tx, r.Identity.Subject, key, request)
	}
	answer, err := do(ctx, r, tx)
	if err != nil {
		return answer, err
	}
	return w.keep(ctx, tx, r.Identity.Subject, key, answer)
}

// take writes the key down, which waits for another transaction that does the same. Some that are over a day old go on the way.
func (w Writes) take(ctx context.Context, tx scope.Tx, subject, key string, request []byte) (mine bool, err error) {
	batch := &pgx.Batch{}
	batch.Queue(w.statements().Purge)
	batch.Queue(w.statements().Take, subject, key, request).
		QueryRow(func(row pgx.Row) error {
			if err := row.Scan(&mine); !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
			return nil
		})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return false, fmt.Errorf("take idempotency key: %w", err)
	}
	return mine, nil
}

// keep writes the answer down, in the form in which it is given now and later.
func (w Writes) keep(ctx context.Context, tx scope.Tx, subject, key string, answer service.Response) (service.Response, error) {
	if answer.Stream != nil {
		return answer, fmt.Errorf("operation with an idempotency key streams its answer")
	}
	var body []byte
	var err error
	if answer.Body != nil {
		if body, err = answer.Encode(); err != nil {
			return answer, err
		}
		answer.Body = json.RawMessage(body)
	}
	header, err := json.Marshal(answer.Header)
	if err != nil {
		return answer, fmt.Errorf("encode the answer: %w", err)
	}
	_, err = tx.Exec(ctx, w.statements().Keep, subject, key, answer.Status, string(header), body)
	if err != nil {
		return answer, fmt.Errorf("keep the answer: %w", err)
	}
	return answer, nil
}

func (w Writes) replay(ctx context.Context, tx scope.Tx, subject, key string, request []byte) (service.Response, error) {
	var before, body []byte
	var header string
	answer := service.Response{Header: http.Header{}}
	err := tx.QueryRow(ctx, w.statements().Replay, subject, key).Scan(&before, &answer.Status, &header, &body)
	if err != nil {
		return answer, fmt.Errorf("read the answer: %w", err)
	}
	if string(before) != string(request) {
		return answer, service.Refuse(http.StatusUnprocessableEntity, "idempotency-key-reused", "%s was sent with another request", Header)
	}
	if err := json.Unmarshal([]byte(header), &answer.Header); err != nil {
		return answer, fmt.Errorf("read the answer: %w", err)
	}
	if answer.Header == nil {
		answer.Header = http.Header{}
	}
	answer.Header.Set(Replayed, "true")
	if body != nil {
		answer.Body = json.RawMessage(body)
	}
	return answer, nil
}

// hash tells requests apart: all of one that a handler may look at.
func hash(r *service.Request) []byte {
	sum := sha256.New()
	for _, part := range []string{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("If-Match"), string(r.Body())} {
		_, _ = sum.Write([]byte(strconv.Itoa(len(part)) + ":" + part)) // a hash takes every write
	}
	return sum.Sum(nil)
}
