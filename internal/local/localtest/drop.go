package localtest

import (
	"context"
	"errors"
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
		var failed error
		for _, role := range texts(t, conn, `select rolname from pg_roles where starts_with(rolname, `+postgres.Literal(prefix)+`)`) {
			failed = errors.Join(failed, tryDropRole(t, server, conn, role))
		}
		return failed
	})
}

// dropRole drops a role; where databases still hold objects or grants of it, those go first.
func dropRole(t testing.TB, server *local.Postgres, role string) {
	t.Helper()
	dropUntil(t, server, func(conn *pgx.Conn) error { return tryDropRole(t, server, conn, role) })
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

func tryDropRole(t testing.TB, server *local.Postgres, conn *pgx.Conn, role string) error {
	t.Helper()
	drop := `drop role if exists ` + postgres.Ident(role)
	_, err := conn.Exec(context.Background(), drop)
	if err == nil {
		return nil
	}
	dropOwned(t, server, role, texts(t, conn, `select datname from pg_database where datallowconn`))
	_, err = conn.Exec(context.Background(), drop)
	return err
}

// dropOwned drops what a role owns and was granted. What a parallel test is in the way of stays.
func dropOwned(t testing.TB, server *local.Postgres, role string, databases []string) {
	t.Helper()
	ctx := context.Background()
	for _, database := range databases {
		conn, err := postgres.Connect(ctx, server.DSN(database), options())
		if err != nil {
			continue // a parallel test dropped it
		}
		_, err = conn.Exec(ctx, `drop owned by `+postgres.Ident(role)+` cascade`)
		_ = conn.Close(ctx)
		if err != nil && postgres.Classify(err) == postgres.Terminal {
			require.NoError(t, err)
		}
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
