package registry

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

const instanceSchema = "tenantctl_instance"

//go:embed sql/instance/*.sql
var instanceMigrations embed.FS

// OpenInstance brings the schema of what commits with the tenants' rows to this program's version, on an instance.
func OpenInstance(ctx context.Context, conn *pgx.Conn) error {
	files, err := fs.Sub(instanceMigrations, "sql/instance")
	if err != nil {
		return fmt.Errorf("read the embedded migrations: %w", err)
	}
	return postgres.MigrateSchema(ctx, conn, instanceSchema, files)
}

// HoldToken makes a transaction on an instance one of the lease's holder: it fails with tenant.ErrLeaseLost unless the token is
// the newest that the instance has heard of, and until the transaction ends no newer one can be raised. Each transaction that
// writes for an operation calls it first.
func HoldToken(ctx context.Context, tx pgx.Tx, name string, token int64) error {
	// The advisory lock names the session to whoever waits in RaiseToken, and lines up behind it; the row is what counts.
	batch := &pgx.Batch{}
	batch.Queue(`select pg_advisory_xact_lock_shared(`+tokenKey+`)`, name)
	batch.Queue(`select token from tenantctl_instance.lease where name = $1 for share`, name)
	results := tx.SendBatch(ctx, batch)
	defer func() { _ = results.Close() }()
	if _, err := results.Exec(); err != nil {
		return fmt.Errorf("hold the token of lease %q: %w", name, err)
	}
	var newest int64
	err := results.QueryRow().Scan(&newest)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("lease %q: the instance has heard of no token: %w", name, tenant.ErrLeaseLost)
	case err != nil:
		return fmt.Errorf("hold the token of lease %q: %w", name, err)
	case newest != token:
		return fmt.Errorf("lease %q was taken over by another process: %w", name, tenant.ErrLeaseLost)
	}
	return results.Close()
}

// tokenKey is the advisory lock that goes with a lease's token.
const tokenKey = `hashtextextended('tenantctl_instance.lease:' || $1, 0)`

// RaiseOptions say what RaiseToken does about transactions of the lease's holder before.
type RaiseOptions struct {
	// Wait is how long their end is waited for; 0 means 10 s.
	Wait time.Duration
	// Terminate ends those that are left then. Without it they are named in an error, tenant.ErrLocked.
	Terminate bool
}

const (
	defaultRaiseWait = 10 * time.Second
	lockNotAvailable = "55P03"
)

// RaiseToken tells an instance of a lease's new token. From its return on, no transaction under an older one can commit. An
// instance that has heard of a newer one answers tenant.ErrLeaseLost.
func RaiseToken(ctx context.Context, conn *pgx.Conn, name string, token int64, opts RaiseOptions) error {
	if opts.Wait == 0 {
		opts.Wait = defaultRaiseWait
	}
	err := raise(ctx, conn, name, token, opts.Wait)
	if postgres.Code(err) != lockNotAvailable {
		return err
	}
	if opts.Terminate {
		if err := endHolders(ctx, conn, name); err != nil {
			return fmt.Errorf("raise the token of lease %q: %w", name, err)
		}
		if err := raise(ctx, conn, name, token, opts.Wait); postgres.Code(err) != lockNotAvailable {
			return err
		}
	}
	holders, err := tokenHolders(ctx, conn, name)
	if err != nil {
		return fmt.Errorf("raise the token of lease %q: %w", name, err)
	}
	return tenant.WithHint(fmt.Errorf("raise the token of lease %q: still in a transaction of the holder before: %s: %w", name, strings.Join(holders, "; "), tenant.ErrLocked),
		"a process that lost its lease is still writing: stop it, or end its session with `select pg_terminate_backend(PID)` on the instance")
}

// Token is a lease's token.
type Token struct {
	Lease string
	Token int64
}

// RaiseTokens is RaiseToken for many leases at once, of which it is expected that nobody holds one. Where somebody does it fails,
// and has raised none.
func RaiseTokens(ctx context.Context, conn *pgx.Conn, tokens []Token) error {
	names, numbers := make([]string, len(tokens)), make([]int64, len(tokens))
	for i, t := range slices.SortedFunc(slices.Values(tokens), func(a, b Token) int { return strings.Compare(a.Lease, b.Lease) }) {
		names[i], numbers[i] = t.Lease, t.Token
	}
	var raised int
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue(`set local lock_timeout = '1s'`)
		batch.Queue(`select pg_advisory_xact_lock(hashtextextended('tenantctl_instance.lease:' || name, 0)) from unnest($1::text[]) with ordinality as l (name, n) order by n`, names)
		batch.Queue(`
			with raised as (
				insert into tenantctl_instance.lease as l (name, token) select * from unnest($1::text[], $2::bigint[])
				on conflict (name) do update set token = excluded.token, raised_at = now() where l.token <= excluded.token
				returning name
			)
			select count(*) from raised`, names, numbers).QueryRow(func(row pgx.Row) error { return row.Scan(&raised) })
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
		if raised < len(tokens) {
			return fmt.Errorf("%d of them were taken over by other processes: %w", len(tokens)-raised, tenant.ErrLeaseLost)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("raise the tokens of %d leases: %w", len(tokens), err)
	}
	return nil
}

// raise waits for the transactions that hold the token, those of later ones lining up behind, and writes the new one.
func raise(ctx context.Context, conn *pgx.Conn, name string, token int64, wait time.Duration) error {
	var newest int64
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue(`select set_config('lock_timeout', $1, true)`, fmt.Sprintf("%dms", max(wait.Milliseconds(), 1)))
		batch.Queue(`select pg_advisory_xact_lock(`+tokenKey+`)`, name)
		batch.Queue(`
			insert into tenantctl_instance.lease as l (name, token) values ($1, $2)
			on conflict (name) do update set token = greatest(l.token, excluded.token), raised_at = now()
			returning token`, name, token).QueryRow(func(row pgx.Row) error { return row.Scan(&newest) })
		return tx.SendBatch(ctx, batch).Close()
	})
	switch {
	case err != nil:
		return fmt.Errorf("raise the token of lease %q: %w", name, err)
	case newest != token:
		return fmt.Errorf("lease %q was taken over by another process: %w", name, tenant.ErrLeaseLost)
	}
	return nil
}

const holdersFrom = `
	from pg_locks as l left join pg_stat_activity as a on a.pid = l.pid
	where l.locktype = 'advisory' and l.objsubid = 1 and l.granted and l.mode = 'ShareLock'
	  and l.database = (select oid from pg_database where datname = current_database())
	  and ((l.classid::bigint << 32) | l.objid::bigint) = ` + tokenKey

// tokenHolders describes the sessions that are in a transaction under the lease.
func tokenHolders(ctx context.Context, conn *pgx.Conn, name string) ([]string, error) {
	rows, err := conn.Query(ctx, `
		select format('session %s (%s, from %s, since %s)', l.pid, coalesce(nullif(a.application_name, ''), 'unnamed'),
			coalesce(host(a.client_addr), 'a local socket'), to_char(a.xact_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'))
		`+holdersFrom+` order by l.pid`, name)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// endHolders ends the sessions that are in a transaction under the lease.
func endHolders(ctx context.Context, conn *pgx.Conn, name string) error {
	if _, err := conn.Exec(ctx, `select pg_terminate_backend(l.pid) `+holdersFrom, name); err != nil {
		return fmt.Errorf("end the sessions of the holder before: %w", err)
	}
	return nil
}
