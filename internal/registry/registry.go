package registry

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

const schema = "tenantctl"

// ErrNotSetUp is a control database that holds no records yet.
var ErrNotSetUp = errors.New("not set up yet")

//go:embed sql/migrations/*.sql
var migrations embed.FS

// Registry reads and writes the records in the control database.
type Registry struct {
	dsn    string
	pool   *pgxpool.Pool
	timing leaseTiming
}

const maxConns = 8

// Open connects to the control database and brings the schema of the records to this program's version, which any number of
// processes may do at once.
func Open(ctx context.Context, dsn string) (*Registry, error) {
	return open(ctx, dsn, func(conn *pgx.Conn, files fs.FS) error {
		return postgres.MigrateSchema(ctx, conn, schema, files)
	})
}

// OpenExisting is Open for commands that only read: it changes nothing, and fails with ErrNotSetUp where there are no records
// of this program's version.
func OpenExisting(ctx context.Context, dsn string) (*Registry, error) {
	return open(ctx, dsn, func(conn *pgx.Conn, files fs.FS) error {
		all, pending, err := postgres.PendingFiles(ctx, conn, schema, files)
		switch {
		case err != nil:
			return err
		case len(pending) == len(all):
			return tenant.WithHint(fmt.Errorf("control database %q is %w", conn.Config().Database, ErrNotSetUp),
				"`tenantctl apply` or `tenantctl migrate` sets it up at first use")
		case len(pending) > 0:
			return tenant.WithHint(fmt.Errorf("control database %q was set up by an older tenantctl: %w", conn.Config().Database, ErrNotSetUp),
				"`tenantctl apply` brings it up to date")
		}
		return nil
	})
}

func open(ctx context.Context, dsn string, prepare func(*pgx.Conn, fs.FS) error) (*Registry, error) {
	files, err := fs.Sub(migrations, "sql/migrations")
	if err != nil {
		return nil, fmt.Errorf("read the embedded migrations: %w", err)
	}
	pool, err := postgres.Open(ctx, dsn, postgres.Options{Application: "registry", MaxConns: maxConns})
	if err != nil {
		return nil, fmt.Errorf("control database: %w", err)
	}
	err = pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error { return prepare(conn.Conn(), files) })
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("open the registry: %w", postgres.Explain(pool.Config().ConnConfig, err))
	}
	return &Registry{dsn: dsn, pool: pool, timing: defaultTiming()}, nil
}

// Close closes the registry's connections. Leases have their own.
func (r *Registry) Close() { r.pool.Close() }

// Pool is the control database, for the rooms that keep tables of their own there.
func (r *Registry) Pool() *pgxpool.Pool { return r.pool }

// ThisProcess names this process to those who meet its leases: user@host pid N.
func ThisProcess() string {
	name, host := "unknown", "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return fmt.Sprintf("%s@%s pid %d", name, host, os.Getpid())
}

// failed wraps an error of the control database with what was attempted; a lost server is named.
func (r *Registry) failed(err error, format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), postgres.Explain(r.pool.Config().ConnConfig, err))
}

// queryRow runs a statement that gives at most one row. No row is tenant.ErrNotFound, attempted says of what.
func (r *Registry) queryRow(ctx context.Context, sql string, args, into []any, attempted string) error {
	return r.answer(r.pool.QueryRow(ctx, sql, args...).Scan(into...), attempted)
}

// answer is what the error of a statement means that was to give a row.
func (r *Registry) answer(err error, attempted string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("%s: %w", attempted, tenant.ErrNotFound)
	}
	if err != nil {
		return r.failed(err, "%s", attempted)
	}
	return nil
}

const maxText = 16 << 10

// text is a message as the database takes it: valid UTF-8 without NUL, and of bounded length. The message of a failure quotes
// what it failed on, and recording it must not fail on that too.
func text(s string) string {
	if len(s) > maxText {
		s = s[:maxText] + " [cut]"
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return text(err.Error())
}
