package stream_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// What works concurrently commits in the middle. Where it has to give up there, the version is dirty as long as something is left,
// and the next run goes on from what it finds: forward, and on the way back.
func TestStoppedHalfway(t *testing.T) {
	t.Parallel()
	const first = `create table t (a int primary key, b int); insert into t values (1, 1); create index old on t (b);
		create table parts (a int) partition by range (a); create table part partition of parts for values from (0) to (10)`
	for name, tc := range map[string]struct{ holder, up, down, found string }{
		"index": {
			"insert into tenant_a.t values (2, 2)", "create index concurrently i on t (b)", "drop index concurrently i",
			"select count(*)::text from pg_index where indexrelid = to_regclass('tenant_a.i') and indisvalid",
		},
		"index without a name": {
			"insert into tenant_a.t values (2, 2)", "vacuum t; create index concurrently on t (a, b)", "drop index concurrently t_a_b_idx",
			"select count(*)::text from pg_index where indexrelid = to_regclass('tenant_a.t_a_b_idx') and indisvalid",
		},
		"drop": {
			"insert into tenant_a.t values (2, 2)", "drop index concurrently old", "create index concurrently old on t (b)",
			"select count(*)::text from pg_class where to_regclass('tenant_a.old') is null and relname = 't' and relnamespace = 'tenant_a'::regnamespace",
		},
		"rebuild": {
			"insert into tenant_a.t values (2, 2)", "reindex index concurrently old", "",
			"select count(*)::text from pg_index where indexrelid = 'tenant_a.old'::regclass and indisvalid",
		},
		"detach": {
			"select * from tenant_a.parts", "alter table parts detach partition part concurrently", "",
			"select count(*)::text from pg_class where oid = 'tenant_a.part'::regclass and not relispartition",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			s := ways(t, "core", [2]string{first, "drop table t, parts, part"}, [2]string{tc.up, tc.down})
			_, err := stream.Apply(b.ctx, b.conn, b.target, s, 1)
			require.NoError(t, err)
			target := b.target
			target.ConcurrentWait = 200 * time.Millisecond

			end := b.openTransaction(t, tc.holder)
			_, err = stream.Apply(b.ctx, b.conn, target, s, 2)
			require.Equal(t, "55P03", postgres.Code(err), "%v", err)
			require.Equal(t, "2 true", b.text(t, `select version || ' ' || dirty from tenant_a.schema_migrations_core`), "%v", err)
			end()
			_, err = stream.Apply(b.ctx, b.conn, target, s, 2)
			if name == "index without a name" { // two statements, of which the first may have happened
				require.ErrorIs(t, err, tenant.ErrConflict)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "1", b.text(t, tc.found))
			require.Equal(t, "0", b.text(t, `select count(*)::text from pg_index where not indisvalid`))

			if tc.down == "" {
				return
			}
			end = b.openTransaction(t, "update tenant_a.t set b = 0")
			_, err = stream.Revert(b.ctx, b.conn, target, s, new(uint64(1)))
			require.Equal(t, "55P03", postgres.Code(err), "%v", err)
			require.Equal(t, "2 true", b.text(t, `select version || ' ' || dirty from tenant_a.schema_migrations_core`), "%v", err)
			end()
			_, err = stream.Revert(b.ctx, b.conn, target, s, new(uint64(1)))
			require.NoError(t, err)
			require.Equal(t, "0 1", b.text(t, `select count(*) filter (where not indisvalid) || ' ' || count(*) filter (where indexrelid = to_regclass('tenant_a.old')) from pg_index`))
		})
	}
}

// What didn't get so far as to begin leaves nothing, and no dirty version.
func TestStoppedBeforeItBegan(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const first = `create table t (a int); create index old on t (a);
		create table parts (a int) partition by range (a); create table part partition of parts for values from (0) to (10)`
	for name, up := range map[string]string{
		"create":  "create index concurrently i on t (a)",
		"drop":    "drop index concurrently old",
		"rebuild": "reindex index concurrently old",
		"detach":  "alter table parts detach partition part concurrently",
		"vacuum":  "vacuum t",
		"call":    "call nowhere()",
	} {
		schema := "tenant_" + name
		b.exec(t, "create schema "+schema)
		s := ways(t, "core", [2]string{first, ""}, [2]string{up, ""})
		target := stream.Target{Schema: schema, ConcurrentWait: 50 * time.Millisecond}
		_, err := stream.Apply(b.ctx, b.conn, target, s, 1)
		require.NoError(t, err)
		end := b.openTransaction(t, "lock table "+schema+".t, "+schema+".parts in access exclusive mode")
		_, err = stream.Apply(b.ctx, b.conn, target, s, 2)
		require.Error(t, err, name)
		require.Equal(t, "1 false", b.text(t, `select version || ' ' || dirty from `+schema+`.schema_migrations_core`), "%s: %v", name, err)
		end()
		_, err = stream.Apply(b.ctx, b.conn, target, s, 2)
		require.Equal(t, name == "call", err != nil, "%v", err)
	}
}

