package stream_test

import (
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// ways makes a stream from pairs of a way up and a way down, "" for no file.
func ways(t *testing.T, service string, pairs ...[2]string) *stream.Stream {
	t.Helper()
	fsys := fstest.MapFS{}
	for i, pair := range pairs {
		name := "00" + string(rune('1'+i)) + "_x"
		fsys[name+".up.sql"] = &fstest.MapFile{Data: []byte(pair[0])}
		if pair[1] != "" {
			fsys[name+".down.sql"] = &fstest.MapFile{Data: []byte(pair[1])}
		}
	}
	s, err := stream.Read(service, fsys)
	require.NoError(t, err)
	return s
}

func TestRevertTakesBackStepByStep(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := ways(t, "core",
		[2]string{"create table t (a int)", "drop table t"},
		[2]string{"create index concurrently i on t (a)", "drop index concurrently i"},
		[2]string{"alter table t add b int", "begin; alter table t drop b; commit"})
	_, err := stream.Apply(b.ctx, b.conn, b.target, s, 3)
	require.NoError(t, err)

	result, err := stream.Revert(b.ctx, b.conn, b.target, s, new(uint64(1)))
	require.NoError(t, err)
	require.Equal(t, []uint64{3, 2}, result.Applied)
	require.Equal(t, &tenant.Version{Number: 1}, result.To)
	require.Equal(t, "a", b.text(t, `select string_agg(attname, ',') from pg_attribute where attrelid = 'tenant_a.t'::regclass and attnum > 0 and not attisdropped`))
	require.Equal(t, "0", b.text(t, `select count(*)::text from pg_index where indrelid = 'tenant_a.t'::regclass`))

	_, err = stream.Revert(b.ctx, b.conn, b.target, s, new(uint64(2)))
	require.ErrorIs(t, err, tenant.ErrConflict, "stands before it")
	result, err = stream.Revert(b.ctx, b.conn, b.target, s, nil)
	require.NoError(t, err)
	require.Nil(t, result.To)
	require.Equal(t, "0", b.text(t, `select count(*)::text from tenant_a.schema_migrations_core`), "as golang-migrate leaves it")
	_, err = stream.Apply(b.ctx, b.conn, b.target, s, 3)
	require.NoError(t, err)
}

func TestRevertRefusesBeforeItBegins(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := ways(t, "core",
		[2]string{"create table t (a int)", "drop table t"},
		[2]string{"alter table t add b int", ""},
		[2]string{"alter table t add c int", "-- nothing to say"},
		[2]string{"alter table t add d int", "alter table t drop d"})
	_, err := stream.Apply(b.ctx, b.conn, b.target, s, 4)
	require.NoError(t, err)
	_, err = stream.Revert(b.ctx, b.conn, b.target, s, new(uint64(1)))
	require.ErrorIs(t, err, tenant.ErrRefused)
	require.ErrorContains(t, err, "002_x.up.sql, 003_x.up.sql")
	require.Equal(t, "4", b.text(t, `select version::text from tenant_a.schema_migrations_core`))
}

// The text of files comes from many editors.
func TestFilesOfEveryKindRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := ways(t, "core",
		[2]string{"\uFEFFcreate table t (a int);\r\n\r\ncomment on table t is 'x;';\r\n", ""},
		[2]string{"", ""},
		[2]string{"-- only words\n", ""},
		[2]string{"begin;\r\nalter table t add b int;\r\nCOMMIT;\r\n", ""},
		[2]string{"insert into t values (1);\nbegin;\nupdate t set a = 2;\ncommit;\nbegin;\nupdate t set a = a + 1;\ncommit;", ""})
	_, err := stream.Apply(b.ctx, b.conn, b.target, s, 5)
	require.NoError(t, err)
	require.Equal(t, "3", b.text(t, `select a::text from tenant_a.t`))
	require.Equal(t, "5 false", b.text(t, `select version || ' ' || dirty from tenant_a.schema_migrations_core`))
}

