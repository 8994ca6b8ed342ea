package trial_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
	"tenantctl/internal/upgrade/trial"
)

func TestMain(m *testing.M) { localtest.Main(m) }

type bundle struct {
	ctx    context.Context
	dsn    string
	conn   *pgx.Conn
	owner  string
	grants string
}

const shop = `create table customers (id int primary key, email text, age int);
	insert into customers select i, case when i > 1 then 'c' || i end, i from generate_series(1, 500) i;
	create table orders (id bigserial primary key, customer int, total int); insert into orders (customer, total) select i, i from generate_series(1, 500) i;
	create view totals as select sum(total) from orders`

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{ctx: t.Context(), dsn: localtest.Database(t), owner: localtest.Prefix(t) + "owner"}
	b.conn = b.connect(t)
	b.exec(t, "create role "+postgres.Ident(b.owner))
	return b
}

func (b *bundle) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := postgres.Connect(b.ctx, b.dsn, postgres.Options{Application: "test"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (b *bundle) exec(t *testing.T, sql string) {
	t.Helper()
	require.NoError(t, postgres.Script(b.ctx, b.conn, sql))
}

func (b *bundle) text(t *testing.T, sql string) string {
	t.Helper()
	var text string
	require.NoError(t, b.conn.QueryRow(b.ctx, sql).Scan(&text))
	return text
}

// tenants make schemas that stand at version 0, and run SQL in each as the owner.
func (b *bundle) tenants(t *testing.T, sql string, names ...string) []upgrade.Member {
	t.Helper()
	members := make([]upgrade.Member, len(names))
	for i, name := range names {
		members[i] = upgrade.Member{Tenant: tenant.Name(name), Instance: "shared-1", Schema: "tenant_" + name, State: tenant.Active}
		b.exec(t, fmt.Sprintf(`create schema %[1]s; grant usage, create on schema %[1]s to %[2]s; set search_path = %[1]s; set role %[2]s;
			create table schema_migrations_core (version bigint not null primary key, dirty boolean not null); insert into schema_migrations_core values (0, false);
			%[3]s; reset role; reset search_path`, members[i].Schema, postgres.Ident(b.owner), sql))
	}
	return members
}

func cohort(t *testing.T, members []upgrade.Member, files ...string) upgrade.Cohort {
	t.Helper()
	fsys := fstest.MapFS{"000_base.up.sql": {Data: []byte("select 1")}}
	for i, sql := range files {
		fsys[fmt.Sprintf("%03d_x.up.sql", i+1)] = &fstest.MapFile{Data: []byte(sql)}
	}
	s, err := stream.Read("core", fsys)
	require.NoError(t, err)
	return upgrade.Cohort{Stretches: []upgrade.Stretch{{Stream: s, From: new(uint64(0)), To: uint64(len(files))}}, Members: members}
}

func (b *bundle) open(context.Context, string) (upgrade.Instance, error) {
	return upgrade.Instance{Name: "shared-1", DSN: b.dsn, Prepare: func(context.Context) error { return nil }, Hands: func(m upgrade.Member, _ string) (upgrade.Hands, error) {
		return upgrade.Hands{Role: b.owner, Path: []string{m.Schema}, Grants: b.grants}, nil
	}}, nil
}

func (b *bundle) run(t *testing.T, opts trial.Options, members []upgrade.Member, files ...string) trial.Report {
	t.Helper()
	report, err := trial.Run(b.ctx, b.open, cohort(t, members, files...), opts)
	require.NoError(t, err)
	require.Equal(t, "0", b.text(t, `select count(*)::text from pg_locks l join pg_database d on d.oid = l.database where datname = current_database() and pid <> pg_backend_pid()
		and (select application_name from pg_stat_activity a where a.pid = l.pid) = 'tenantctl/trial'`), "nothing stays locked")
	return report
}

// shown is a report as lines, without what differs from run to run.
func shown(report trial.Report) string {
	var lines []string
	for _, f := range report.Files {
		line := fmt.Sprintf("%s %s", f.Path, f.Result)
		if f.Note != "" {
			line += ": " + f.Note
		}
		if f.Failure != nil {
			line += fmt.Sprintf(" (%d %s %s)", f.Failure.Line, f.Failure.Code, f.Failure.Message)
		}
		lines = append(lines, line)
		for _, s := range f.Statements {
			for _, l := range s.Locks {
				line := fmt.Sprintf("  %d %s %s", s.Line, l.Mode, l.Table)
				for _, flag := range []struct {
					is   bool
					name string
				}{{l.Held, "held"}, {l.Rewritten, "rewritten"}, {l.Scanned, "scanned"}} {
					if flag.is {
						line += " " + flag.name
					}
				}
				lines = append(lines, line)
			}
		}
	}
	return strings.Join(lines, "\n")
}

func TestLocksAreThoseThatWereTaken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	members := b.tenants(t, shop, "a")
	before := b.everything(t)
	report := b.run(t, trial.Options{}, members,
		"create table lines (id int primary key, nr bigint references orders);\nalter table customers add city text;\ninsert into lines select i, i from generate_series(1, 10) i;\ncreate index on lines (nr)",
		"begin;\ncreate index on orders (customer);\nalter table orders alter total set not null;\nalter table orders alter customer type bigint;\ncommit;",
		"alter table orders add foreign key (customer) references customers not valid;\nalter table orders validate constraint orders_customer_fkey",
		"update customers set age = age + 1 where id = 7;\nselect * from totals;\ntruncate orders cascade;\nalter table customers rename to clients;\ncluster clients using customers_pkey;\ncomment on view totals is 'x'",
		"-- nothing")
	require.Equal(t, `001_x.up.sql passed
  1 ShareRowExclusiveLock orders
  2 AccessExclusiveLock customers
002_x.up.sql passed
  2 ShareRowExclusiveLock orders held scanned
  3 AccessExclusiveLock orders scanned
  4 AccessExclusiveLock orders rewritten
003_x.up.sql passed
  1 AccessExclusiveLock customers held
  1 AccessExclusiveLock orders held
  2 AccessExclusiveLock customers held scanned
  2 AccessExclusiveLock orders held scanned`, strings.Split(shown(report), "\n004")[0])
	require.Equal(t, before, b.everything(t), "nothing remains")
	require.Equal(t, "core 0 to 5", report.Cohort)
	require.Equal(t, tenant.Name("a"), report.Tried.Tenant)
	require.Positive(t, report.Held)
	lock := report.Files[1].Locks[0]
	require.Equal(t, "orders AccessExclusiveLock true", fmt.Sprint(lock.Table, " ", lock.Mode, " ", lock.Rewritten))
	require.Greater(t, lock.Bytes, int64(16<<10))
}

func TestWhatCantBeTakenBackIsNotTried(t *testing.T) {
	t.Parallel()
	b := setup(t)
	members := b.tenants(t, shop+"; create type mood as enum ('good')", "a")
	before := b.everything(t)
	report := b.run(t, trial.Options{}, members,
		"create unique index concurrently by_email on customers (email)",
		"alter table orders add note text",
		"alter table customers add constraint u unique using index by_email",
		"-- the last value\nselect pg_catalog.SetVal('orders_id_seq', 1)",
		"alter type mood add value 'bad'",
		"create table moods (m mood default 'bad')",
		"alter table customers alter email set not null",
		"alter table orders drop note")
	require.Equal(t, `001_x.up.sql not-tried: it can't be in a transaction, so it can't be taken back
002_x.up.sql passed
  1 AccessExclusiveLock orders
003_x.up.sql not-tried: it may depend on 001_x.up.sql, which wasn't tried: index "by_email" does not exist
004_x.up.sql not-tried: it has setval, which a rollback doesn't take back
005_x.up.sql passed
006_x.up.sql not-tried: it uses a value of an enum that an earlier file adds, which takes effect when that one is committed
007_x.up.sql failed (1 23502 column "email" of relation "customers" contains null values)
008_x.up.sql not-tried: 007_x.up.sql comes before it, and fails`, shown(report))
	require.Equal(t, before, b.everything(t))
	require.Len(t, report.Estimate.Untried, 6)
}

func TestAFailureTellsWhere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	members := b.tenants(t, shop, "a")
	report := b.run(t, trial.Options{}, members, "begin;\n\nselect 'é';\nupdate orders\nset ü = 1;\ncommit", "select 1")
	require.Equal(t, trial.Failed, report.Files[0].Result)
	failure := report.Files[0].Failure
	require.Equal(t, "core 001_x.up.sql 5 42703", fmt.Sprint(failure.Service, " ", failure.File, " ", failure.Line, " ", failure.Code))
	require.Equal(t, "update orders\nset ü = 1", failure.Statement)
	require.True(t, report.Files[0].Statements[1].Tried)

	report = b.run(t, trial.Options{}, members, "alter table orders add constraint f foreign key (customer) references customers deferrable initially deferred; insert into orders (customer) values (-1)")
	require.Equal(t, "23503", report.Files[0].Failure.Code, "what a commit would refuse")
	require.NotContains(t, report.Files[0].Failure.Message, "-1", "no row is shown")
	require.Equal(t, "orders_id_seq", report.Sequences[0].Name)
	require.Equal(t, []int64{500, 501}, []int64{*report.Sequences[0].Before, *report.Sequences[0].After})
	require.False(t, report.Sequences[0].Back())

	report = b.run(t, trial.Options{}, members, "alter table customers alter email type int using email::int")
	require.Equal(t, `invalid input syntax for type integer: "…"`, report.Files[0].Failure.Message)

	b.grants = "grant select on nowhere to public"
	report = b.run(t, trial.Options{}, members, "create table x ()")
	require.Equal(t, "42P01", report.Files[0].Failure.Code)
	require.Contains(t, report.Files[0].Failure.Message, "grant privileges on what it made")
}

