package messaging

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
)

// Conversation is one as somebody who takes part sees it.
type Conversation struct {
	ID           int64     `json:"id"`
	Subject      string    `json:"subject"`
	CreatedBy    string    `json:"createdBy"`
	CreatedAt    time.Time `json:"createdAt"`
	Participants []string  `json:"participants"`
	LastRead     int64     `json:"lastRead"`
	Unread       int64     `json:"unread"`
}

// mostParticipants bounds who is told of each message.
const mostParticipants = 100

// selectConversation are those of user $1.
const selectConversation = `
	select c.id, c.subject, c.created_by, c.created_at, p.last_read,
	       array(select o.user_id from participants o where o.conversation_id = c.id order by 1) as participants,
	       (select count(*) from messages m where m.conversation_id = c.id and m.id > p.last_read and m.author <> p.user_id) as unread
	from conversations c join participants p on p.conversation_id = c.id and p.user_id = $1`

func (s *server) listConversations(r *service.Request) (service.Response, error) {
	return service.List(r, func(limit int, after *int64) (found []Conversation, err error) {
		err = s.store.Read(r.Context(), r.Identity.Tenant, func(b *pgx.Batch) {
			b.Queue(selectConversation+` where $2::bigint is null or c.id < $2 order by c.id desc limit $3`, r.Identity.Subject, after, limit).
				Query(func(rows pgx.Rows) (err error) {
					found, err = pgx.CollectRows(rows, pgx.RowToStructByName[Conversation])
					return err
				})
		})
		return found, err
	}, func(last Conversation) int64 { return last.ID })
}

func (s *server) getConversation(r *service.Request) (service.Response, error) {
	var found Conversation
	err := s.store.Read(r.Context(), r.Identity.Tenant, func(b *pgx.Batch) {
		b.Queue(selectConversation+` where c.id = $2::bigint`, r.Identity.Subject, r.PathValue("key")).Query(func(rows pgx.Rows) (err error) {
			found, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Conversation])
			return err
		})
	})
	return service.JSON(http.StatusOK, found), orNotFound(err)
}

func (s *server) createConversation(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
	var body struct {
		Subject      string   `json:"subject"`
		Participants []string `json:"participants"`
	}
	if err := r.Decode(&body); err != nil {
		return service.Response{}, err
	}
	me := r.Identity.Subject
	made := Conversation{Subject: body.Subject, CreatedBy: me}
	err := tx.QueryRow(ctx, `insert into conversations (subject, created_by) values ($1, $2) returning id, created_at`, body.Subject, me).Scan(&made.ID, &made.CreatedAt)
	if err != nil {
		return service.Response{}, err
	}
	err = tx.QueryRow(ctx, `with added as (
			insert into participants (conversation_id, user_id) select distinct $1::bigint, u from unnest($2::text[]) u returning user_id)
		select array(select user_id from added order by 1)`, made.ID, append(body.Participants, me)).Scan(&made.Participants)
	return service.Created(fmt.Sprintf("/v1/conversations/%d", made.ID), made), err
}

// Those who write into a conversation share its row and their own place in it; who changes who takes part has both alone. They are
// locked in this order, so that nobody waits in a circle.
const (
	shared = `for key share of c for share of p`
	alone  = `for update of c, p`
)

// enter finds a conversation that the caller takes part in, and locks it.
func enter(ctx context.Context, r *service.Request, tx scope.Tx, lock string) (id int64, subject string, err error) {
	err = tx.QueryRow(ctx, `select c.id, c.subject from conversations c join participants p on p.conversation_id = c.id and p.user_id = $1
		where c.id = $2::bigint `+lock, r.Identity.Subject, r.PathValue("key")).Scan(&id, &subject)
	return id, subject, orNotFound(err)
}

func orNotFound(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return service.NotFound("conversation")
	}
	return err
}

func (s *server) addParticipant(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
	var body struct {
		User string `json:"user"`
	}
	if err := r.Decode(&body); err != nil {
		return service.Response{}, err
	}
	id, _, err := enter(ctx, r, tx, alone)
	if err != nil {
		return service.Response{}, err
	}
	if _, err := tx.Exec(ctx, `insert into participants (conversation_id, user_id) values ($1, $2) on conflict do nothing`, id, body.User); err != nil {
		return service.Response{}, err
	}
	var there int
	err = tx.QueryRow(ctx, `select count(*) from participants where conversation_id = $1`, id).Scan(&there)
	if err == nil && there > mostParticipants {
		err = service.Refuse(http.StatusConflict, "full", "a conversation has at most %d participants", mostParticipants)
	}
	return service.NoContent(), err
}

func (s *server) leaveConversation(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
	id, _, err := enter(ctx, r, tx, alone)
	if err != nil {
		return service.Response{}, err
	}
	if _, err := tx.Exec(ctx, `delete from participants where conversation_id = $1 and user_id = $2`, id, r.Identity.Subject); err != nil {
		return service.Response{}, err
	}
	_, err = tx.Exec(ctx, `delete from conversations c where c.id = $1 and not exists (select from participants p where p.conversation_id = c.id)`, id)
	return service.NoContent(), err
}
