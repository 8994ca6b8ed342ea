package stream_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

func TestApplyGoesForwardOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := read(t, "core", threeFiles())

	result, err := stream.Apply(b.ctx, b.conn, b.target, s, 2)
	require.NoError(t, err)
	require.Nil(t, result.From)
	require.Equal(t, []uint64{1, 2}, result.Applied)
	require.Equal(t, &tenant.Version{Number: 2}, result.To)

	result, err = stream.Apply(b.ctx, b.conn, b.target, s, 10)
	require.NoError(t, err)
	require.Equal(t, &tenant.Version{Number: 2}, result.From)
	require.Equal(t, []uint64{10}, result.Applied)

	result, err = stream.Apply(b.ctx, b.conn, b.target, s, 10)
	require.NoError(t, err)
	require.Empty(t, result.Applied)

	require.Equal(t, "hello; 7", b.text(t, `select tenant_a.greet(7)`))
	require.Equal(t, b.target.Role, b.text(t, `select string_agg(distinct tableowner, ',') from pg_tables where schemaname = 'tenant_a'`))
	require.Equal(t, "1 10 false", b.text(t, `select count(*) || ' ' || min(version) || ' ' || bool_or(dirty) from tenant_a.schema_migrations_core`))
}

func TestApplyLeavesTheSessionAsItWas(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const state = `select current_user || ' ' || current_setting('search_path') || ' ' || current_setting('lock_timeout')`
	before := b.text(t, state)
	target := b.target
	target.LockTimeout = time.Second
	s := read(t, "core", map[string]string{
		"001_sets": "set search_path = pg_catalog; create table tenant_a.t (a int)",
		"002_cic":  "create index concurrently i on t (a)",
	})
	_, err := stream.Apply(b.ctx, b.conn, target, s, 2)
	require.NoError(t, err)
	require.Equal(t, before, b.text(t, state))
	require.Equal(t, "0", b.text(t, `select count(*)::text from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()`))
}

func TestAFailingFileLeavesNothingAndTellsWhere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, tc := range map[string]struct {
		sql, code, statement string
		line                 int
	}{
		"positioned":   {"create table t (é text);\ninsert into t\nvalues (ü);", "42703", "insert into t\nvalues (ü)", 3},
		"unpositioned": {"create table t (a int not null);\n\ninsert into t values (null);\nselect 1", "23502", "insert into t values (null)", 3},
		"syntax":       {"create table t (a int);\n  crate table u ()", "42601", "crate table u ()", 2},
		"wrapped":      {"begin;\ncreate table t ();\nselect 1/0;\ncommit;", "22012", "select 1/0", 3},
		"autocommit":   {"-- why\ncreate index concurrently i on nowhere (a)", "42P01", "create index concurrently i on nowhere (a)", 2},
	} {
		s := read(t, "svc_"+name, map[string]string{"001_a": tc.sql})
		_, err := stream.Apply(b.ctx, b.conn, b.target, s, 1)
		var declined *stream.Error
		require.ErrorAs(t, err, &declined, name)
		require.Equal(t, "001_a.up.sql", declined.File)
		require.Equal(t, tc.line, declined.Line, name)
		require.Equal(t, tc.statement, declined.Statement, name)
		var pgErr *pgconn.PgError
		require.ErrorAs(t, err, &pgErr)
		require.Equal(t, tc.code, pgErr.Code, name)
	}
	require.Equal(t, "schema_migrations_svc_autocommit", b.text(t, `select string_agg(relname, ',') from pg_class where relnamespace = 'tenant_a'::regnamespace and relkind = 'r'`))
}

func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := read(t, "core", threeFiles())
	apply := func(target stream.Target, s *stream.Stream, to uint64) error {
		_, err := stream.Apply(b.ctx, b.conn, target, s, to)
		return err
	}
	require.ErrorIs(t, apply(b.target, s, 3), tenant.ErrNotFound)

	elsewhere := b.target
	elsewhere.Path = []string{"public", "tenant_a"}
	require.ErrorIs(t, apply(elsewhere, s, 10), tenant.ErrConflict, "unqualified names would land in public")
	nowhere := b.target
	nowhere.Schema = "tenant_b"
	require.Error(t, apply(nowhere, s, 10))

	require.NoError(t, apply(b.target, s, 10))
	require.ErrorIs(t, apply(b.target, s, 2), tenant.ErrConflict, "stands beyond it")
	older := read(t, "core", map[string]string{"001_customers": "select 1"})
	require.ErrorIs(t, apply(b.target, older, 1), tenant.ErrConflict, "made by newer files")

	b.exec(t, `update tenant_a.schema_migrations_core set version = 2, dirty = true`)
	err := apply(b.target, s, 10)
	require.ErrorIs(t, err, tenant.ErrConflict)
	require.NotEmpty(t, tenant.Hints(err))
}

func TestManyProcessesApplyEachVersionOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := read(t, "core", map[string]string{
		"001_a": "create table log (v int)",
		"002_b": "insert into log values (2)",
		"003_c": "create index concurrently i on log (v)",
		"004_d": "insert into log values (4)",
	})
	var wait sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		conn := b.connect(t)
		wait.Go(func() { _, errs[i] = stream.Apply(b.ctx, conn, b.target, s, 4) })
	}
	wait.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, "2,4", b.text(t, `select string_agg(v::text, ',' order by v) from tenant_a.log`))
	require.Equal(t, "4", b.text(t, `select version::text from tenant_a.schema_migrations_core`))
}

func TestApplyWaitsForItsPatienceOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := read(t, "core", threeFiles())
	_, err := stream.Apply(b.ctx, b.conn, b.target, s, 1)
	require.NoError(t, err)
	other := b.connect(t)
	lock := `select pg_advisory_lock(id) from unnest($1::bigint[]) as id`
	_, err = other.Exec(b.ctx, lock, stream.LockIDs(t, other.Config().Database, "tenant_a", "schema_migrations_core"))
	require.NoError(t, err)
	target := b.target
	target.Patience = 50 * time.Millisecond
	_, err = stream.Apply(b.ctx, b.conn, target, s, 2)
	require.ErrorIs(t, err, tenant.ErrLocked)
}

func TestAnUnfinishedConcurrentIndexIsBuiltAnew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := read(t, "core", map[string]string{
		"001_t": "create table t (a int); insert into t values (1), (1)",
		"002_i": `create unique index concurrently if not exists "I" on t (a)`,
	})
	_, err := stream.Apply(b.ctx, b.conn, b.target, s, 2)
	require.Equal(t, "23505", postgres.Code(err))
	require.Equal(t, "0", b.text(t, `select count(*)::text from pg_class where relname = 'I'`), "the invalid index is gone")
	require.Equal(t, "1 false", b.text(t, `select version || ' ' || dirty from tenant_a.schema_migrations_core`), "what left nothing isn't dirty")

	b.exec(t, `delete from tenant_a.t where ctid = (select min(ctid) from tenant_a.t)`)
	// What a process leaves that was killed while it built the index.
	b.exec(t, `create index "I" on tenant_a.t (a); update pg_index set indisvalid = false where indexrelid = 'tenant_a."I"'::regclass;
		update tenant_a.schema_migrations_core set version = 2, dirty = true`)
	result, err := stream.Apply(b.ctx, b.conn, b.target, s, 2)
	require.NoError(t, err)
	require.Equal(t, &tenant.Version{Number: 2}, result.To)
	require.Equal(t, "true true", b.text(t, `select indisvalid || ' ' || indisunique from pg_index where indexrelid = 'tenant_a."I"'::regclass`))
}

func TestApplyStopsWithItsContext(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := read(t, "core", map[string]string{"001_sleep": "create table t (); select pg_sleep(60)"})
	ctx, cancel := context.WithTimeout(b.ctx, 100*time.Millisecond)
	defer cancel()
	_, err := stream.Apply(ctx, b.conn, b.target, s, 1)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	b.conn = b.connect(t)
	require.Equal(t, "", b.text(t, `select coalesce(string_agg(relname, ','), '') from pg_class where relnamespace = 'tenant_a'::regnamespace`))
}

func TestVersionsOfMany(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := read(t, "core", threeFiles())
	_, err := stream.Apply(b.ctx, b.conn, b.target, s, 2)
	require.NoError(t, err)
	b.exec(t, `create schema tenant_b; create table tenant_b.schema_migrations_core (version bigint, dirty bool);
		create schema tenant_c; create table tenant_c.schema_migrations_auth (version bigint, dirty bool); insert into tenant_c.schema_migrations_auth values (7, true)`)
	found, err := stream.Versions(b.ctx, b.conn, []string{"tenant_a", "tenant_b", "tenant_c", "tenant_d"},
		[]*stream.Stream{s, read(t, "auth", map[string]string{"001_a": "select 1"})})
	require.NoError(t, err)
	require.Equal(t, map[string]map[string]tenant.Version{
		"tenant_a": {"core": {Number: 2}},
		"tenant_b": {},
		"tenant_c": {"auth": {Number: 7, Dirty: true}},
	}, found)
}
