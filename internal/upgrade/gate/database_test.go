package gate

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/config"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/internal/upgrade"
)

// generous limits let everything pass that other tests do on the same server.
func generous() config.DatabaseGate {
	return config.DatabaseGate{
		LockWaiters: 100, WaitedLongerThan: time.Millisecond, ReplicationLag: time.Hour, ReplicationBytes: 1 << 40, SlotWAL: 1 << 40,
		OldestTransaction: time.Hour, Samples: 2,
	}
}

func lookAt(t *testing.T, dsn string, limits config.DatabaseGate) (upgrade.Judgement, bool) {
	t.Helper()
	g := &database{limits: limits, every: 20 * time.Millisecond}
	j, again, err := g.look(t.Context(), passage(upgrade.Instance{Name: "shared-1", DSN: dsn}))
	require.NoError(t, err)
	return j, again
}

func figure(t *testing.T, j upgrade.Judgement, name string) upgrade.Figure {
	t.Helper()
	for _, f := range j.Figures {
		if f.Name == name {
			return f
		}
	}
	require.Fail(t, "no such figure", "%s in %v", name, j.Figures)
	return upgrade.Figure{}
}

// client is a session of an application.
func client(t *testing.T, dsn, application string) *pgx.Conn {
	t.Helper()
	conn, err := postgres.Connect(t.Context(), dsn, postgres.Options{LockTimeout: -1, Settings: map[string]string{"application_name": application}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, sql ...string) {
	t.Helper()
	for _, statement := range sql {
		_, err := conn.Exec(t.Context(), statement)
		require.NoError(t, err, statement)
	}
}

// eventually asks until the query says true.
func eventually(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	require.Eventually(t, func() bool {
		var holds bool
		require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&holds))
		return holds
	}, 30*time.Second, 20*time.Millisecond, sql)
}

// blocked is sessions that run a statement which doesn't return before t ends.
func blocked(t *testing.T, dsn, sql string, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	for range n {
		conn := client(t, dsn, "victim")
		go func() {
			_, _ = conn.Exec(ctx, sql)
			ended <- struct{}{}
		}()
	}
	t.Cleanup(func() {
		cancel()
		for range n {
			<-ended
		}
	})
}

// waitingLong waits until so many sessions have waited for a lock for longer than the generous limit.
func waitingLong(t *testing.T, dsn string, n int) {
	t.Helper()
	eventually(t, client(t, dsn, "test"), `select count(*) = `+strconv.Itoa(n)+` from pg_locks l join pg_stat_activity a using (pid)
		where datname = current_database() and wait_event_type = 'Lock' and not granted and waitstart < clock_timestamp() - interval '10 ms'`)
}

func TestAQuietInstancePasses(t *testing.T) {
	t.Parallel()
	j, _ := lookAt(t, localtest.Database(t), generous())
	require.Equal(t, upgrade.Pass, j.Verdict, j.Message)
	require.Regexp(t, `^instance shared-1: 0 sessions wait more than 1ms for a lock \(limit 100\); its oldest transaction is 0s old \(limit 1h\); .*; 0 invalid indexes of 2 upgraded tenants \(limit 0\)$`, j.Message)
	require.Equal(t, upgrade.Figure{Name: "shared-1 lock waiters", Limit: 100}, figure(t, j, "shared-1 lock waiters"))
}

func TestSessionsThatWaitForLocks(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	holder := client(t, dsn, "worker")
	exec(t, holder, `create table orders ()`, `select pg_advisory_lock(1)`, `begin`, `lock table orders`)
	blocked(t, dsn, `select from orders`, 3)
	blocked(t, dsn, `select pg_advisory_lock(1)`, 1)
	waitingLong(t, dsn, 4)

	limits := generous()
	limits.LockWaiters = 2
	j, again := lookAt(t, dsn, limits)
	require.Equal(t, upgrade.Fail, j.Verdict)
	require.True(t, again)
	pid := strconv.Itoa(int(holder.PgConn().PID()))
	require.Regexp(t, `^instance shared-1: 3 sessions wait more than 1ms for a lock, the longest for [0-9.ms]+ \(limit 2\); most of them for pid `+pid+
		` \(role tenantctl, application worker, idle in transaction, in its transaction for [0-9.ms]+\); let it end, or end it: select pg_terminate_backend\(`+pid+`\)$`, j.Message)
	require.Equal(t, upgrade.Figure{Name: "shared-1 lock waiters", Value: 3, Limit: 2}, figure(t, j, "shared-1 lock waiters"))

	limits.LockWaiters = 3
	j, _ = lookAt(t, dsn, limits)
	require.Equal(t, upgrade.Pass, j.Verdict, "as many as may be: %s", j.Message)
	limits.LockWaiters, limits.WaitedLongerThan = 0, time.Hour
	j, _ = lookAt(t, dsn, limits)
	require.Equal(t, upgrade.Pass, j.Verdict, "not for long: %s", j.Message)
}

