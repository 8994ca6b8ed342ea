package notifications

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/idempotency"
	"tenantctl/internal/platform/jobs"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/tenant"
)

// MailingKind is the kind of job that sends one mail to many.
const MailingKind = "mailing"

// Mailing is such a job, and how far it is.
type Mailing struct {
	jobs.Job
	Subject    string `json:"subject"`
	Recipients int    `json:"recipients"`
	Sent       int    `json:"sent"`
	Refused    int    `json:"refused"` // by the mail server, for good
}

// mailingNew is what somebody asks for. Each address gets it once, however often it is named.
type mailingNew struct {
	text
	To struct {
		Everyone  bool     `json:"everyone"` // who has said that they want mail
		Users     []string `json:"users"`    // of those, these
		Addresses []struct {
			Address string `json:"address"`
			Name    string `json:"name"`
		} `json:"addresses"`
	} `json:"to"`
}

// mailingValues are the names that a mailing's text may have.
var mailingValues = []string{"name", "tenant"} //nolint:gochecknoglobals // a constant list

// recipientsSQL fixes who gets mailing $1: everybody where $2, users $3, and addresses $4 with names $5.
const recipientsSQL = `with asked as (
		select p.address, '' as name from notification_preferences as p where p.mail <> 'off' and ($2 or p.user_id = any ($3))
		union all select a.address, a.name from unnest($4::text[], $5::text[]) as a (address, name)
	),
	each as (select distinct on (lower(address)) address, name from asked order by lower(address), name desc)
	insert into mailing_recipients (mailing, number, address, name) select $1::uuid, row_number() over (order by lower(address)), address, name from each`

// mailings are the operations that ask for mailings and look at them.
func (n *Notifications) mailings(writes idempotency.Writes) map[string]service.Handler {
	all := map[string]service.Handler{
		"createMailing": writes.Handler(n.askForMailing), "listMailings": n.listMailings,
		"getMailing": n.oneMailing(jobs.Get), "cancelMailing": n.oneMailing(jobs.Cancel), "retryMailing": n.oneMailing(jobs.Retry),
	}
	for id, handle := range all {
		if n.opts.Jobs == nil {
			handle = service.Refused(http.StatusNotFound, "no-jobs", "this platform runs no jobs")
		}
		all[id] = service.From(Service, withMailings, handle)
	}
	return all
}

func (n *Notifications) askForMailing(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
	var asked mailingNew
	if err := r.Decode(&asked); err != nil {
		return service.Response{}, err
	}
	switch name := asked.unknown(mailingValues); {
	case n.opts.Mailer == nil:
		return service.Response{}, service.Refuse(http.StatusUnprocessableEntity, "no-mail", "no mail is sent here")
	case name != "":
		return service.Response{}, service.Refuse(http.StatusUnprocessableEntity, "invalid", "a mailing has no value {%s}; there are %v", name, mailingValues)
	}
	id, err := jobs.Submit(ctx, tx, jobs.Request{Queue: Service, Kind: MailingKind, Cost: mailCost})
	if err != nil {
		return service.Response{}, err
	}
	if err := asked.write(ctx, tx, id, r.Identity.Subject); err != nil {
		return service.Response{}, err
	}
	made, err := mailingOf(ctx, tx, id, jobs.Get)
	return service.Response{Status: http.StatusAccepted, Header: http.Header{"Location": {"/v1/mailings/" + id}}, Body: made}, err
}

// write keeps what is sent, and to whom.
func (m *mailingNew) write(ctx context.Context, tx scope.Tx, id, subject string) error {
	if _, err := tx.Exec(ctx, `insert into mailings (id, subject, body, asked_by) values ($1::uuid, $2, $3, $4)`, id, m.Subject, m.Body, subject); err != nil {
		return fmt.Errorf("write mailing %s: %w", id, err)
	}
	var addresses, names []string
	for _, to := range m.To.Addresses {
		addresses, names = append(addresses, to.Address), append(names, to.Name)
	}
	tag, err := tx.Exec(ctx, recipientsSQL, id, m.To.Everyone, m.To.Users, addresses, names)
	if err != nil {
		return fmt.Errorf("recipients of mailing %s: %w", id, err)
	}
	if tag.RowsAffected() == 0 {
		return service.Refuse(http.StatusUnprocessableEntity, "nobody", "none of those have said that they want mail, and there are no addresses")
	}
	return nil
}

// mailingOf gives a mailing, as get gives its job.
func mailingOf(ctx context.Context, tx scope.Tx, id string, get func(ctx context.Context, tx scope.Tx, queue, id string) (jobs.Job, error)) (Mailing, error) {
	job, err := get(ctx, tx, Service, id)
	if err != nil {
		return Mailing{}, err
	}
	list, err := counted(ctx, tx, []jobs.Job{job})
	if err != nil {
		return Mailing{}, err
	}
	return list[0], nil
}

// counted adds to jobs what they send, and how much of it they did.
func counted(ctx context.Context, tx scope.Tx, list []jobs.Job) ([]Mailing, error) {
	ids := make([]string, len(list))
	for i, job := range list {
		ids[i] = job.ID
	}
	rows, err := tx.Query(ctx, `select m.id::text, m.subject, c.* from mailings as m
		cross join lateral (select count(*), count(sent_at), count(refused) from mailing_recipients where mailing = m.id) as c where m.id = any ($1::uuid[])`, ids)
	if err != nil {
		return nil, fmt.Errorf("count mails: %w", err)
	}
	of := map[string]Mailing{}
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (m Mailing, err error) {
		err = row.Scan(&m.ID, &m.Subject, &m.Recipients, &m.Sent, &m.Refused)
		of[m.ID] = m
		return m, err
	})
	all := make([]Mailing, len(list))
	for i, job := range list {
		all[i] = of[job.ID]
		all[i].Job = job
	}
	return all, err
}

func (n *Notifications) listMailings(r *service.Request) (service.Response, error) {
	return service.List(r, func(limit int, after *string) (list []Mailing, err error) {
		before := ""
		if after != nil {
			before = *after
		}
		err = n.store.Tx(r.Context(), r.Identity.Tenant, func(ctx context.Context, tx scope.Tx) error {
			found, err := jobs.List(ctx, tx, Service, before, limit)
			if err != nil {
				return err
			}
			list, err = counted(ctx, tx, found)
			return err
		})
		return list, err
	}, func(m Mailing) string { return m.ID })
}

// oneMailing answers with a mailing, as get gives its job.
func (n *Notifications) oneMailing(get func(ctx context.Context, tx scope.Tx, queue, id string) (jobs.Job, error)) service.Handler {
	return func(r *service.Request) (service.Response, error) {
		var found Mailing
		err := n.store.Tx(r.Context(), r.Identity.Tenant, func(ctx context.Context, tx scope.Tx) (err error) {
			found, err = mailingOf(ctx, tx, r.PathValue("id"), get)
			return err
		})
		if errors.Is(err, tenant.ErrNotFound) {
			return service.Response{}, service.NotFound("mailing")
		}
		return service.JSON(http.StatusOK, found), err
	}
}