// What one tenant's file leaves in the session would reach the next tenant on the connection.
func TestNothingReachesTheNextTenant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `create schema tenant_b; grant usage, create on schema tenant_b to `+postgres.Ident(b.target.Role))
	s := ways(t, "core", [2]string{`
		create temp table scratch (a int);
		prepare q as select 1;
		set work_mem = '1MB';
		reset role;
		select pg_advisory_lock(4711);
		do $$ begin perform set_config('search_path', 'public', false); end $$`, ""})
	for _, schema := range []string{"tenant_a", "tenant_b"} {
		target := b.target
		target.Schema = schema
		_, err := stream.Apply(b.ctx, b.conn, target, s, 1)
		require.NoError(t, err, schema)
	}
	require.Equal(t, "0 0", b.text(t, `select (select count(*) from pg_prepared_statements) || ' ' || (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())`))
	require.NotEqual(t, "1MB", b.text(t, `select current_setting('work_mem')`))
	require.Equal(t, b.target.Role, b.text(t, `select tableowner from pg_tables where schemaname = 'tenant_b'`), "the version table is the owner's whatever the file did")
}

// A file that can't be in a transaction is no longer dirty when its first statement failed: that left nothing.
func TestAFailingFirstStatementIsNotDirty(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := ways(t, "core",
		[2]string{"create table t (a int); insert into t values (1), (1)", "drop table t"},
		[2]string{"create unique index concurrently i on t (a);", "drop index concurrently i"},
		[2]string{"vacuum t; vacuum nowhere", ""})
	_, err := stream.Apply(b.ctx, b.conn, b.target, s, 2)
	require.Equal(t, "23505", postgres.Code(err))
	require.Equal(t, "1 false", b.text(t, `select version || ' ' || dirty from tenant_a.schema_migrations_core`))
	b.exec(t, `delete from tenant_a.t`)
	_, err = stream.Apply(b.ctx, b.conn, b.target, s, 3)
	require.Equal(t, "42P01", postgres.Code(err))
	require.Equal(t, "3 true", b.text(t, `select version || ' ' || dirty from tenant_a.schema_migrations_core`), "its first statement did happen")
	_, err = stream.Apply(b.ctx, b.conn, b.target, s, 3)
	require.ErrorIs(t, err, tenant.ErrConflict)
	require.ErrorContains(t, err, "003_x.up.sql didn't end")
}

// However many statements a file has, nobody waits behind its first lock for longer than the lock timeout.
func TestTheWaitsOfAFileAreBoundedTogether(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `create table tenant_a.seen (share text); grant all on tenant_a.seen to `+postgres.Ident(b.target.Role))
	s := ways(t, "core", [2]string{"insert into seen values (current_setting('lock_timeout')); select 1; select 2; select 3", ""})
	target := b.target
	target.LockTimeout = 400 * time.Millisecond
	_, err := stream.Apply(b.ctx, b.conn, target, s, 1)
	require.NoError(t, err)
	require.Equal(t, "100ms", b.text(t, `select share from tenant_a.seen`))
}

// An index that is built while another transaction stands open waits for it, but not forever.
func TestAConcurrentIndexWaitsForItsTimeOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := ways(t, "core", [2]string{"create table t (a int)", ""}, [2]string{"create index concurrently i on t (a)", ""})
	_, err := stream.Apply(b.ctx, b.conn, b.target, s, 1)
	require.NoError(t, err)
	other, err := b.connect(t).Begin(b.ctx)
	require.NoError(t, err)
	defer func() { _ = other.Rollback(b.ctx) }()
	_, err = other.Exec(b.ctx, `insert into tenant_a.t values (1)`)
	require.NoError(t, err)
	target := b.target
	target.ConcurrentWait = 100 * time.Millisecond
	_, err = stream.Apply(b.ctx, b.conn, target, s, 2)
	require.Equal(t, "55P03", postgres.Code(err))
	require.Equal(t, postgres.Retryable, postgres.Classify(err))
	require.Equal(t, "2 true", b.text(t, `select version || ' ' || dirty from tenant_a.schema_migrations_core`), "the invalid index can't be dropped either while that transaction lasts")
	require.NoError(t, other.Rollback(b.ctx))
	result, err := stream.Apply(b.ctx, b.conn, target, s, 2)
	require.NoError(t, err)
	require.Equal(t, &tenant.Version{Number: 2}, result.To)
	require.Equal(t, "true", b.text(t, `select indisvalid::text from pg_index where indexrelid = 'tenant_a.i'::regclass`))
}