func TestOldTransactions(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	limits := generous()
	limits.OldestTransaction = 50 * time.Millisecond
	ours := client(t, dsn, "tenantctl/r7/tenant")
	exec(t, ours, `begin`, `select pg_sleep(0.1)`)
	j, _ := lookAt(t, dsn, limits)
	require.Equal(t, upgrade.Pass, j.Verdict, "our own don't count: %s", j.Message)

	report := client(t, dsn, "")
	exec(t, report, `begin`, `select pg_sleep(0.1)`)
	j, again := lookAt(t, dsn, limits)
	require.Equal(t, upgrade.Fail, j.Verdict)
	require.True(t, again)
	require.Regexp(t, `^instance shared-1: a transaction has been open for [0-9.ms]+ \(limit 50ms\), which keeps VACUUM from cleaning up and may hold locks: pid [0-9]+ `+
		`\(role tenantctl, idle in transaction, in its transaction for [0-9.ms]+\); let it end, or end it: select pg_terminate_backend\([0-9]+\)$`, j.Message)
	exec(t, report, `prepare transaction 'it''s'`, `select pg_sleep(0.1)`) // its age counts from there
	j, _ = lookAt(t, dsn, limits)
	require.Equal(t, upgrade.Fail, j.Verdict)
	require.Contains(t, j.Message, "the prepared transaction 'it''s' of role tenantctl; end it with COMMIT PREPARED")
	exec(t, report, `rollback prepared 'it''s'`)
	j, _ = lookAt(t, dsn, limits)
	require.Equal(t, upgrade.Pass, j.Verdict, j.Message)
}

func TestAPreparedTransactionThatHoldsALock(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	exec(t, client(t, dsn, "coordinator"), `create table orders ()`, `begin`, `lock table orders`, `prepare transaction 'two-phase'`)
	blocked(t, dsn, `select from orders`, 1)
	waitingLong(t, dsn, 1)
	limits := generous()
	limits.LockWaiters = 0
	j, _ := lookAt(t, dsn, limits)
	require.Equal(t, upgrade.Fail, j.Verdict)
	require.Contains(t, j.Message, "1 session waits more than 1ms")
	require.Contains(t, j.Message, "most of them for a prepared transaction; pg_prepared_xacts lists them")
}

func TestInvalidIndexes(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	admin := client(t, dsn, "admin")
	for _, schema := range []string{"tenant_a", "tenant_b", "tenant_z"} {
		exec(t, admin, `create schema `+schema, `create table `+schema+`.orders (id int)`, `insert into `+schema+`.orders values (1), (1)`)
		_, err := admin.Exec(t.Context(), `create unique index concurrently orders_id on `+schema+`.orders (id)`)
		require.Equal(t, "23505", postgres.Code(err))
	}
	// The head of a partitioned index stays invalid until each partition is attached: no accident.
	exec(t, admin, `create schema tenant_c`, `create table tenant_c.p (id int) partition by range (id)`,
		`create table tenant_c.p1 partition of tenant_c.p for values from (0) to (9)`, `create index on only tenant_c.p (id)`)
	j, _ := lookAt(t, dsn, generous())
	require.Equal(t, upgrade.Fail, j.Verdict)
	require.Equal(t, "instance shared-1: 1 invalid index of 2 upgraded tenants (limit 0): tenant_b.orders_id; "+
		"rebuild each with REINDEX INDEX CONCURRENTLY, or drop it", j.Message, "neither of the first wave nor of those that wait")
	limits := generous()
	limits.InvalidIndexes = 1
	j, _ = lookAt(t, dsn, limits)
	require.Equal(t, upgrade.Pass, j.Verdict, j.Message)

	exec(t, admin, `delete from tenant_b.orders where ctid = '(0,1)'`, `reindex index concurrently tenant_b.orders_id`)
	j, _ = lookAt(t, dsn, generous())
	require.Equal(t, upgrade.Pass, j.Verdict, j.Message)
}

// An index that is just being built is as invalid as one whose building has failed, and gets well by itself.
func TestAnIndexThatIsBeingBuilt(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	admin, snapshot := client(t, dsn, "admin"), client(t, dsn, "report")
	exec(t, admin, `create schema tenant_b`, `create table tenant_b.orders (id int)`)
	exec(t, snapshot, `begin isolation level repeatable read`, `insert into tenant_b.orders values (1)`)
	blocked(t, dsn, `create index concurrently orders_id on tenant_b.orders (id)`, 1)
	eventually(t, admin, `select count(*) = 1 from pg_index x join pg_class c on c.oid = x.indexrelid where c.relname = 'orders_id' and not indisvalid`)
	j, _ := lookAt(t, dsn, generous())
	require.Equal(t, upgrade.Pass, j.Verdict, j.Message)
	require.Contains(t, j.Message, "0 invalid indexes")
}

