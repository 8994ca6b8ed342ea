package scope_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/tenant"
	"tenantctl/test/fleet"
)

// one is a pool of a single connection, so that all that follows one another uses the same.
func one() scope.PoolOptions { return scope.PoolOptions{MaxConns: 1} }

// clean is whether a session is as it was when it began.
const clean = `select current_user = session_user and current_setting('search_path') = '"$user", public'
	and current_setting('statement_timeout') = '30s' and current_setting('lock_timeout') = '5s' and not exists (select from pg_class where relnamespace = pg_my_temp_schema()) and not exists (select from pg_prepared_statements)
	and not exists (select from pg_cursors where is_holdable) and not exists (select from pg_listening_channels())
	and not exists (select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())`

// requireClean looks at the one session of a pool from within: as its login, since a transaction of no tenant is begun on it.
func requireClean(t *testing.T, pools *scope.Pools, of scope.Tenant, why string) {
	t.Helper()
	var is bool
	require.NoError(t, pools.Raw(t.Context(), of, func(conn *pgx.Conn) error { return conn.QueryRow(t.Context(), clean).Scan(&is) }))
	require.True(t, is, why)
}

// Timeouts are the tenant's, whatever the log-in has for itself.
func TestTimeoutsAreTheTenants(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleet.Options{})
	f.Provision(t, "a")
	a := f.Tenant(t, "a")
	brief := a
	brief.Limits.StatementTimeout = 7 * time.Second
	has := func(pools *scope.Pools, of scope.Tenant) (timeouts string) {
		const asked = `select concat_ws(' ', current_setting('statement_timeout'), current_setting('lock_timeout'))`
		require.NoError(t, pools.Read(t.Context(), of, func(b *pgx.Batch) {
			b.Queue(asked).QueryRow(func(row pgx.Row) error { return row.Scan(&timeouts) })
		}))
		require.NoError(t, pools.Tx(t.Context(), of, func(ctx context.Context, tx scope.Tx) error {
			var again string
			require.NoError(t, tx.QueryRow(ctx, asked).Scan(&again))
			require.Equal(t, timeouts, again)
			return nil
		}))
		return timeouts
	}
	for _, login := range []string{``, `alter role PREFIX_tenantctl_c1__notes set statement_timeout = '1min'; alter role PREFIX_tenantctl_c1__notes reset lock_timeout`} {
		if login != "" {
			f.Exec(t, login)
		}
		pools := f.Pools(t, one())
		require.Equal(t, "30s 5s", has(pools, a))
		require.Equal(t, "7s 5s", has(pools, brief))
		require.Equal(t, "30s 5s", has(pools, a))
	}
}

func TestTenantsAtDifferentVersionsShareAConnection(t *testing.T) {
	t.Parallel()
	old := newFleet(t, fleet.Options{Versions: map[string]uint64{"notes": 1}})
	old.Provision(t, "a")
	old.Provisioner.Versions = map[string]uint64{"notes": 2}
	old.Provision(t, "b")
	a, b := old.Tenant(t, "a"), old.Tenant(t, "b")
	require.Equal(t, []uint64{1, 2}, []uint64{a.Versions["notes"], b.Versions["notes"]})
	pools := old.Pools(t, one())
	for i := range 5 {
		for _, each := range []scope.Tenant{a, b} {
			// The same text gives other types and columns in each: a plan that was kept would break.
			require.NoError(t, pools.Tx(t.Context(), each, func(ctx context.Context, tx scope.Tx) error {
				var kind string
				rows, err := tx.Query(ctx, `select * from notes where id = $1`, 1)
				require.NoError(t, err)
				require.True(t, rows.Next())
				require.Len(t, rows.FieldDescriptions(), 1+int(each.Versions["notes"]))
				rows.Close()
				require.NoError(t, rows.Err())
				require.NoError(t, tx.QueryRow(ctx, `select pg_typeof(id)::text from notes where id = $1`, 1).Scan(&kind))
				require.Equal(t, map[uint64]string{1: "integer", 2: "bigint"}[each.Versions["notes"]], kind)
				return nil
			}))
			require.NoError(t, write(t.Context(), pools, each, 10+i, string(each.Name)))
		}
	}
	require.Len(t, old.Backends(t, "notes"), 1)
	require.Equal(t, "a a a a a", old.Text(t, `select string_agg(body, ' ') from tenant_a.notes where id >= 10`))
	require.Equal(t, "b b b b b", old.Text(t, `select string_agg(body, ' ') from tenant_b.notes where id >= 10`))
}

