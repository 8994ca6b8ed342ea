package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// shopsOfCompany are the tenants of a second project; north is the one that gets new versions first.
func shopsOfCompany() []string { return []string{"flood", "north", "south", "west"} }

const companyFile = `version: 1
platform: { mail: { url: "smtp://%s", from: "Shop <shop@example.com>" } }
services: { bus: {}, jobs: {}, users: {}, auth: {}, core: { migrations: core }, notifications: {} }
rollout:
  rings: [ { name: canary, bake: 3s }, { name: general } ]
  gates: { attempts: 1, services: { minSamples: 20 } }
tenants:
  flood: { limits: { jobs: 2, requestsPerSecond: 5000 } }
  north: { ring: canary }
  south: {}
  west: {}
`

// company is a project of its own with all services, and somebody logged in for each tenant.
type company struct {
	*stage
	office   *postOffice
	visitors map[string]*traffic
	end      func() error // of the services
}

// found makes the project, with core's migrations as they were before the newest one, and starts its services.
func (s *stage) found(ctx context.Context) (err error) {
	own := *s
	own.project = filepath.Join(s.folder, "company")
	c := &company{stage: &own, visitors: map[string]*traffic{}}
	s.company = c
	if c.office, err = openPostOffice(ctx); err != nil {
		return err
	}
	if err := os.CopyFS(filepath.Join(c.project, "core"), os.DirFS(filepath.Join(s.root, "internal", "platform", "core", "migrations"))); err != nil {
		return err
	}
	for _, way := range []string{".up.sql", ".down.sql"} {
		if err := os.Remove(filepath.Join(c.project, "core", "007_idempotency"+way)); err != nil {
			return err
		}
	}
	if err := os.WriteFile(c.file(), fmt.Appendf(nil, companyFile, c.office.address()), 0o600); err != nil {
		return err
	}
	c.typed("provision", "--all")
	if _, err := c.ask(ctx, "provision", "--all"); err != nil { // what is made is told above
		return err
	}
	if c.shared, err = c.ask(ctx, "local", "status", "--show-dsn"); err != nil {
		return err
	}
	gateway, end, err := c.serve(ctx, "all")
	if err != nil {
		return err
	}
	c.end = end
	for _, name := range shopsOfCompany() {
		if c.visitors[name], err = c.letInto(ctx, gateway, name); err != nil {
			return err
		}
	}
	return nil
}

// letInto makes a user of a tenant and logs them in.
func (s *stage) letInto(ctx context.Context, gateway, tenant string) (*traffic, error) {
	text, err := s.ask(ctx, "user", "add", tenant, "ann", "-o", "json")
	if err != nil {
		return nil, err
	}
	said := passwordSaid.FindStringSubmatch(text)
	if said == nil {
		return nil, fmt.Errorf("user add tells no password: %s", text)
	}
	tr := &traffic{tenant: tenant, gateway: gateway}
	return tr, tr.login(ctx, "ann", said[1])
}

// close ends the services and takes the project's servers down. It does what is left to do.
func (c *company) close(ctx context.Context) error {
	var failures []error
	if c.end != nil {
		failures = append(failures, c.end())
		c.end = nil
	}
	if c.office != nil {
		failures = append(failures, c.office.close())
		c.office = nil
	}
	if _, err := os.Stat(c.file()); err == nil {
		_, err := c.ask(ctx, "local", "down")
		failures = append(failures, err, os.RemoveAll(c.project))
	}
	return errors.Join(failures...)
}

// wait asks until it holds.
func (c *company) wait(ctx context.Context, what string, holds func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if yes, err := holds(); yes || err != nil {
			return err
		}
		if err := pauseFor(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
}
