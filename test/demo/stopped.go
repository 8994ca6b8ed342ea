package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// badVersion is released in good faith: the service still asks for the column by its old name.
var badVersion = map[string]string{
	".up.sql":   "alter table customers rename column fax to facsimile;\n",
	".down.sql": "alter table customers rename column facsimile to fax;\n",
}

const visitPace = 20 * time.Millisecond

// playStopped rolls a version out that breaks the service. What the services count stops it after its first wave.
func playStopped(ctx context.Context, s *stage) (err error) {
	c := s.company
	defer func() { err = errors.Join(err, c.close(context.WithoutCancel(ctx))) }()
	for way, sql := range badVersion {
		if err := os.WriteFile(filepath.Join(c.project, "core", "007_facsimile"+way), []byte(sql), 0o600); err != nil {
			return err
		}
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	answers := &answers{by: map[string]map[int]int{}}
	for _, name := range shopsOfCompany()[1:] {
		answers.keep(working, c.visitors[name])
	}
	said, err := c.run(ctx, 7, "upgrade", "--all", "--yes")
	if err != nil {
		return err
	}
	if err := contains("upgrade", said.stderr, "gate services failed: errors of core at version 7"); err != nil {
		return err
	}
	if err := c.coreAt(ctx, map[string]string{"north": "7", "south": "6", "west": "6"}); err != nil {
		return err
	}
	c.say("\nThe way back:")
	if _, err := c.run(ctx, 0, "upgrade", "--rollback", "r1", "--yes"); err != nil {
		return err
	}
	if err := c.coreAt(ctx, map[string]string{"north": "6", "south": "6", "west": "6"}); err != nil {
		return err
	}
	err = c.wait(ctx, "north is answered again", func() (bool, error) {
		status, _, _, err := c.visitors["north"].ask(ctx, http.MethodGet, "/v1/customers?limit=5", nil)
		return status == http.StatusOK, err
	})
	if err != nil {
		return err
	}
	stop()
	answers.group.Wait()
	return c.judgeAnswers(answers)
}

// answers are what tenants' people were answered, by status.
type answers struct {
	group  sync.WaitGroup
	mu     sync.Mutex
	by     map[string]map[int]int
	failed error
}

// keep has somebody of a tenant look at the customers until ctx is over.
func (a *answers) keep(ctx context.Context, tr *traffic) {
	a.by[tr.tenant] = map[int]int{}
	a.group.Go(func() {
		for ctx.Err() == nil {
			status, _, _, err := tr.ask(context.WithoutCancel(ctx), http.MethodGet, "/v1/customers?limit=5", nil)
			a.mu.Lock()
			a.by[tr.tenant][status]++
			a.failed = errors.Join(a.failed, err)
			a.mu.Unlock()
			_ = pauseFor(ctx, visitPace)
		}
	})
}

// coreAt compares by plain SQL at which version of core tenants stand.
func (c *company) coreAt(ctx context.Context, want map[string]string) error {
	for name, version := range want {
		at, err := c.answer(ctx, c.shared, "tenant_"+name, "select version from schema_migrations_core")
		if err != nil {
			return err
		}
		if err := equal(name+": version of core", at, version); err != nil {
			return err
		}
	}
	c.checked("asked by plain SQL, north stands at version %s, south and west at %s", want["north"], want["west"])
	return nil
}

func (c *company) judgeAnswers(a *answers) error {
	if a.failed != nil {
		return a.failed
	}
	fmt.Printf("\n  %-8s %8s %8s\n", "TENANT", "ANSWERED", "FAILED")
	for _, name := range shopsOfCompany()[1:] {
		well, failed := a.by[name][http.StatusOK], a.by[name][http.StatusInternalServerError]
		fmt.Printf("  %-8s %8d %8d\n", name, well, failed)
		if well == 0 || len(a.by[name]) > 2 || (failed > 0) != (name == "north") {
			return fmt.Errorf("%s was answered %v by status", name, a.by[name])
		}
	}
	c.checked("one canary saw the bad version for seconds; its neighbors saw nothing of it, and it is well again")
	return nil
}
