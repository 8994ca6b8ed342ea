package cutover_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/migrate/cutover"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

func TestMain(m *testing.M) { localtest.Main(m) }

func fence(dsn string) cutover.Fence {
	return cutover.Fence{Operation: "op-1", Tenant: "client-x", Patience: 2 * time.Second, Dial: func(ctx context.Context) (*pgx.Conn, error) {
		return postgres.Connect(ctx, dsn, postgres.Options{Application: "fence", Settings: cutover.Settings()})
	}}
}

// client is a session of the client's application.
func client(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

const legacySchema = `
	create table plain (id int); create table parted (id int) partition by list (id); create table parted_1 partition of parted for values in (1);
	create table parent (id int); create table child () inherits (parent); create view v as select * from plain;
	create schema "Odd ""Schema"; create table "Odd ""Schema"."Odd Table" (id int)`

func TestFenceStopsEveryWay(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	before := client(t, dsn)
	require.NoError(t, postgres.Script(t.Context(), before, legacySchema))
	state, err := fence(dsn).Set(t.Context())
	require.NoError(t, err)
	require.Equal(t, 6, state.Tables)
	require.True(t, state.ReadOnly)
	require.NotEmpty(t, state.LSN)

	_, err = before.Exec(t.Context(), "select 1")
	require.Error(t, err, "sessions that began before are ended")
	after := client(t, dsn)
	_, err = after.Exec(t.Context(), "insert into plain values (1)")
	require.ErrorContains(t, err, "read-only transaction")
	// One that overrides the default still meets the triggers, the replica role included.
	for _, setting := range []string{"set default_transaction_read_only = off", "set session_replication_role = replica"} {
		_, err = after.Exec(t.Context(), setting)
		require.NoError(t, err)
		for _, write := range []string{
			"insert into plain values (1)", "insert into parted values (1)", "insert into parted_1 values (1)", "insert into child values (1)",
			"update parent set id = 2", "delete from plain", "truncate plain", "truncate parted_1", "insert into v values (1)",
			`insert into "Odd ""Schema"."Odd Table" values (1)`, "copy plain from program 'echo 1'",
		} {
			_, err = after.Exec(t.Context(), write)
			require.ErrorContains(t, err, "being moved to the shared platform", "%s, %s", setting, write)
		}
	}
	var count int
	require.NoError(t, after.QueryRow(t.Context(), "select count(*) from plain").Scan(&count), "reads go on")
}

// A client that comes again at once is ended for what it began before the fence, and not for as long as it comes.
func TestFenceLetsThoseWhoComeAgainBe(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	require.NoError(t, postgres.Script(t.Context(), client(t, dsn), legacySchema))
	ctx, stop := context.WithCancel(t.Context())
	const clients = 8
	var coming sync.WaitGroup
	var sessions, ended atomic.Int64
	for range clients {
		coming.Go(func() {
			for ctx.Err() == nil {
				conn, err := pgx.Connect(ctx, dsn)
				if err == nil {
					sessions.Add(1)
					_, err = conn.Exec(ctx, "select pg_sleep(60)")
					_ = conn.Close(context.Background())
				}
				if postgres.Code(err) == "57P01" {
					ended.Add(1)
				}
			}
		})
	}
	require.Eventually(t, func() bool { return sessions.Load() == clients }, time.Minute, time.Millisecond)
	_, err := fence(dsn).Set(t.Context())
	require.NoError(t, err)
	require.Eventually(t, func() bool { return sessions.Load() >= 2*clients }, time.Minute, time.Millisecond)
	stop()
	coming.Wait()
	require.EqualValues(t, clients, ended.Load())
}

func TestFenceGoesAsItCame(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	conn := client(t, dsn)
	require.NoError(t, postgres.Script(t.Context(), conn, legacySchema+`; do $$ begin execute format('alter database %I set default_transaction_read_only = off', current_database()); end $$`))
	settings := func() (found []string) {
		rows, err := client(t, dsn).Query(t.Context(), `select unnest(setconfig) from pg_db_role_setting where setdatabase = (select oid from pg_database where datname = current_database())`)
		require.NoError(t, err)
		found, err = pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		return found
	}
	was := settings()
	f := fence(dsn)
	for range 2 { // set again, it is the same fence
		_, err := f.Set(t.Context())
		require.NoError(t, err)
	}
	other := f
	other.Operation = "op-2"
	_, err := other.Set(t.Context())
	require.ErrorIs(t, err, tenant.ErrConflict)
	require.ErrorIs(t, other.Release(t.Context()), tenant.ErrConflict)

	pooled := client(t, dsn)
	require.Equal(t, "on", text(t, pooled, "show default_transaction_read_only"))
	for range 2 { // released again, it is released
		require.NoError(t, f.Release(t.Context()))
	}
	require.Equal(t, was, settings())
	_, err = pooled.Exec(t.Context(), "select 1")
	require.Error(t, err, "an application's pool must not go on with read-only sessions")
	again := client(t, dsn)
	_, err = again.Exec(t.Context(), "insert into plain values (1)")
	require.NoError(t, err)
	var left int
	require.NoError(t, again.QueryRow(t.Context(), `select (select count(*) from pg_trigger where tgname like 'tenantctl%') + (select count(*) from pg_namespace where nspname like 'tenantctl%')`).Scan(&left))
	require.Zero(t, left)
}

func TestFenceThatWasWeakenedIsSeen(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	require.NoError(t, postgres.Script(t.Context(), client(t, dsn), legacySchema))
	f := fence(dsn)
	_, err := f.Set(t.Context())
	require.NoError(t, err)
	conn := client(t, dsn)
	require.NoError(t, postgres.Script(t.Context(), conn, "set default_transaction_read_only = off"))
	for _, weaken := range []string{
		"alter table plain disable trigger tenantctl_fence", "create table more (id int)",
		"do $$ begin execute format('alter database %I reset default_transaction_read_only', current_database()); end $$",
		"drop schema tenantctl_fence cascade",
	} {
		require.NoError(t, postgres.Script(t.Context(), conn, weaken))
		_, err = f.Check(t.Context())
		require.ErrorIs(t, err, tenant.ErrConflict, weaken)
	}
}

func TestFenceNamesWhoHoldsTheLock(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	conn := client(t, dsn+"&application_name=nightly-report")
	require.NoError(t, postgres.Script(t.Context(), conn, legacySchema))
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "insert into plain values (1)")
	require.NoError(t, err)
	_, err = fence(dsn).Set(t.Context())
	require.ErrorContains(t, err, "nightly-report")
	require.NoError(t, tx.Commit(t.Context()), "the client's transaction is not the one to die")
	_, err = fence(dsn).Set(t.Context())
	require.NoError(t, err)
}

