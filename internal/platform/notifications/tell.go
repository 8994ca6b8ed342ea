package notifications

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/scope"
)

// The service's own events.
const (
	mailReady = "mail.ready"
	digestDue = "digest.due"
)

// The ways in which a user gets mail.
const (
	mailOff       = "off"
	mailImmediate = "immediate"
	mailDigest    = "digest"
)

// letter is the payload of mailReady, and due that of digestDue.
type (
	letter struct {
		Mail string `json:"mail"`
	}
	due struct {
		User string `json:"user"`
	}
)

// recipient is who is told of an event.
type recipient struct {
	UserID  string
	Mail    string
	Address string
}

// tell makes notifications of an event: for everyone who wants to hear of it, and for who did it, unless they don't. Where the event
// says whom it is for, it is for them only.
func (n *Notifications) tell(ctx context.Context, tx scope.Tx, m bus.Message) error {
	if m.Type == digestDue {
		return n.digest(ctx, tx, m)
	}
	said, err := wordsFor(ctx, tx, m)
	if err != nil {
		return err
	}
	recipients, err := recipientsOf(ctx, tx, m)
	if err != nil {
		return err
	}
	for _, to := range recipients {
		if err := n.notify(ctx, tx, m, to, said); err != nil {
			return err
		}
	}
	return nil
}

func wordsFor(ctx context.Context, tx scope.Tx, m bus.Message) (said text, err error) {
	err = tx.QueryRow(ctx, `select subject, body from notification_templates where type = $1`, m.Type).Scan(&said.Subject, &said.Body)
	if errors.Is(err, pgx.ErrNoRows) {
		said, err = words[m.Type], nil
	}
	if err != nil {
		return text{}, fmt.Errorf("words for %s: %w", m.Type, err)
	}
	return said.filled(m)
}

// recipientsOf locks the preferences: a daily mail that is being made is finished first, or waits.
func recipientsOf(ctx context.Context, tx scope.Tx, m bus.Message) ([]recipient, error) {
	var fact struct {
		Actor string   `json:"actor"`
		To    []string `json:"to"`
	}
	if err := m.Decode(&fact); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `select user_id, mail, coalesce(address, '') as address, events is null or $1 = any (events) as wanted
		from notification_preferences where $2::text[] is null or user_id = any ($2) order by user_id for update`, m.Type, fact.To)
	if err != nil {
		return nil, fmt.Errorf("who wants to hear of it: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[struct {
		recipient
		Wanted bool
	}])
	if err != nil {
		return nil, fmt.Errorf("who wants to hear of it: %w", err)
	}
	silent := fact.To // who is told without having said anything
	if silent == nil && fact.Actor != "" {
		silent = []string{fact.Actor}
	}
	told := []recipient{}
	for _, p := range list {
		silent = slices.DeleteFunc(silent, func(user string) bool { return user == p.UserID })
		if p.Wanted {
			told = append(told, p.recipient)
		}
	}
	for _, user := range silent {
		told = append(told, recipient{UserID: user, Mail: mailOff})
	}
	return told, nil
}

// notify makes one notification, and the mail that goes with it.
func (n *Notifications) notify(ctx context.Context, tx scope.Tx, m bus.Message, to recipient, said text) error {
	waits := to.Mail == mailDigest && n.opts.Mailer != nil
	var others bool
	var now time.Time // the server's: whose clock else is wrong doesn't matter
	err := tx.QueryRow(ctx, `select exists (select from notifications where user_id = $1 and waiting), clock_timestamp()`, to.UserID).Scan(&others, &now)
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	_, err = tx.Exec(ctx, `insert into notifications (user_id, event_id, type, subject, body, waiting) values ($1, $2, $3, $4, $5, $6)`,
		to.UserID, m.ID, m.Type, said.Subject, said.Body, waits)
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	switch {
	case n.opts.Mailer == nil:
		return nil
	case to.Mail == mailImmediate:
		return post(ctx, tx, m, to, said)
	case waits && !others:
		_, err = bus.Publish(ctx, tx, bus.Event{
			Type: digestDue, Version: 1, Payload: due{to.UserID}, Due: n.opts.DigestAt(now),
		})
	}
	return err
}

// post writes a mail and has it sent.
func post(ctx context.Context, tx scope.Tx, m bus.Message, to recipient, said text) error {
	var id string
	err := tx.QueryRow(ctx, `insert into notification_mails (cause, user_id, address, subject, body) values ($1, $2, $3, $4, $5) returning id::text`,
		m.ID+" "+to.UserID, to.UserID, to.Address, said.Subject, said.Body).Scan(&id)
	if err != nil {
		return fmt.Errorf("write a mail: %w", err)
	}
	_, err = bus.Publish(ctx, tx, bus.Event{Type: mailReady, Version: 1, Payload: letter{id}})
	return err
}

// digest makes one mail of what waits for a user.
func (n *Notifications) digest(ctx context.Context, tx scope.Tx, m bus.Message) error {
	var of due
	if err := m.Decode(&of); err != nil {
		return err
	}
	to := recipient{UserID: of.User}
	err := tx.QueryRow(ctx, `select mail, coalesce(address, '') from notification_preferences where user_id = $1 for update`, of.User).Scan(&to.Mail, &to.Address)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("daily mail: %w", err)
	}
	rows, err := tx.Query(ctx, `update notifications set waiting = false where user_id = $1 and waiting returning id, subject, body`, of.User)
	if err != nil {
		return fmt.Errorf("daily mail: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct {
		ID            int64
		Subject, Body string
	}])
	if err != nil {
		return fmt.Errorf("daily mail: %w", err)
	}
	if len(list) == 0 || to.Mail == mailOff || to.Mail == "" {
		return nil // they have changed their mind
	}
	var body strings.Builder
	for _, item := range list {
		fmt.Fprintf(&body, "%s\n  %s\n\n", item.Subject, item.Body)
	}
	return post(ctx, tx, m, to, text{fmt.Sprintf("%d news", len(list)), body.String()})
}

const digestHour = 7

// nextMorning is 07:00 UTC, today's or tomorrow's.
func nextMorning(now time.Time) time.Time {
	now = now.UTC()
	at := time.Date(now.Year(), now.Month(), now.Day(), digestHour, 0, 0, 0, time.UTC)
	if !at.After(now) {
		at = at.AddDate(0, 0, 1)
	}
	return at
}
