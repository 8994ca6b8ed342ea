package messaging

import (
	"context"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
)

// Message is what somebody said.
type Message struct {
	ID           int64     `json:"id"`
	Conversation int64     `json:"conversation"`
	Author       string    `json:"author"`
	Body         string    `json:"body"`
	CreatedAt    time.Time `json:"createdAt"`
}

const columns = `m.id, m.conversation_id as conversation, m.author, m.body, m.created_at`

// MessageSent is the event that the service publishes, and EventVersion the version of its payload, a Sent.
const (
	MessageSent  = "message.sent"
	EventVersion = 1
)

// Sent tells that something was said, and not what.
type Sent struct {
	ID           int64    `json:"id"`
	Conversation int64    `json:"conversation"`
	Subject      string   `json:"subject"`
	Actor        string   `json:"actor"` // the author
	To           []string `json:"to"`    // the other participants
}

func (s *server) listMessages(r *service.Request) (service.Response, error) {
	return service.List(r, func(limit int, after *int64) (found []Message, err error) {
		var member bool
		err = s.store.Read(r.Context(), r.Identity.Tenant, func(b *pgx.Batch) {
			b.Queue(`select exists (select from participants where conversation_id = $1::bigint and user_id = $2)`, r.PathValue("key"), r.Identity.Subject).
				QueryRow(func(row pgx.Row) error { return row.Scan(&member) })
			b.Queue(`select `+columns+` from messages m where m.conversation_id = $1::bigint and ($2::bigint is null or m.id < $2) order by m.id desc limit $3`,
				r.PathValue("key"), after, limit).Query(func(rows pgx.Rows) (err error) {
				found, err = pgx.CollectRows(rows, pgx.RowToStructByName[Message])
				return err
			})
		})
		if err == nil && !member {
			err = service.NotFound("conversation")
		}
		return found, err
	}, func(last Message) int64 { return last.ID })
}

// sendMessage takes the tenant's turn at ids late, so that others wait for little more than the commit.
func (s *server) sendMessage(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
	var body struct {
		Body string `json:"body"`
	}
	if err := r.Decode(&body); err != nil {
		return service.Response{}, err
	}
	id, subject, err := enter(ctx, r, tx, shared)
	if err != nil {
		return service.Response{}, err
	}
	said := Message{Conversation: id, Author: r.Identity.Subject, Body: body.Body}
	var others []string
	err = tx.QueryRow(ctx, `
		with turn as (update message_order set last = last + 1 returning last),
		     said as (insert into messages (id, conversation_id, author, body) select last, $1, $2, $3 from turn returning id, created_at)
		select id, created_at, array(select user_id from participants where conversation_id = $1 and user_id <> $2 order by 1) from said`,
		id, said.Author, said.Body).Scan(&said.ID, &said.CreatedAt, &others)
	if err != nil {
		return service.Response{}, err
	}
	if s.opts.Announce && len(others) > 0 {
		_, err = bus.Publish(ctx, tx, bus.Event{
			Type: MessageSent, Version: EventVersion, Payload: Sent{ID: said.ID, Conversation: id, Subject: subject, Actor: said.Author, To: others},
		})
	}
	return service.JSON(http.StatusCreated, said), err
}

// readMessages never takes back what was read, nor reads ahead.
func (s *server) readMessages(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
	var body struct {
		Message int64 `json:"message"`
	}
	if err := r.Decode(&body); err != nil {
		return service.Response{}, err
	}
	tag, err := tx.Exec(ctx, `update participants set last_read = greatest(last_read, least($3, (select last from message_order)))
		where conversation_id = $1::bigint and user_id = $2`, r.PathValue("key"), r.Identity.Subject, body.Message)
	if err == nil && tag.RowsAffected() == 0 {
		err = service.NotFound("conversation")
	}
	return service.NoContent(), err
}
