package notifications

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/jobs"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/telemetry"
)

const (
	// mailsPerRead is how many recipients are read at once. Each gets a transaction of their own.
	mailsPerRead = 100
	// mailCost is how long a mailing goes on, in seconds, while others wait: for one mail.
	mailCost = 0.05
	// mailingTime is how long one attempt goes on, of the hour that it has. What is left is another's.
	mailingTime = 30 * time.Minute
)

// Kinds are the jobs that the service does, with a mailer that may be nil.
func Kinds(mailer Mailer) []jobs.Kind {
	return []jobs.Kind{{Name: MailingKind, Length: jobs.Long, Do: func(ctx context.Context, task *jobs.Task) error {
		if mailer == nil {
			return jobs.Permanent(errNoMailer)
		}
		return (&bulk{mailer: mailer, task: task, began: time.Now()}).send(ctx)
	}}}
}

// bulk is an attempt at a mailing.
type bulk struct {
	mailer Mailer
	task   *jobs.Task
	began  time.Time
	said   text
	at     mailed
	total  int
}

// mailed is how far a mailing is.
type mailed struct {
	Last int `json:"last"` // the recipient who came last
}

// outcome is the result of a mailing.
type outcome struct {
	Sent    int `json:"sent"`
	Refused int `json:"refused"`
}

// addressee is a recipient of a mailing.
type addressee struct {
	Number        int
	Address, Name string
}

// send sends to one recipient after the other, each with the checkpoint behind it: an attempt that follows goes on there.
func (b *bulk) send(ctx context.Context) error {
	if _, err := b.task.Resume(&b.at); err != nil {
		return err
	}
	for {
		next, err := b.read(ctx)
		if err != nil {
			return err
		}
		if len(next) == 0 {
			return b.task.Complete(ctx, b.sum)
		}
		for _, to := range next {
			if err := b.one(ctx, to); err != nil {
				return err
			}
		}
		if time.Since(b.began) > mailingTime {
			return jobs.ErrYield
		}
	}
}

// sum counts what came of it.
func (b *bulk) sum(ctx context.Context, tx scope.Tx) (any, error) {
	var of outcome
	err := tx.QueryRow(ctx, `select count(sent_at), count(refused) from mailing_recipients where mailing = $1::uuid`, b.task.ID).Scan(&of.Sent, &of.Refused)
	return of, err
}

// read gives the next recipients, and what they are told.
func (b *bulk) read(ctx context.Context) (next []addressee, err error) {
	err = b.task.Read(ctx, func(batch *pgx.Batch) {
		batch.Queue(`select subject, body, (select max(number) from mailing_recipients where mailing = id) from mailings where id = $1::uuid`, b.task.ID).
			QueryRow(func(row pgx.Row) error { return row.Scan(&b.said.Subject, &b.said.Body, &b.total) })
		batch.Queue(`select number, address, name from mailing_recipients where mailing = $1::uuid and number > $2 order by number limit $3`, b.task.ID, b.at.Last, mailsPerRead).
			Query(func(rows pgx.Rows) (err error) {
				next, err = pgx.CollectRows(rows, pgx.RowToStructByPos[addressee])
				return err
			})
	})
	if err != nil {
		return nil, fmt.Errorf("read recipients: %w", err)
	}
	return next, nil
}

// one sends to one recipient, in the transaction that says so: the job is this attempt's until it ends, so that nobody else sends it
// meanwhile. Whoever dies between the server's word and the commit has it sent twice, under one Message-ID.
func (b *bulk) one(ctx context.Context, to addressee) error {
	mail := Mail{ID: fmt.Sprintf("%s.%d", b.task.ID, to.Number), To: to.Address}
	mail.Trace, _ = telemetry.IDs(ctx)
	values := strings.NewReplacer("{name}", to.Name, "{tenant}", string(b.task.Tenant.Name))
	mail.Subject, mail.Body = values.Replace(b.said.Subject), values.Replace(b.said.Body)
	err := b.task.Checkpoint(ctx, mailed{to.Number}, float64(to.Number)/float64(b.total), func(ctx context.Context, tx scope.Tx) error {
		var refused *string
		err := b.mailer.Send(ctx, mail)
		switch {
		case bus.IsPermanent(err): // it isn't tried again, and the others get theirs
			why := err.Error()
			refused = &why
		case err != nil:
			return fmt.Errorf("send mail %s: %w", mail.ID, err)
		}
		_, err = tx.Exec(ctx, `update mailing_recipients set refused = $3, sent_at = case when $3::text is null then now() end where mailing = $1::uuid and number = $2`,
			b.task.ID, to.Number, refused)
		return err
	})
	if err == nil {
		b.at.Last = to.Number
	}
	return err
}