// Objects of the whole database are made by the first tenant that gets there. The others run at the same moment.
func TestTenantsRaceForWhatTheyShare(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := ways(t, "core", [2]string{`create extension if not exists citext with schema public;
		create schema if not exists shared;
		comment on schema shared is 'everybody''s';
		create table if not exists shared.settings (name text primary key);
		create table t (a int)`, ""})
	const tenants = 8
	var wait sync.WaitGroup
	errs := make([]error, tenants)
	for i := range tenants {
		schema := "tenant_" + string(rune('b'+i))
		b.exec(t, "create schema "+schema)
		conn := b.connect(t)
		wait.Go(func() {
			_, errs[i] = stream.Apply(b.ctx, conn, stream.Target{Schema: schema}, s, 1)
		})
	}
	wait.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

// A schema that goes away while it is migrated is said to be gone, and nothing lands elsewhere.
func TestASchemaDroppedInTheMiddle(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := ways(t, "core",
		[2]string{"create table t (a int)", ""},
		[2]string{"select pg_sleep(0.3)", ""},
		[2]string{"create table u (a int)", ""},
		[2]string{"create index concurrently i on u (a)", ""})
	_, err := stream.Apply(b.ctx, b.conn, b.target, s, 1)
	require.NoError(t, err)
	done := make(chan error, 1)
	conn := b.connect(t)
	go func() {
		_, err := stream.Apply(b.ctx, conn, b.target, s, 4)
		done <- err
	}()
	require.Eventually(t, func() bool {
		return b.text(t, `select count(*)::text from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`) == "1"
	}, 20*time.Second, time.Millisecond)
	b.exec(t, "drop schema tenant_a cascade")
	err = <-done
	require.ErrorIs(t, err, tenant.ErrConflict)
	require.ErrorContains(t, err, `unqualified names would not land in schema "tenant_a"`)
	require.Contains(t, tenant.Hints(err)[0], `check that schema "tenant_a" exists`)
	require.Equal(t, "0", b.text(t, `select count(*)::text from pg_class where relname = 'u'`))

	_, err = stream.Apply(b.ctx, b.conn, b.target, ways(t, "core", [2]string{"vacuum", ""}), 1)
	require.ErrorIs(t, err, tenant.ErrConflict, "a file outside a transaction finds it out, too")
	target := b.target
	target.At = &stream.Stand{Table: true, Version: &tenant.Version{Number: 3}}
	_, err = stream.Apply(b.ctx, b.conn, target, s, 4)
	require.ErrorIs(t, err, tenant.ErrConflict, "what the caller had seen counts for nothing")
}

// What the server says is passed on whole, with the place in the file; a long statement is cut.
func TestErrorsReadWell(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := stream.Apply(b.ctx, b.conn, b.target, read(t, "core", map[string]string{"001_t": "create table t (name text unique, kind int check (kind > 0))"}), 1)
	require.NoError(t, err)
	long := "insert into t (kind, name) values (1, 'a')" + ", (2, 'b and some more')" + ",\n\t(3, 'c and a good deal more than that')" + ", (4, 'd')" + ", (5, 'e')" + ", (6, 'a'), (7, 'and so on and so forth')"
	for sql, want := range map[string]string{
		"select 1;\nselect nme\nfrom t": `core 002_x.up.sql:2: column "nme" does not exist (SQLSTATE 42703); hint: Perhaps you meant to reference the column "t.name".; statement: select nme from t`,
		"insert into t values ('x', 0)": `core 002_x.up.sql:1: new row for relation "t" violates check constraint "t_kind_check" (SQLSTATE 23514); detail: Failing row contains (x, 0).; statement: insert into t values ('x', 0)`,
		"do $$\nbegin\n\traise 'no: %', 1\n\t\tusing hint = 'try 2';\nend $$": `core 002_x.up.sql:1: no: 1 (SQLSTATE P0001); hint: try 2; context: PL/pgSQL function inline_code_block line 3 at RAISE; ` +
			`statement: do $$ begin raise 'no: %', 1 using hint = 'try 2'; end $$`,
		long: `core 002_x.up.sql:1: duplicate key value violates unique constraint "t_name_key" (SQLSTATE 23505); detail: Key (name)=(a) already exists.; ` +
			`statement: insert into t (kind, name) values (1, 'a'), (2, 'b and some more'), (3, 'c and a good deal more than that'), (4, 'd'), (5, 'e'), (6, 'a'), (7, 'and so on and s…`,
	} {
		s := read(t, "core", map[string]string{"001_t": "", "002_x": sql})
		_, err := stream.Apply(b.ctx, b.conn, b.target, s, 2)
		require.EqualError(t, err, want)
	}
}
