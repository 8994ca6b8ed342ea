package notifications

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
)

// Notification is what a user was told.
type Notification struct {
	ID        int64      `json:"id"`
	Type      string     `json:"type"`
	Subject   string     `json:"subject"`
	Body      string     `json:"body"`
	CreatedAt time.Time  `json:"createdAt"`
	ReadAt    *time.Time `json:"readAt"`
}

const columns = `id, type, subject, body, created_at, read_at`

// list shows the caller's own, the newest first.
func (n *Notifications) list(r *service.Request) (service.Response, error) {
	return service.List(r, func(limit int, after *int64) (found []Notification, err error) {
		err = n.store.Read(r.Context(), r.Identity.Tenant, func(b *pgx.Batch) {
			b.Queue(`select `+columns+` from notifications where user_id = $1 and ($2::bigint is null or id < $2) and (read_at is null or not $3)
				order by id desc limit $4`, r.Identity.Subject, after, r.Query("unread") == "true", limit).Query(func(rows pgx.Rows) (err error) {
				found, err = pgx.CollectRows(rows, pgx.RowToStructByName[Notification])
				return err
			})
		})
		return found, err
	}, func(last Notification) int64 { return last.ID })
}

// read notes that the caller has read one of their own.
func (n *Notifications) read(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
	rows, err := tx.Query(ctx, `update notifications set read_at = coalesce(read_at, now()) where id = $1::bigint and user_id = $2 returning `+columns,
		r.PathValue("id"), r.Identity.Subject)
	if err != nil {
		return service.Response{}, err
	}
	found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Notification])
	if errors.Is(err, pgx.ErrNoRows) {
		return service.Response{}, service.NotFound("notification")
	}
	return service.JSON(http.StatusOK, found), err
}

// Preferences are how a user wants to be told, and of what.
type Preferences struct {
	Mail    string    `json:"mail"`
	Address *string   `json:"address"`
	Events  *[]string `json:"events"` // null: all
}

func (n *Notifications) getPreferences(r *service.Request) (service.Response, error) {
	p := Preferences{Mail: mailOff, Events: &[]string{}}
	err := n.store.Read(r.Context(), r.Identity.Tenant, func(b *pgx.Batch) {
		b.Queue(`select mail, address, events from notification_preferences where user_id = $1`, r.Identity.Subject).QueryRow(func(row pgx.Row) error {
			if err := row.Scan(&p.Mail, &p.Address, &p.Events); !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
			return nil
		})
	})
	return service.JSON(http.StatusOK, p), err
}

func (n *Notifications) setPreferences(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
	var p Preferences
	if err := r.Decode(&p); err != nil {
		return service.Response{}, err
	}
	switch {
	case p.Mail != mailOff && n.opts.Mailer == nil:
		return service.Response{}, service.Refuse(http.StatusUnprocessableEntity, "no-mail", "no mail is sent here")
	case p.Mail != mailOff && p.Address == nil:
		return service.Response{}, service.Refuse(http.StatusUnprocessableEntity, "invalid", "mail needs an address")
	}
	_, err := tx.Exec(ctx, `insert into notification_preferences (user_id, mail, address, events) values ($1, $2, $3, $4)
		on conflict (user_id) do update set mail = excluded.mail, address = excluded.address, events = excluded.events, updated_at = now()`,
		r.Identity.Subject, p.Mail, p.Address, p.Events)
	return service.JSON(http.StatusOK, p), err
}

// Template is what is said of a type of event.
type Template struct {
	Type string `json:"type"`
	text
	Own bool `json:"own"` // the tenant's, and not the platform's
}

func (n *Notifications) listTemplates(r *service.Request) (service.Response, error) {
	own := map[string]text{}
	err := n.store.Read(r.Context(), r.Identity.Tenant, func(b *pgx.Batch) {
		b.Queue(`select type, subject, body from notification_templates`).Query(func(rows pgx.Rows) error {
			list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Type, Subject, Body string }])
			for _, row := range list {
				own[row.Type] = text{row.Subject, row.Body}
			}
			return err
		})
	})
	list := []Template{}
	for _, kind := range slices.Sorted(maps.Keys(words)) {
		said, is := own[kind]
		if !is {
			said = words[kind]
		}
		list = append(list, Template{kind, said, is})
	}
	return service.JSON(http.StatusOK, map[string]any{"items": list}), err
}

func (n *Notifications) setTemplate(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
	kind := r.PathValue("type")
	if _, known := words[kind]; !known {
		return service.Response{}, service.NotFound("type of event")
	}
	var said text
	if err := r.Decode(&said); err != nil {
		return service.Response{}, err
	}
	if name := said.unknown(values); name != "" {
		return service.Response{}, service.Refuse(http.StatusUnprocessableEntity, "invalid", "no event has a value {%s}; there are %v", name, values)
	}
	_, err := tx.Exec(ctx, `insert into notification_templates (type, subject, body) values ($1, $2, $3)
		on conflict (type) do update set subject = excluded.subject, body = excluded.body, updated_at = now()`, kind, said.Subject, said.Body)
	return service.JSON(http.StatusOK, Template{kind, said, true}), err
}

func (n *Notifications) deleteTemplate(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
	tag, err := tx.Exec(ctx, `delete from notification_templates where type = $1`, r.PathValue("type"))
	if err == nil && tag.RowsAffected() == 0 {
		err = service.NotFound("template of your own")
	}
	return service.NoContent(), err
}