// Each file has the transaction to itself, as far as it can tell.
func TestFilesDontReachEachOther(t *testing.T) {
	t.Parallel()
	b := setup(t)
	members := b.tenants(t, shop+`; alter table orders add constraint f foreign key (customer) references customers deferrable initially deferred`, "a")
	report := b.run(t, trial.Options{}, members,
		"create temp table scratch (a int); set search_path = public; set work_mem = '1MB'; prepare q as select 1; reset role; set constraints all deferred",
		"create temp table scratch (b int); prepare q as select 2; create table made (w text default current_setting('work_mem')); alter table customers drop age",
		"do $$ begin if current_setting('work_mem') = '1MB' or current_user = session_user then raise 'leaked'; end if; end $$",
		"insert into orders (customer) values (-1); insert into customers values (-1)",
		"alter table orders add x int")
	for _, file := range report.Files {
		require.Equal(t, trial.Passed, file.Result, shown(report))
	}
}

func TestLocksAndTimeAreNoFailures(t *testing.T) {
	t.Parallel()
	b := setup(t)
	members := b.tenants(t, shop, "a")
	other := b.connect(t)
	require.NoError(t, postgres.Script(b.ctx, other, "begin; select from tenant_a.orders"))
	report := b.run(t, trial.Options{}, members, "alter table customers add x int", "alter table orders add x int", "select 1")
	require.Equal(t, []trial.Result{trial.Passed, trial.Locked, trial.NotTried}, results(report))
	require.Equal(t, "55P03", report.Files[1].Failure.Code)
	require.Contains(t, report.Files[1].Failure.Blockers, fmt.Sprintf("session %d (", other.PgConn().PID()))
	require.Contains(t, report.Files[1].Failure.Blockers, "idle in transaction")
	require.NoError(t, postgres.Script(b.ctx, other, "rollback"))

	report = b.run(t, trial.Options{StatementTimeout: 50 * time.Millisecond}, members, "select 1", "select pg_sleep(10)")
	require.Equal(t, []trial.Result{trial.Passed, trial.TimedOut}, results(report))

	report = b.run(t, trial.Options{Hold: 300 * time.Millisecond}, members, "alter table customers add x int; select pg_sleep(10)", "select 1")
	require.Equal(t, []trial.Result{trial.TimedOut, trial.NotTried}, results(report))
	require.Less(t, report.Held, 5*time.Second)
	report = b.run(t, trial.Options{Hold: 500 * time.Millisecond}, members, "do $$ begin perform pg_sleep(30); exception when query_canceled then null; end $$", "select 1")
	require.Equal(t, trial.NotTried, report.Files[1].Result)
	require.Contains(t, report.Files[1].Note, "the tenant was locked for 500ms already")

	members[0].State = tenant.Suspended
	report = b.run(t, trial.Options{Hold: 10 * time.Millisecond}, members, "select pg_sleep(0.1)", "select 1")
	require.Equal(t, []trial.Result{trial.Passed, trial.Passed}, results(report), "nobody waits for a suspended tenant")
}

