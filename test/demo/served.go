package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"tenantctl/internal/postgres"
)

// playServed moves client-x while its people, and those of two tenants that were there before, work through the gateway.
func playServed(ctx context.Context, s *stage) (err error) {
	if err := s.declareServed(); err != nil {
		return err
	}
	for _, name := range []string{"acme", "beta"} {
		if _, err := s.ask(ctx, "provision", name); err != nil {
			return err
		}
	}
	_, endMonolith, err := s.serve(ctx, "legacy", "--tenant", "client-x")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, endMonolith()) }()
	gateway, end, err := s.serve(ctx, "all")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	all, err := s.letIn(ctx, gateway)
	if err != nil {
		return err
	}
	before, err := s.answer(ctx, s.clients["client-x"].dsn, "public", `select count(*) from "Customers"`)
	if err != nil {
		return err
	}
	working, stop := context.WithCancel(ctx)
	var waits []func()
	for _, tr := range all {
		waits = append(waits, tr.people(working))
	}
	err = s.moveUnder(ctx)
	stop()
	for _, wait := range waits {
		wait()
	}
	if err != nil {
		return err
	}
	return s.settle(ctx, all, before)
}

// moveUnder moves client-x, with some work before and after it.
func (s *stage) moveUnder(ctx context.Context) error {
	if err := pauseFor(ctx, time.Second); err != nil {
		return err
	}
	args := []string{"migrate", "client-x", "--yes"}
	s.typed(args...)
	if _, err := s.finish(s.command(ctx, args...), io.Discard, os.Stdout, 0, args); err != nil { // what it says at its end was seen before
		return err
	}
	return pauseFor(ctx, time.Second)
}

func pauseFor(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// declareServed gives client-x and two new tenants the platform's services, log-ins included.
func (s *stage) declareServed() error {
	text, err := os.ReadFile(s.file())
	if err != nil {
		return err
	}
	edited := string(text) + "  acme: { services: [users, auth, core] }\n  beta: { services: [users, auth, core] }\n"
	for _, change := range [][2]string{
		{"services:\n", "services:\n  users: {}\n  auth: {}\n"},
		{"client-x:\n    services: [core]\n", "client-x:\n    services: [users, auth, core]\n"},
		{`"${CLIENT_X_DSN}", mapping: examples/monolith/mapping.yaml`, `"${CLIENT_X_DSN}", mapping: examples/monolith/identity.yaml`},
	} {
		before := edited
		if edited = strings.Replace(edited, change[0], change[1], 1); edited == before {
			return fmt.Errorf("tenants.yaml doesn't hold: %s", change[0])
		}
	}
	return os.WriteFile(s.file(), []byte(edited), 0o600)
}

var passwordSaid = regexp.MustCompile(`"password": "([^"]+)"`)

var servedAt = regexp.MustCompile(`at (http://\S+)`)

// mostLogged is how many lines of the services' log are worth showing.
const mostLogged = 3

// serve runs services until end is called, and finds out where they answer.
func (s *stage) serve(ctx context.Context, args ...string) (url string, end func() error, err error) {
	args = append([]string{"serve"}, append(args, "--listen", "127.0.0.1:0")...)
	s.typed(append(args, "&")...)
	cmd := s.command(ctx, args...)
	messages, err := cmd.StderrPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	address := make(chan string, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		logged := 0
		for lines := bufio.NewScanner(messages); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "{") { // a line of its log
				if strings.Contains(lines.Text(), `"level":"INFO"`) {
					continue
				}
				if logged++; logged == mostLogged+1 {
					fmt.Println("  … and more of the kind")
				}
				if logged > mostLogged {
					continue
				}
			}
			fmt.Println("  " + lines.Text())
			if found := servedAt.FindStringSubmatch(lines.Text()); found != nil {
				address <- found[1]
			}
		}
	}()
	end = func() error { return ended(cmd, read) }
	select {
	case url = <-address:
	case <-read:
		return "", nil, errors.Join(fmt.Errorf("tenantctl %s ended", strings.Join(args, " ")), end())
	case <-ctx.Done():
		return "", nil, errors.Join(ctx.Err(), end())
	}
	if err := untilOK(ctx, url+"/readyz"); err != nil {
		return "", nil, errors.Join(err, end())
	}
	return url, end, nil
}

// ended asks a process to end, and waits until it has.
func ended(cmd *exec.Cmd, read chan struct{}) error {
	asked := cmd.Process.Signal(os.Interrupt)
	<-read
	return errors.Join(asked, cmd.Wait())
}

func untilOK(ctx context.Context, url string) error {
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		if answer, err := http.DefaultClient.Do(r); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		if err := pauseFor(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("%s isn't ready: %w", url, err)
		}
	}
}

// letIn logs somebody in for each tenant. At client-x it is the monolith that signs.
func (s *stage) letIn(ctx context.Context, gateway string) ([]*traffic, error) {
	all := []*traffic{{tenant: "client-x", gateway: gateway}, {tenant: "acme", gateway: gateway}, {tenant: "beta", gateway: gateway}}
	for i, tr := range all[1:] {
		var err error
		if all[i+1], err = s.letInto(ctx, gateway, tr.tenant); err != nil {
			return nil, err
		}
	}
	for { // the gateway is about to hear of the monolith
		err := all[0].login(ctx, "user1", "secret")
		if err == nil {
			return all, nil
		}
		if pauseFor(ctx, 200*time.Millisecond) != nil {
			return nil, err
		}
	}
}

// settle compares the ledgers with the rows, and who waited.
func (s *stage) settle(ctx context.Context, all []*traffic, before string) error {
	fmt.Printf("\n  %-10s %7s %14s %6s %13s\n", "TENANT", "WRITES", "LONGEST WRITE", "READS", "LONGEST READ")
	for _, tr := range all {
		if tr.failed != nil {
			return tr.failed
		}
		round := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
		fmt.Printf("  %-10s %7d %14s %6d %13s\n", tr.tenant, len(tr.ledger), round(tr.longest[http.MethodPost]), tr.reads, round(tr.longest[http.MethodGet]))
		was := "0"
		if tr.tenant == "client-x" {
			was = before
		}
		quoted := make([]string, len(tr.ledger))
		for i, code := range tr.ledger {
			quoted[i] = postgres.Literal(code)
		}
		schema := "tenant_" + strings.ReplaceAll(tr.tenant, "-", "_")
		rows, err := s.answer(ctx, s.shared, schema, "select count(*) filter (where code in ("+strings.Join(quoted, ", ")+")) || ' of ' || count(*) - "+was+" from customers")
		if err != nil {
			return err
		}
		if err := equal(tr.tenant+": rows of the ledger, and new ones altogether", rows, fmt.Sprintf("%d of %d", len(tr.ledger), len(tr.ledger))); err != nil {
			return err
		}
	}
	s.checked("each write that was acknowledged is there once, and no other")
	moved, others := all[0].longest[http.MethodPost], max(all[1].longest[http.MethodPost], all[2].longest[http.MethodPost])
	if others*2 > moved || all[0].longest[http.MethodGet]*2 > moved {
		return fmt.Errorf("while client-x was moved its writes waited %s, but others' waited %s and its reads %s", moved, others, all[0].longest[http.MethodGet])
	}
	s.checked("only writes of client-x waited, and nobody's request failed")
	return nil
}
