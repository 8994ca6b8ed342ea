package main

import (
	"context"
	_ "embed"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"tenantctl/internal/local"
	"tenantctl/internal/platform/legacy"
	"tenantctl/internal/postgres"
)

// client is one client's old database.
type client struct {
	name    string
	version uint64 // of the monolith
	like    string // client whose database is copied to begin with; "": built and seeded
	own     string // SQL that makes what only this client has
	dsn     string
}

//go:embed sql/custom.sql
var custom string

// scale makes 100,000 orders for each client, about 480,000 rows in all.
const scale = 1

func clients() []*client {
	return []*client{
		{name: "client-x", version: 7},
		{name: "client-z", version: 6},
		{name: "client-y", version: 7, like: "client-x", own: custom},
	}
}

func (c *client) database() string { return strings.ReplaceAll(c.name, "-", "_") }
func (c *client) schema() string   { return "tenant_" + c.database() }
func (c *client) variable() string { return strings.ToUpper(c.database()) + "_DSN" }

// buildClients starts the server of the clients and fills their databases.
func (s *stage) buildClients(ctx context.Context) error {
	server, err := local.StartServer(ctx, local.ServerOptions{Dir: filepath.Join(s.folder, "clients")})
	if err != nil {
		return err
	}
	s.server = server
	var group errgroup.Group
	for _, c := range clients() {
		c.dsn = server.DSN(c.database())
		s.clients[c.name] = c
		if c.like == "" {
			group.Go(func() error { return s.build(ctx, c) })
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, c := range s.clients {
		if c.like != "" {
			if err := s.build(ctx, c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stage) build(ctx context.Context, c *client) error {
	began := time.Now()
	create := "create database " + postgres.Ident(c.database())
	if c.like != "" {
		create += " template " + postgres.Ident(s.clients[c.like].database())
	}
	if err := s.execute(ctx, s.server.DSN("postgres"), create); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	if err := c.fill(ctx); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	fmt.Printf("  %s: the monolith at version %d, with %d orders (%s)\n", c.name, c.version, scale*legacy.OrdersPerScale, time.Since(began).Round(100*time.Millisecond))
	return nil
}

func (c *client) fill(ctx context.Context) error {
	conn, err := postgres.Connect(ctx, c.dsn, postgres.Options{Application: "demo"})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if c.like == "" {
		if err := legacy.Create(ctx, conn, c.version); err != nil {
			return err
		}
		if err := legacy.Seed(ctx, conn, scale); err != nil {
			return err
		}
	}
	return postgres.Script(ctx, conn, c.own+"; analyze")
}

// execute runs SQL on a connection of its own, as the client's application would.
func (s *stage) execute(ctx context.Context, dsn, sql string) error {
	conn, err := postgres.Connect(ctx, dsn, postgres.Options{Application: "demo"})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	_, err = conn.Exec(ctx, sql)
	return err
}

// answer is the one value that a query gives, as text.
func (s *stage) answer(ctx context.Context, dsn, path, sql string) (string, error) {
	conn, err := postgres.Connect(ctx, dsn, postgres.Options{Application: "demo", Settings: map[string]string{"search_path": path}})
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	rows, err := conn.Query(ctx, "select ("+sql+")::text")
	if err != nil {
		return "", fmt.Errorf("%s: %w", sql, err)
	}
	value, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
	if err != nil {
		return "", fmt.Errorf("%s: %w", sql, err)
	}
	return value, nil
}
