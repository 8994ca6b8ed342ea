package legacy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tenantctl/internal/platform/idempotency"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/postgres"
)

const (
	maxConns = 8
	// acquireTime is how long a request waits for a connection.
	acquireTime = 2 * time.Second
	// movingRetry is when a write that met the fence may come again: the time of a short move.
	movingRetry = 2 * time.Second
)

// store is the client's database. It knows nothing of tenants: all that is in it is the client's.
type store struct{ *pgxpool.Pool }

// openStore opens the connections. Their name is the monolith's own: a move ends sessions other than tenantctl's.
func openStore(ctx context.Context, dsn string) (*store, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("the connection string of the client's database isn't valid") // the parser's text may quote the password
	}
	config.MaxConns = maxConns
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec // a move, and its way back, changes tables under us
	for name, value := range map[string]string{
		"application_name": "monolith", "timezone": "UTC", "datestyle": "ISO", "search_path": "public", "lock_timeout": "5s", "statement_timeout": "30s",
	} {
		config.ConnConfig.RuntimeParams[name] = value
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the client's database: %w", err)
	}
	return &store{pool}, nil
}

// version is the schema's, as the monolith's own installer wrote it down.
func (s *store) version(ctx context.Context) (version uint64, err error) {
	if err := s.QueryRow(ctx, `select max(version) from schema_info`).Scan(&version); err != nil {
		return 0, fmt.Errorf("read the version of the monolith's schema: %w", postgres.Explain(s.Config().ConnConfig, err))
	}
	return version, nil
}

// Read runs a batch. Where the connection turns out to be ended (a fence ends them all) it is run again on another.
func (s *store) Read(ctx context.Context, _ scope.Tenant, queue func(*pgx.Batch)) error {
	return s.with(ctx, func(conn *pgx.Conn) (begun bool, err error) {
		batch := &pgx.Batch{}
		queue(batch)
		return false, conn.SendBatch(ctx, batch).Close()
	})
}

// Tx runs do in a transaction. Nothing has happened where its beginning fails, so that is tried again.
func (s *store) Tx(ctx context.Context, _ scope.Tenant, do func(context.Context, scope.Tx) error) error {
	return s.with(ctx, func(conn *pgx.Conn) (begun bool, err error) {
		tx, err := conn.Begin(ctx)
		if err != nil {
			return false, err
		}
		if err := do(ctx, tx); err != nil {
			return true, errors.Join(err, rolledBack(ctx, conn, tx))
		}
		return true, tx.Commit(ctx)
	})
}

func rolledBack(ctx context.Context, conn *pgx.Conn, tx pgx.Tx) error {
	if conn.IsClosed() {
		return nil
	}
	return tx.Rollback(context.WithoutCancel(ctx))
}

// sessionEnded is the code of a session that an administrator ended.
const sessionEnded = "57P01"

// with lends a connection to do, and others after it while what was to begin couldn't because its connection had been ended.
func (s *store) with(ctx context.Context, do func(*pgx.Conn) (begun bool, err error)) error {
	for try := 0; ; try++ {
		waiting, cancel := context.WithTimeout(ctx, acquireTime)
		conn, err := s.Acquire(waiting)
		cancel()
		if postgres.Code(err) == sessionEnded && try <= maxConns {
			continue // a fence met the session while it began
		}
		if err != nil {
			return s.away(ctx, err)
		}
		begun, err := do(conn.Conn())
		again := err != nil && !begun && conn.Conn().IsClosed() && ctx.Err() == nil && try <= maxConns
		conn.Release()
		if !again {
			return explain(err)
		}
	}
}

func (s *store) away(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if s.Stat().AcquiredConns() >= maxConns {
		return fmt.Errorf("connection of the client's database: %w", scope.ErrBusy)
	}
	return fmt.Errorf("connection of the client's database: %w: %v", scope.ErrUnavailable, err) //nolint:errorlint // what caused it is for people to read
}

// explain tells of the fence: the database takes no writes while the client is moved, nor afterwards.
func explain(err error) error {
	if postgres.Code(err) != "25006" {
		return err
	}
	p := service.Refuse(http.StatusServiceUnavailable, "moving", "this client is being moved: reading goes on, and writing in a moment, on the other side")
	p.RetryAfter = movingRetry
	return p
}

// keysInSettings keeps idempotency keys where the monolith keeps everything that has no table: they are good on this side only.
func keysInSettings() idempotency.Statements {
	const name = `'write.' || left(encode(sha256(convert_to($1::text || chr(10) || $2::text, 'UTF8')), 'hex'), 48)`
	return idempotency.Statements{
		Purge: `delete from settings where name in (
			select name from settings where name like 'write.%' and changed < now() - interval '24 hours' limit 20 for update skip locked)`,
		Take: `insert into settings (name, value) values (` + name + `, json_build_object('request', encode($3::bytea, 'hex'))::text)
			on conflict do nothing returning true`,
		Keep: `update settings set value = (value::jsonb || jsonb_build_object('status', $3::int, 'header', $4::jsonb, 'body', encode($5::bytea, 'base64')))::text
			where name = ` + name,
		Replay: `select decode(value::jsonb ->> 'request', 'hex'), (value::jsonb ->> 'status')::int, coalesce(value::jsonb ->> 'header', 'null'), decode(value::jsonb ->> 'body', 'base64')
			from settings where name = ` + name,
	}
}
