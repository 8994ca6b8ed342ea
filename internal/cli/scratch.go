package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"tenantctl/internal/local"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// scratch makes the throw-away databases in which PostgreSQL renames a lifted schema. It implements lift.Scratch. They lie on
// the local stack where that runs; else on a throw-away server of their own, which needs PostgreSQL's server programs; else on
// the shared instance.
type scratch struct {
	factory  *Factory
	instance string // DSN of the shared instance
	dir      string // state folder of the throw-away server, the same at each attempt: what a killed run left is found

	once   sync.Once
	ready  chan struct{}
	server string // DSN of a database of the server that takes them
	err    error
}

// newScratch begins nothing. A command that only looks has a server of its own, so that it can't end a move's.
func (f *Factory) newScratch(instanceDSN string, name tenant.Name, keeping recordKeeping) (*scratch, error) {
	dir, err := f.StackDir()
	if err != nil {
		return nil, err
	}
	dir += scratchInfix
	if keeping == readsRecords {
		dir += "look-"
	}
	return &scratch{factory: f, instance: instanceDSN, dir: dir + string(name), ready: make(chan struct{})}, nil
}

// scratchInfix stands in the names of throw-away servers' folders, between the local stack's and the tenant.
const scratchInfix = "-scratch-"

// sweepScratches ends what killed commands left of throw-away servers beside a local stack, and forgets how they were made.
func sweepScratches(ctx context.Context, stackDir string, data local.Data) error {
	left, err := filepath.Glob(stackDir + scratchInfix + "*")
	if err != nil {
		return fmt.Errorf("look for throw-away servers: %w", err)
	}
	var errs []error
	for _, dir := range left {
		if err := local.Down(ctx, dir, local.RemoveData); err != nil && !errors.Is(err, tenant.ErrNotFound) {
			errs = append(errs, err)
		}
	}
	if data == local.RemoveData {
		errs = append(errs, os.RemoveAll(local.TemplatesDir(stackDir)))
	}
	return errors.Join(errs...)
}

// warm starts the throw-away server beside whatever else goes on, so that it is there when it is needed.
func (s *scratch) warm(ctx context.Context) {
	s.once.Do(func() {
		go func() {
			defer close(s.ready)
			s.server, s.err = s.find(ctx)
		}()
		s.factory.onClose(s.close)
	})
}

// find chooses the server.
func (s *scratch) find(ctx context.Context) (string, error) {
	stack, err := s.factory.StackDir()
	if err != nil {
		return "", err
	}
	found, err := local.Find(stack)
	if err == nil && found.Postgres != nil && found.Postgres.PID() != 0 {
		return found.Postgres.DSN("postgres"), nil
	}
	if _, err := postgres.FindServer(0); err != nil {
		return s.instance, nil //nolint:nilerr // without server programs the instance itself serves
	}
	made, err := local.Up(ctx, local.Options{Dir: s.dir, Templates: local.TemplatesDir(stack), Settings: map[string]string{
		"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "wal_level": "minimal", "max_wal_senders": "0",
	}})
	if err != nil {
		return "", fmt.Errorf("start a throw-away PostgreSQL: %w", err)
	}
	return made.Postgres.DSN("postgres"), nil
}

// close waits for a server that is still starting, and ends it. Where nothing was started there is nothing to end.
func (s *scratch) close(ctx context.Context) {
	<-s.ready
	if err := local.Down(ctx, s.dir, local.RemoveData); err != nil && !errors.Is(err, tenant.ErrNotFound) {
		s.factory.Warn("a throw-away PostgreSQL under %s is left behind: %s", s.dir, err)
	}
}

// sweep ends what a killed run left behind: its throw-away server with everything in it, or its database on another server.
func (s *scratch) sweep(ctx context.Context, database string) error {
	err := local.Down(ctx, s.dir, local.RemoveData)
	if err == nil || !errors.Is(err, tenant.ErrNotFound) {
		return err
	}
	servers := []string{s.instance}
	if stack, err := s.factory.StackDir(); err == nil {
		if found, err := local.Find(stack); err == nil && found.Postgres != nil && found.Postgres.PID() != 0 {
			servers = append(servers, found.Postgres.DSN("postgres"))
		}
	}
	var errs []error
	for _, server := range servers {
		errs = append(errs, dropDatabase(ctx, server, database))
	}
	return errors.Join(errs...)
}

// Create implements lift.Scratch.
func (s *scratch) Create(ctx context.Context, name string) (dsn string, drop func(context.Context) error, err error) {
	s.warm(ctx)
	select {
	case <-s.ready:
	case <-ctx.Done():
		return "", nil, context.Cause(ctx)
	}
	if s.err != nil {
		return "", nil, s.err
	}
	if err := dropDatabase(ctx, s.server, name); err != nil {
		return "", nil, err
	}
	conn, err := postgres.Connect(ctx, s.server, postgres.Options{Application: "scratch"})
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "create database "+postgres.Ident(name)+" template template0"); err != nil {
		return "", nil, fmt.Errorf("create database %s: %w", name, err)
	}
	return onDatabase(s.server, name), func(ctx context.Context) error { return dropDatabase(ctx, s.server, name) }, nil
}

// dropDatabase drops a database that may not be there, whoever is connected to it.
func dropDatabase(ctx context.Context, server, name string) error {
	conn, err := postgres.Connect(ctx, server, postgres.Options{Application: "scratch"})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "drop database if exists "+postgres.Ident(name)+" with (force)"); err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	return nil
}

// onDatabase is a connection string for another database of the same server.
func onDatabase(dsn, database string) string {
	if parsed, err := url.Parse(dsn); err == nil && parsed.Scheme != "" {
		parsed.Path = "/" + database
		query := parsed.Query()
		query.Del("dbname")
		parsed.RawQuery = query.Encode()
		return parsed.String()
	}
	escape := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace
	return fmt.Sprintf("%s dbname='%s'", dsn, escape(database))
}
