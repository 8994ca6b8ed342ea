// Package legacy is the old monolith that every client ran on a server of its own: what is migrated from. Its schema is what
// such applications have: quoted names beside plain ones, serial keys, timestamps without a zone, one-letter states, rows
// that are deleted by a flag, totals kept by a trigger, and a table that tells the version.
package legacy

import (
	"context"
	"embed"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
)

// Service is the name of the service and of its stream.
const Service = "legacy"

// OrdersPerScale is how many orders Seed makes for a scale of 1.
const OrdersPerScale = 100_000

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed sql/*.sql
var scripts embed.FS

// Stream reads the monolith's schema migrations. A client may stand at any of its versions.
func Stream() (*stream.Stream, error) {
	return stream.ReadEmbedded(Service, migrations)
}

// Create builds the monolith's schema at a version in an empty database, as its own installer did: the version is told by
// schema_info and by nothing else.
func Create(ctx context.Context, conn *pgx.Conn, version uint64) error {
	s, err := Stream()
	if err != nil {
		return err
	}
	if _, err := s.File(version); err != nil {
		return err
	}
	return inTransaction(ctx, conn, "create the monolith's schema", func(tx pgx.Tx) error {
		for _, file := range s.Files() {
			if file.Version > version {
				break
			}
			if err := postgres.Script(ctx, tx, file.Up.SQL); err != nil {
				return fmt.Errorf("%s: %w", file.Up.Path, err)
			}
		}
		return nil
	})
}

// Seed fills a database that Create made with scale * OrdersPerScale orders and what belongs to them. The same scale and
// version give the same rows everywhere.
func Seed(ctx context.Context, conn *pgx.Conn, scale int) error {
	return inTransaction(ctx, conn, "seed the monolith", func(tx pgx.Tx) error {
		var version int
		if err := tx.QueryRow(ctx, `select max(version) from schema_info`).Scan(&version); err != nil {
			return fmt.Errorf("read schema_info: %w", err)
		}
		if _, err := tx.Exec(ctx, `select set_config('legacy.orders', $1, true)`, strconv.Itoa(scale*OrdersPerScale)); err != nil {
			return fmt.Errorf("set the scale: %w", err)
		}
		files := []string{"sql/seed.sql"}
		if version >= loyaltyVersion {
			files = append(files, "sql/seed_loyalty.sql")
		}
		for _, name := range append(files, "sql/seed_finish.sql") {
			script, err := scripts.ReadFile(name)
			if err != nil {
				return err
			}
			if err := postgres.Script(ctx, tx, string(script)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	})
}

// loyaltyVersion is the version that brought loyalty points.
const loyaltyVersion = 7

func inTransaction(ctx context.Context, conn *pgx.Conn, what string, do func(pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, conn, do)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
