package notifications

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/telemetry"
)

// Mail is one to be sent.
type Mail struct {
	ID            string // of which its Message-ID is made
	To            string
	Subject, Body string
	Trace         string // of what it was written for; empty: unknown
}

// Mailer sends mail. What isn't the mail's fault is bus.Later; what will never do is bus.Permanent.
type Mailer interface {
	Send(ctx context.Context, m Mail) error
}

var errNoMailer = errors.New("no mail server is set up (platform.mail in tenants.yaml)")

// send sends a mail unless it was. The row is locked meanwhile, and that it was sent is committed with the inbox. Whoever dies
// between the server's word and that commit has the mail sent twice, under one Message-ID.
func (n *Notifications) send(ctx context.Context, tx scope.Tx, m bus.Message) error {
	var of letter
	if err := m.Decode(&of); err != nil {
		return err
	}
	if n.opts.Mailer == nil {
		return bus.Permanent(errNoMailer)
	}
	mail := Mail{ID: of.Mail}
	mail.Trace, _ = telemetry.IDs(ctx)
	var sent bool
	err := tx.QueryRow(ctx, `select address, subject, body, sent_at is not null from notification_mails where id = $1 for update`, of.Mail).
		Scan(&mail.To, &mail.Subject, &mail.Body, &sent)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return bus.Permanent(fmt.Errorf("mail %s isn't there", of.Mail))
	case err != nil:
		return fmt.Errorf("read mail %s: %w", of.Mail, err)
	case sent:
		return nil
	}
	if err := n.opts.Mailer.Send(ctx, mail); err != nil {
		return fmt.Errorf("send mail %s: %w", of.Mail, err)
	}
	if _, err := tx.Exec(ctx, `update notification_mails set sent_at = now() where id = $1`, of.Mail); err != nil {
		return fmt.Errorf("note that mail %s was sent: %w", of.Mail, err)
	}
	n.opts.Log.InfoContext(ctx, "mail sent", "mail", of.Mail)
	return nil
}