func TestWithoutPrivilegesItCantTell(t *testing.T) {
	t.Parallel()
	dsn := localtest.DatabaseAs(t, localtest.DatabaseOptions{Admin: true})
	config, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	j, again := lookAt(t, dsn, generous())
	require.Equal(t, upgrade.Inconclusive, j.Verdict)
	require.False(t, again, "looking again shows the same")
	require.Equal(t, "instance shared-1: role "+config.User+" may not see other sessions, so that lock waiters, the oldest transaction and "+
		`replication lag are unknown: have a superuser type GRANT pg_monitor TO "`+config.User+`"`, j.Message)

	admin := client(t, dsn, "admin")
	exec(t, admin, `create schema tenant_b`, `create table tenant_b.orders (id int)`, `insert into tenant_b.orders values (1), (1)`)
	_, err = admin.Exec(t.Context(), `create unique index concurrently orders_id on tenant_b.orders (id)`)
	require.Error(t, err)
	j, again = lookAt(t, dsn, generous())
	require.Equal(t, upgrade.Fail, j.Verdict, "what can be seen is judged")
	require.True(t, again)
	require.Regexp(t, `1 invalid index of .*GRANT pg_monitor`, j.Message)
	exec(t, admin, `drop index tenant_b.orders_id`)

	superuser := client(t, localtest.Server(t).DSN("postgres"), "superuser")
	exec(t, superuser, `grant pg_monitor to `+postgres.Ident(config.User))
	j, _ = lookAt(t, dsn, generous())
	require.Equal(t, upgrade.Pass, j.Verdict, j.Message)
}

func TestWithoutRecordsItCantTell(t *testing.T) {
	t.Parallel()
	j, again := lookAt(t, localtest.Database(t)+"&options=-c%20track_activities%3Doff", generous())
	require.Equal(t, upgrade.Inconclusive, j.Verdict)
	require.False(t, again)
	require.Contains(t, j.Message, "set track_activities to on")
}

func TestAnInstanceThatIsAwayLeavesItOpen(t *testing.T) {
	t.Parallel()
	g := &database{limits: generous(), every: time.Millisecond}
	here, away := upgrade.Instance{Name: "shared-1", DSN: localtest.Database(t)}, upgrade.Instance{Name: "shared-2", DSN: "postgres://u:hunter2@127.0.0.1:1/db"}
	j, again, err := g.look(t.Context(), passage(here, away))
	require.NoError(t, err)
	require.Equal(t, upgrade.Inconclusive, j.Verdict)
	require.True(t, again)
	require.Regexp(t, `^instance shared-2: connect to 127.0.0.1:1 as "u" to database "db": .*refused.*tenantctl doctor`, j.Message)
	require.NotContains(t, j.Message, "hunter2")

	j, _, err = g.look(t.Context(), passage())
	require.NoError(t, err)
	require.Equal(t, upgrade.Pass, j.Verdict)
	require.NotEmpty(t, j.Message)
}

func TestAnInterruptedLookIsNoVerdict(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	limits := generous()
	limits.Samples = 60
	gates, err := All(config.Rollout{Gates: config.Gates{Attempts: 3, Interval: time.Hour, Database: &limits}}, Options{})
	require.NoError(t, err)
	require.Len(t, gates, 1)
	dsn := localtest.Database(t)
	watcher := client(t, dsn, "test")
	result := make(chan error)
	go func() {
		_, err := gates[0].Judge(ctx, passage(upgrade.Instance{Name: "shared-1", DSN: dsn}))
		result <- err
	}()
	eventually(t, watcher, `select count(*) = 1 from pg_stat_activity where application_name = 'tenantctl/gate' and datname = current_database()`)
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
}

func TestTheMedianDecides(t *testing.T) {
	t.Parallel()
	waiters := func(counts ...int) int {
		var all []sample
		for _, n := range counts {
			all = append(all, sample{waiters: n})
		}
		return median(all, func(s sample) float64 { return float64(s.waiters) }).waiters
	}
	require.Equal(t, 1, waiters(1))
	require.Equal(t, 1, waiters(0, 90, 1), "a moment's rush")
	require.Equal(t, 90, waiters(90, 0, 95), "a lucky glance")
	require.Equal(t, 9, waiters(0, 9))
}

func TestAfterTheLastWaveItLooksOnce(t *testing.T) {
	t.Parallel()
	g := &database{limits: generous()}
	p := passage()
	require.Equal(t, 2, g.samples(p))
	p.Waiting = nil
	require.Equal(t, 1, g.samples(p))
}