func TestNothingOfATransactionStays(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleet.Options{})
	f.Provision(t, "a", "b")
	a, b := f.Tenant(t, "a"), f.Tenant(t, "b")
	f.Exec(t, `grant temporary on database "`+f.Config.Database+`" to PREFIX_t_a__notes`)
	pools := f.Pools(t, one())
	for sql, wanted := range map[string]error{
		`set search_path = public`:                   nil,
		`set statement_timeout = 1`:                  nil,
		`set role PREFIX_t_a__notes`:                 nil,
		`create temporary table kept (i int)`:        nil,
		`prepare kept as select 1`:                   nil,
		`declare kept cursor with hold for select 1`: nil,
		`listen kept`:                                nil,
		`select pg_advisory_lock(1)`:                 nil,
		`set role PREFIX_t_b__notes`:                 scope.ErrEscaped,
		`reset role`:                                 scope.ErrEscaped,
		`commit`:                                     scope.ErrEscaped,
		`rollback`:                                   scope.ErrEscaped,
		`select 1/0`:                                 scope.ErrUnfinished,
		`select * from PREFIX_nothing`:               scope.ErrUnfinished,
		`select set_config('search_path', 'tenant_b, ext', false)`: nil,
		`select set_config('app.tenant', 'a', false), pg_sleep(0)`: nil,
	} {
		sql := expand(f, sql)
		err := pools.Tx(t.Context(), a, func(ctx context.Context, tx scope.Tx) error {
			_, _ = tx.Exec(ctx, sql) // its error is passed over
			return nil
		})
		require.ErrorIs(t, err, wanted, sql)
		requireClean(t, pools, b, sql)
		body, err := read(t.Context(), pools, b, 1)
		require.NoError(t, err, sql)
		require.Equal(t, "first", body)
	}
}

// TestATransactionThatIsNotCommittedWritesNothing holds also where the user of the transaction sees no error.
func TestATransactionThatIsNotCommittedWritesNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleet.Options{})
	f.Provision(t, "a")
	a := f.Tenant(t, "a")
	pools := f.Pools(t, one())
	mine := errors.New("mine")
	insert := func(ctx context.Context, tx scope.Tx) {
		_, err := tx.Exec(ctx, `insert into notes (id, body) values (2, 'x')`)
		require.NoError(t, err)
	}
	require.ErrorIs(t, pools.Tx(t.Context(), a, func(ctx context.Context, tx scope.Tx) error { insert(ctx, tx); return mine }), mine)
	require.ErrorIs(t, pools.Tx(t.Context(), a, func(ctx context.Context, tx scope.Tx) error {
		insert(ctx, tx)
		_, _ = tx.Exec(ctx, `insert into notes (id, body) values (2, 'twice')`)
		return nil
	}), scope.ErrUnfinished)
	require.Panics(t, func() {
		_ = pools.Tx(t.Context(), a, func(ctx context.Context, tx scope.Tx) error { insert(ctx, tx); panic("mine") })
	})
	ctx, cancel := context.WithCancel(t.Context())
	require.ErrorIs(t, pools.Tx(ctx, a, func(ctx context.Context, tx scope.Tx) error { insert(ctx, tx); cancel(); return nil }), context.Canceled)
	_, err := read(t.Context(), pools, a, 2)
	require.ErrorIs(t, err, pgx.ErrNoRows)
	require.Len(t, f.Backends(t, "notes"), 1)
}

func TestATransactionIsOfNoUseWhenItIsOver(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleet.Options{})
	f.Provision(t, "a")
	pools := f.Pools(t, one())
	var kept scope.Tx
	require.NoError(t, pools.Tx(t.Context(), f.Tenant(t, "a"), func(_ context.Context, tx scope.Tx) error { kept = tx; return nil }))
	_, err := kept.Exec(t.Context(), `select 1`)
	require.ErrorContains(t, err, "is over")
	rows, err := kept.Query(t.Context(), `select 1`)
	require.ErrorContains(t, err, "is over")
	require.ErrorContains(t, rows.Err(), "is over")
	require.ErrorContains(t, kept.QueryRow(t.Context(), `select 1`).Scan(), "is over")
	require.ErrorContains(t, kept.SendBatch(t.Context(), &pgx.Batch{}).Close(), "is over")
}

// TestNoTenantReachesAnother tries what SQL can try from within a tenant's transaction.
func TestNoTenantReachesAnother(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleet.Options{})
	f.Provision(t, "a", "b")
	f.Exec(t, `create table public.bait (i int); grant all on public.bait to public`)
	pools := f.Pools(t, one())
	for _, sql := range []string{
		`select * from tenant_b.notes`, `insert into tenant_b.notes (id, body) values (9, 'x')`, `select * from bait`,
		`create table tenant_a.mine (i int)`, `drop table notes`, `select * from schema_migrations_notes`, `alter table notes add x int`,
	} {
		err := pools.Tx(t.Context(), f.Tenant(t, "a"), func(ctx context.Context, tx scope.Tx) error {
			_, err := tx.Exec(ctx, sql)
			return err
		})
		require.Error(t, err, sql)
	}
	var path string
	require.NoError(t, pools.Read(t.Context(), f.Tenant(t, "a"), func(b *pgx.Batch) {
		b.Queue(`select array_to_string(current_schemas(false), ',')`).QueryRow(func(row pgx.Row) error { return row.Scan(&path) })
	}))
	require.Equal(t, "tenant_a,ext", path)
}

func TestReadsChangeNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleet.Options{})
	f.Provision(t, "a", "b")
	a := f.Tenant(t, "a")
	pools := f.Pools(t, one())
	for _, sql := range []string{`set role PREFIX_t_b__notes`, `set search_path = tenant_b`, `set statement_timeout = 1`, `declare c cursor with hold for select 1`} {
		require.NoError(t, pools.Read(t.Context(), a, func(b *pgx.Batch) { b.Queue(expand(f, sql)) }), sql)
		requireClean(t, pools, a, sql)
	}
	err := pools.Read(t.Context(), a, func(b *pgx.Batch) { b.Queue(`insert into notes (id, body) values (3, 'x')`) })
	require.ErrorContains(t, err, "read-only transaction")
	requireClean(t, pools, a, "after a failure")
	require.Len(t, f.Backends(t, "notes"), 1)
}

// TestABeginningThatFailsLeavesNothing has role and path taken, and the third setting refused.
func TestABeginningThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleet.Options{})
	f.Provision(t, "a", "b")
	a, b := f.Tenant(t, "a"), f.Tenant(t, "b")
	pools := f.Pools(t, one())
	_, err := read(t.Context(), pools, b, 1)
	require.NoError(t, err)
	before := f.Backends(t, "notes")
	a.Limits.StatementTimeout = -time.Second
	ran := false
	err = pools.Read(t.Context(), a, func(b *pgx.Batch) {
		b.Queue(`select 1`).QueryRow(func(pgx.Row) error { ran = true; return nil })
	})
	require.ErrorContains(t, err, "statement_timeout")
	require.False(t, ran)
	requireClean(t, pools, b, "after a read that couldn't begin")
	require.ErrorContains(t, write(t.Context(), pools, a, 2, "x"), "statement_timeout")
	requireClean(t, pools, b, "after a transaction that couldn't begin")
	body, err := read(t.Context(), pools, b, 1)
	require.NoError(t, err)
	require.Equal(t, "first", body)
	require.Equal(t, before, f.Backends(t, "notes"))
}

func TestLimitsOfStatements(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleet.Options{})
	f.Provision(t, "a", "b")
	slow, free := f.Tenant(t, "a"), f.Tenant(t, "b")
	slow.Limits.StatementTimeout = 50 * time.Millisecond
	free.Limits.StatementTimeout = time.Minute
	pools := f.Pools(t, one())
	requireProblem(t, sleep(t.Context(), pools, slow, time.Minute), http.StatusGatewayTimeout, "timeout")
	require.NoError(t, sleep(t.Context(), pools, free, 100*time.Millisecond))
	require.Len(t, f.Backends(t, "notes"), 1)
}

// TestATenantThatIsGoneCostsNoConnections is about those of whom we haven't heard yet that they are.
func TestATenantThatIsGoneCostsNoConnections(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleet.Options{})
	f.Provision(t, "a", "suspended", "dropped")
	a, suspended, dropped := f.Tenant(t, "a"), f.Tenant(t, "suspended"), f.Tenant(t, "dropped")
	pools := f.Pools(t, scope.PoolOptions{MaxConns: 2})
	_, err := read(t.Context(), pools, a, 1)
	require.NoError(t, err)
	before := f.Backends(t, "notes")
	_, err = f.Provisioner.Suspend(t.Context(), f.Spec("suspended"), "test")
	require.NoError(t, err)
	f.Exec(t, `drop schema tenant_dropped cascade; drop owned by PREFIX_t_dropped__notes; drop role PREFIX_t_dropped__notes`)
	for range 20 {
		for _, gone := range []scope.Tenant{suspended, dropped} {
			_, err := read(t.Context(), pools, gone, 1)
			requireProblem(t, err, http.StatusNotFound, "not-found")
			requireProblem(t, write(t.Context(), pools, gone, 2, "x"), http.StatusNotFound, "not-found")
		}
	}
	require.Subset(t, f.Backends(t, "notes"), before)
	foreign := a
	foreign.Services = []string{"other"}
	require.ErrorIs(t, write(t.Context(), pools, foreign, 2, "x"), tenant.ErrNotFound)
}
