package localtest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local"
	"tenantctl/internal/postgres"
)

// dropDatabase drops a database even while sessions, slots, subscriptions or prepared transactions hold on to it.
func dropDatabase(t testing.TB, server *local.Postgres, name string) {
	t.Helper()
	if server.Ping(context.Background()) != nil {
		return // the test ended the server itself
	}
	ctx := context.Background()
	conn := connect(t, server.DSN("postgres"))
	defer func() { _ = conn.Close(ctx) }()
	drop := `drop database if exists ` + postgres.Ident(name) + ` with (force)`
	if _, err := conn.Exec(ctx, drop); err == nil {
		return
	}
	releaseDatabase(t, server, name)
	_, err := conn.Exec(ctx, drop)
	require.NoError(t, err)
}

// releaseDatabase removes what keeps a database from being dropped.
func releaseDatabase(t testing.TB, server *local.Postgres, name string) {
	t.Helper()
	ctx := context.Background()
	conn := connect(t, server.DSN(name))
	defer func() { _ = conn.Close(ctx) }()
	for _, subscription := range texts(t, conn, `select subname from pg_subscription s join pg_database d on d.oid = subdbid where datname = current_database()`) {
		subscription = postgres.Ident(subscription)
		for _, sql := range []string{
			`alter subscription ` + subscription + ` disable`,
			`alter subscription ` + subscription + ` set (slot_name = none)`,
			`drop subscription ` + subscription,
		} {
			_, err := conn.Exec(ctx, sql)
			require.NoError(t, err)
		}
	}
	for _, transaction := range texts(t, conn, `select gid from pg_prepared_xacts where database = current_database()`) {
		_, err := conn.Exec(ctx, `rollback prepared `+postgres.Literal(transaction))
		require.NoError(t, err)
	}
	_, err := conn.Exec(ctx, `select pg_terminate_backend(active_pid, 5000) from pg_replication_slots where database = current_database() and active`)
	require.NoError(t, err)
	_, err = conn.Exec(ctx, `select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()`)
	require.NoError(t, err)
}

// dropRoles drops the roles with a prefix and what they own. What one of them granted to another goes with the one that granted it, so
// that the other may have to wait for that.
func dropRoles(t testing.TB, server *local.Postgres, prefix string) {
	t.Helper()
	dropUntil(t, server, func(conn *pgx.Conn) error {
		return tryDropRoles(t, server, conn, texts(t, conn, `select rolname from pg_roles where starts_with(rolname, `+postgres.Literal(prefix)+`)`))
	})
}

// dropRole drops a role; where databases still hold objects or grants of it, those go first.
func dropRole(t testing.TB, server *local.Postgres, role string) {
	t.Helper()
	dropUntil(t, server, func(conn *pgx.Conn) error { return tryDropRoles(t, server, conn, []string{role}) })
}

// dropTries is how often roles that were granted something, and parallel tests, may be in the way of a drop.
const dropTries = 5

// dropUntil has a drop tried until nothing is in its way. A server that the test ended itself needs none.
func dropUntil(t testing.TB, server *local.Postgres, drop func(*pgx.Conn) error) {
	t.Helper()
	if server.Ping(context.Background()) != nil {
		return
	}
	conn := connect(t, server.DSN("postgres"))
	defer func() { _ = conn.Close(context.Background()) }()
	var err error
	for range dropTries {
		if err = drop(conn); err == nil {
			return
		}
	}
	require.NoError(t, err)
}

func tryDropRoles(t testing.TB, server *local.Postgres, conn *pgx.Conn, roles []string) error {
	t.Helper()
	held, err := dropEach(conn, roles)
	if len(held) == 0 {
		return err
	}
	dropOwned(t, server, held, texts(t, conn, holders(held)))
	_, err = dropEach(conn, held)
	return err
}

// dropEach tells the roles that something holds on to, and why.
func dropEach(conn *pgx.Conn, roles []string) (held []string, failed error) {
	for _, role := range roles {
		if _, err := conn.Exec(context.Background(), `drop role if exists `+postgres.Ident(role)); err != nil {
			held, failed = append(held, role), errors.Join(failed, err)
		}
	}
	return held, failed
}

// holders asks for the databases that hold something of the roles; what the whole server holds can be let go in any: postgres. A session
// in each database there is would cost more than most tests.
func holders(roles []string) string {
	names := make([]string, len(roles))
	for i, role := range roles {
		names[i] = postgres.Literal(role)
	}
	return `select distinct coalesce(d.datname, 'postgres') from pg_shdepend s join pg_roles r on s.refclassid = 'pg_authid'::regclass and s.refobjid = r.oid
		left join pg_database d on d.oid = s.dbid where r.rolname in (` + strings.Join(names, ", ") + `)`
}

// dropOwned drops what roles own and were granted. What a parallel test is in the way of stays.
func dropOwned(t testing.TB, server *local.Postgres, roles, databases []string) {
	t.Helper()
	ctx := context.Background()
	for _, database := range databases {
		conn, err := postgres.Connect(ctx, server.DSN(database), options())
		if err != nil {
			continue // a parallel test dropped it
		}
		for _, role := range roles {
			_, err = conn.Exec(ctx, `drop owned by `+postgres.Ident(role)+` cascade`)
			if err != nil && postgres.Classify(err) == postgres.Terminal {
				_ = conn.Close(ctx)
				require.NoError(t, err)
			}
		}
		_ = conn.Close(ctx)
	}
}

func texts(t testing.TB, conn *pgx.Conn, sql string) []string {
	t.Helper()
	rows, err := conn.Query(context.Background(), sql)
	require.NoError(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return found
}
