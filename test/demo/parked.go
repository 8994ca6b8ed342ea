package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
)

// postOffice is the mail server of the demo's company. It refuses mail for good until it is mended.
type postOffice struct {
	listener net.Listener
	group    sync.WaitGroup

	mu      sync.Mutex
	mended  bool
	refused int
	mails   []string
}

func openPostOffice(ctx context.Context) (*postOffice, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &postOffice{listener: listener}
	p.group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // it is closed
			}
			p.group.Go(func() { p.serve(conn) })
		}
	})
	return p, nil
}

func (p *postOffice) address() string { return p.listener.Addr().String() }

func (p *postOffice) close() error {
	err := p.listener.Close()
	p.group.Wait()
	return err
}

// serve speaks as much SMTP as it takes to be handed a mail.
func (p *postOffice) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	lines := bufio.NewScanner(conn)
	say := func(line string) { fmt.Fprint(conn, line+"\r\n") }
	say("220 post office")
	for lines.Scan() {
		verb, _, _ := strings.Cut(strings.ToUpper(lines.Text()), " ")
		switch {
		case verb == "RCPT" && p.refuses():
			say("550 no mailbox of that name")
		case verb == "DATA":
			say("354 go on")
			var text strings.Builder
			for lines.Scan() && lines.Text() != "." {
				text.WriteString(lines.Text() + "\n")
			}
			p.take(text.String())
			say("250 taken")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (p *postOffice) refuses() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.mended {
		p.refused++
	}
	return !p.mended
}

func (p *postOffice) take(mail string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = append(p.mails, mail)
}

func (p *postOffice) mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mended = true
}

func (p *postOffice) got() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mails
}

// parked is a message as `dlq list -o json` tells of it.
type parked struct {
	ID, Tenant, Type, Reason string
}

// playParked has a mail refused for good, finds it where nothing gets lost, and sends it once the mailbox is there.
func playParked(ctx context.Context, s *stage) error {
	c := s.company
	order, err := c.order(ctx, c.visitors["south"])
	if err != nil {
		return err
	}
	var list []parked
	err = c.wait(ctx, "the mail is parked", func() (bool, error) {
		list, err = c.parked(ctx)
		return len(list) > 0, err
	})
	if err != nil {
		return err
	}
	if err := equal("messages parked", len(list), 1); err != nil {
		return err
	}
	if _, err := c.run(ctx, 0, "dlq", "list"); err != nil {
		return err
	}
	shown, err := c.run(ctx, 0, "dlq", "show", list[0].ID)
	if err != nil {
		return err
	}
	if err := contains("dlq show", shown.stdout, `550 "no mailbox of that name"`); err != nil {
		return err
	}
	c.say("\nThe mailbox is made, and the message sent on its way again:")
	c.office.mend()
	if _, err := c.run(ctx, 0, "dlq", "replay", "--all", "--tenant", "south"); err != nil {
		return err
	}
	if err := c.wait(ctx, "the mail arrives", func() (bool, error) { return len(c.office.got()) > 0, nil }); err != nil {
		return err
	}
	return c.arrivedOnce(ctx, order)
}

// order has somebody who wants mail place an order, and gives its number.
func (c *company) order(ctx context.Context, tr *traffic) (number string, err error) {
	for _, step := range []struct {
		method, path string
		body         map[string]any
		status       int
	}{
		{http.MethodPut, "/v1/notifications/preferences", map[string]any{"mail": "immediate", "address": "ann@south.example"}, http.StatusOK},
		{http.MethodPost, "/v1/customers", map[string]any{"code": "bo", "name": "Bo"}, http.StatusCreated},
		{http.MethodPost, "/v1/orders", map[string]any{"customer_code": "bo"}, http.StatusCreated},
	} {
		status, _, body, err := tr.ask(ctx, step.method, step.path, step.body)
		if err != nil {
			return "", err
		}
		if err := equal(step.method+" "+step.path, status, step.status); err != nil {
			return "", fmt.Errorf("%w: %s", err, body)
		}
		var made struct{ ID json.Number }
		if err := json.Unmarshal(body, &made); err != nil {
			return "", err
		}
		number = made.ID.String()
	}
	return number, nil
}

func (c *company) parked(ctx context.Context) ([]parked, error) {
	text, err := c.ask(ctx, "dlq", "list", "-o", "json")
	if err != nil {
		return nil, err
	}
	var said struct{ Items []parked }
	return said.Items, json.Unmarshal([]byte(text), &said)
}

// arrivedOnce counts mails in the office, in the tenant's own records, and what is parked still.
func (c *company) arrivedOnce(ctx context.Context, order string) error {
	if err := c.wait(ctx, "the mail is noted as sent", func() (bool, error) {
		sent, err := c.answer(ctx, c.shared, "tenant_south", "select count(*) from notification_mails where sent_at is not null")
		return sent == "1", err
	}); err != nil {
		return err
	}
	left, err := c.parked(ctx)
	if err != nil {
		return err
	}
	mails := c.office.got()
	for _, count := range []struct {
		what      string
		got, want int
	}{{"mails that arrived", len(mails), 1}, {"messages that are parked still", len(left), 0}} {
		if err := equal(count.what, count.got, count.want); err != nil {
			return err
		}
	}
	if err := contains("the mail", mails[0], "Order "+order+" was placed"); err != nil {
		return err
	}
	c.checked("the mail about order %s arrived once, and nothing is parked", order)
	return nil
}