func results(report trial.Report) []trial.Result {
	var found []trial.Result
	for _, file := range report.Files {
		found = append(found, file.Result)
	}
	return found
}

func TestTheRepresentativeIsTheOneThatHurtsLeast(t *testing.T) {
	t.Parallel()
	b := setup(t)
	members := b.tenants(t, shop, "large", "small", "mid")
	b.exec(t, "insert into tenant_large.orders (total) select i from generate_series(1, 20000) i; insert into tenant_mid.orders (total) select i from generate_series(1, 5000) i; analyze")
	tried := func() tenant.Name { return b.run(t, trial.Options{}, members, "select 1").Tried.Tenant }
	require.Equal(t, tenant.Name("small"), tried())

	s := cohort(t, members, "select 1").Stretches[0].Stream
	ids, err := s.Locks(b.conn.Config().Database, "tenant_small")
	require.NoError(t, err)
	holder := b.connect(t)
	require.NoError(t, postgres.Script(b.ctx, holder, "select pg_advisory_lock("+ids[0]+")"))
	require.Equal(t, tenant.Name("mid"), tried(), "the smallest is being migrated")
	members[2].Busy = "migrate"
	require.Equal(t, tenant.Name("large"), tried())
	members[0].State, members[1].State = tenant.Suspended, tenant.Active
	report := b.run(t, trial.Options{}, members, "select 1")
	require.Equal(t, tenant.Name("large"), report.Tried.Tenant)
	require.Contains(t, report.Why, "suspended")

	members[0].Busy = "migrate"
	_, err = trial.Run(b.ctx, b.open, cohort(t, members, "select 1"), trial.Options{})
	require.ErrorIs(t, err, tenant.ErrLocked)
	require.NotEmpty(t, tenant.Hints(err))

	require.NoError(t, postgres.Script(b.ctx, holder, "select pg_advisory_unlock_all()"))
	b.exec(t, "update tenant_small.schema_migrations_core set version = 1")
	_, err = trial.Run(b.ctx, b.open, cohort(t, members, "select 1"), trial.Options{})
	require.ErrorIs(t, err, tenant.ErrConflict, "it moved meanwhile")
	b.exec(t, "drop schema tenant_small cascade")
	_, err = trial.Run(b.ctx, b.open, cohort(t, members, "select 1"), trial.Options{})
	require.ErrorIs(t, err, tenant.ErrNotFound)
}