func text(t *testing.T, conn *pgx.Conn, sql string) (found string) {
	t.Helper()
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&found))
	return found
}

// A client's event triggers neither forbid the fence nor write down what it makes.
func TestEventTriggersStayQuiet(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	require.NoError(t, postgres.Script(t.Context(), client(t, dsn), `create table plain (id int); create table ddl_log (tag text);
		create function forbid() returns event_trigger language plpgsql as $$ begin raise exception '% needs a ticket', tg_tag; end $$;
		create function note() returns event_trigger language plpgsql as $$ begin insert into ddl_log values (tg_tag); end $$;
		create event trigger note on ddl_command_end execute function note();
		create event trigger note_drops on sql_drop execute function note();
		create event trigger forbid on ddl_command_start when tag in ('CREATE SCHEMA', 'CREATE TRIGGER', 'DROP SCHEMA') execute function forbid()`))
	_, err := fence(dsn).Set(t.Context())
	require.NoError(t, err)
	require.NoError(t, fence(dsn).Release(t.Context()))
	var noted int
	after := client(t, dsn)
	require.NoError(t, after.QueryRow(t.Context(), "select count(*) from ddl_log").Scan(&noted))
	require.Zero(t, noted)
	_, err = after.Exec(t.Context(), "create schema s")
	require.ErrorContains(t, err, "needs a ticket", "the client's own DDL is still forbidden")
}