// What a table's size stretches is estimated by the sizes of the others' tables.
func TestTheEstimateScalesWithTables(t *testing.T) {
	t.Parallel()
	b := setup(t)
	members := b.tenants(t, "create table big (id int, v text); insert into big select i, repeat('x', 100) from generate_series(1, 20000) i", "a", "b", "c", "d")
	b.exec(t, "insert into tenant_b.big select b.* from tenant_b.big b, generate_series(1, 9); analyze")
	report := b.run(t, trial.Options{Parallel: 2}, members, "alter table big alter id type bigint")
	e := report.Estimate
	require.Equal(t, tenant.Name("b"), e.Tenant)
	elapsed := report.Files[0].Statements[0].Elapsed
	require.InDelta(t, 10, float64(e.Longest)/float64(elapsed), 0.5)
	require.InDelta(t, 13, float64(e.Work)/float64(elapsed), 0.5)
	require.Equal(t, e.Longest, e.Wall, "one tenant is the longest part of all")
	require.False(t, e.Assumed)

	report = b.run(t, trial.Options{Parallel: 2}, members, "create table x (a int)")
	require.Equal(t, 4*report.Files[0].Statements[0].Elapsed, report.Estimate.Work)
	require.Equal(t, report.Estimate.Work/2, report.Estimate.Wall)

	b.exec(t, "truncate tenant_a.big; insert into tenant_a.big values (1, 'x'); analyze tenant_a.big")
	report = b.run(t, trial.Options{}, members, "alter table big alter id type bigint")
	require.True(t, report.Estimate.Assumed, "%s %+v", report.Tried.Tenant, report.Files[0].Locks)
	require.Greater(t, report.Estimate.Longest, 500*time.Millisecond, "24 MB at 32 MB a second")
}

func TestNobodyHearsOfATrial(t *testing.T) {
	t.Parallel()
	b := setup(t)
	members := b.tenants(t, shop, "a")
	listener := b.connect(t)
	require.NoError(t, postgres.Script(b.ctx, listener, "listen news"))
	b.run(t, trial.Options{}, members, "notify news, 'trial'; select pg_notify('news', 'trial')")
	b.exec(t, "notify news, 'real'")
	notification, err := listener.WaitForNotification(b.ctx)
	require.NoError(t, err)
	require.Equal(t, "real", notification.Payload)
}

// A trial that is given up leaves as little as one that ends.
func TestATrialEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := setup(t)
	members := b.tenants(t, shop, "a")
	ctx, cancel := context.WithTimeout(b.ctx, 200*time.Millisecond)
	defer cancel()
	_, err := trial.Run(ctx, b.open, cohort(t, members, "alter table orders add x int; select pg_sleep(60)"), trial.Options{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	b.exec(t, "set lock_timeout = '5s'; lock table tenant_a.orders")
	require.Equal(t, "0", b.text(t, "select count(*)::text from pg_attribute where attrelid = 'tenant_a.orders'::regclass and attname = 'x'"))
}

// everything is the catalog and the rows of a tenant.
func (b *bundle) everything(t *testing.T) string {
	t.Helper()
	tools, err := postgres.FindTools()
	require.NoError(t, err)
	dump, err := tools.Run(b.ctx, "pg_dump", b.dsn, "--schema=tenant_*", "--restrict-key=x", "--inserts")
	require.NoError(t, err)
	return string(dump)
}
