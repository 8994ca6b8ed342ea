package compare

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/test/fixture"
)

// lifted is the simple schema after its schemas were renamed.
func lifted(t *testing.T) *pgx.Conn {
	t.Helper()
	dsn := localtest.Database(t)
	loadSimple(t, dsn, renameSchemas)
	return connect(t, dsn)
}

func TestAnswersTellWhatDiffers(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	loadSimple(t, dsn, "")
	source, target := connect(t, dsn), lifted(t)
	cases := []fixture.Case{
		{Name: "counts on", SQL: `insert into parent (name) values ('x') returning id`},
		{Name: "reads", SQL: `select name, twice(id) from parent order by id; select what from @{audit}.log`},
		{Name: "fails", SQL: `insert into parent (n) values (5000)`},
	}
	as := As{Path: tenantPath, Schemas: simpleSchemas()}
	want := Answers(t, source, cases, As{})
	require.Contains(t, want[0].Text, `"3"`)
	require.Contains(t, want[2].Text, `error 23514 constraint "small"`)
	require.Empty(t, SameAnswers(want, Answers(t, target, cases, as)))

	for _, broken := range []struct{ sql, tells string }{
		{`select setval('tenant_x.parent_id_seq', 1)`, "counts on"},
		{`create or replace function tenant_x.twice(integer, factor integer default 2) returns integer language sql as 'select 0'`, "reads"},
		{`alter table tenant_x.parent drop constraint small`, "fails"},
	} {
		require.NoError(t, postgres.Script(t.Context(), target, broken.sql))
		lines := SameAnswers(want, Answers(t, target, cases, as))
		require.NotEmpty(t, lines, broken.sql)
		require.Contains(t, lines[len(lines)-1], broken.tells)
	}
	require.NotEmpty(t, SameAnswers(want, nil), "cases that weren't run are no equal answers")
}

func TestFingerprintTellsEachChange(t *testing.T) {
	t.Parallel()
	conn := lifted(t)
	before := Fingerprint(t, conn, "tenant_x")
	require.Equal(t, before, Fingerprint(t, conn, "tenant_x"))
	for _, change := range []string{
		`update tenant_x.base set v = 'other'`, `comment on table tenant_x.base is 'x'`, `grant select on tenant_x.base to pg_monitor`,
		`grant select (v) on tenant_x.base to pg_monitor`, `alter table tenant_x.base owner to pg_monitor`, `grant usage on schema tenant_x to public`,
		`revoke execute on function tenant_x.atomic() from public`, `revoke usage on type tenant_x.mood from public`, `create index on tenant_x.base (v)`,
		`alter function tenant_x.atomic() volatile`, `alter table tenant_x.base add column z integer`,
	} {
		require.NoError(t, postgres.Script(t.Context(), conn, `begin; `+change), change)
		require.NotEqual(t, before, Fingerprint(t, conn, "tenant_x"), change)
		require.NoError(t, postgres.Script(t.Context(), conn, `rollback`))
	}
	require.NoError(t, postgres.Script(t.Context(), conn, `create schema neighbor; create table neighbor.t (id integer)`))
	require.Equal(t, before, Fingerprint(t, conn, "tenant_x"), "a neighbor's change is none of this schema's")
}

func TestDatabaseWideTellsWhatWasAdded(t *testing.T) {
	t.Parallel()
	conn := lifted(t)
	before := DatabaseWide(t, conn)
	require.NoError(t, postgres.Script(t.Context(), conn, `
		create schema neighbor; create extension hstore schema ext; create cast (text as integer) with inout as implicit; create publication all_of_it for all tables;
		create function ext.note() returns event_trigger language plpgsql as $$ begin end $$; create event trigger note on ddl_command_end execute function ext.note();
		create language plancient handler plpgsql_call_handler; create access method old_heap type table handler heap_tableam_handler;
		alter default privileges grant execute on functions to pg_monitor; select lo_create(0);
		create function pg_catalog.old_compatibility() returns integer language sql as 'select 1';
		do $$ begin execute format('alter database %I set search_path = x', current_database()); end $$`))
	added := Added(before, DatabaseWide(t, conn))
	for _, line := range []string{
		"schema neighbor", "extension hstore", "cast text as integer", "publication all_of_it", "event trigger note", "language plancient",
		"access method old_heap", "default privileges of", "large object", "old_compatibility", "setting search_path=x",
	} {
		require.True(t, anyContains(added, line), "no line holds %q: %q", line, added)
	}
}

func TestPrivilegedTellsWhoseRightsAreLent(t *testing.T) {
	t.Parallel()
	conn := lifted(t)
	require.NoError(t, postgres.Script(t.Context(), conn, `alter view tenant_x.names owner to pg_monitor; alter materialized view tenant_x.counts owner to pg_monitor;
		alter materialized view tenant_x.empty_counts owner to pg_monitor; revoke all on schema tenant_x from public`))
	require.Empty(t, Privileged(t, conn, []string{"tenant_x"}))
	for _, change := range []struct{ sql, line string }{
		{`alter function tenant_x.atomic() security definer`, "function tenant_x.atomic() runs as"},
		{`create view tenant_x.more as select 1`, "view tenant_x.more reads as"},
		{`grant usage on schema tenant_x to public`, "schema tenant_x can be used by everybody"},
		{`grant select on tenant_x.base to public`, "relation tenant_x.base is open to everybody: SELECT"},
	} {
		require.NoError(t, postgres.Script(t.Context(), conn, change.sql))
		require.True(t, anyContains(Privileged(t, conn, []string{"tenant_x"}), change.line), change.line)
	}
}

// Two things may differ without a word: the partition that a hash of OIDs chooses (they are others in each database), and the age of a
// materialized view.
func TestWhatNoMoveCanKeepIsNoDifference(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"edge/hash_enum.sql", "edge/stale_materialized.sql"} {
		sourceDSN, targetDSN := localtest.Database(t), localtest.Database(t)
		fixture.Load(t, sourceDSN, name)
		fixture.Load(t, targetDSN, name)
		source, target := connect(t, sourceDSN), connect(t, targetDSN)
		require.NoError(t, postgres.Script(t.Context(), target, `alter schema public rename to tenant_x`))
		require.NoError(t, postgres.Script(t.Context(), target,
			`do $$ begin if to_regclass('tenant_x.totals') is not null then refresh materialized view tenant_x.totals; end if; end $$`))
		schemas := map[string]string{"public": "tenant_x"}
		require.Empty(t, Lift(t, source, target, schemas), name)
		require.NoError(t, postgres.Script(t.Context(), target, `
			do $$ begin if to_regclass('tenant_x.by_feeling') is not null then delete from tenant_x.by_feeling where id = 7; insert into tenant_x.by_feeling values (8, 'a');
			else insert into tenant_x.orders values (3, 5); refresh materialized view tenant_x.totals; end if; end $$`))
		require.NotEmpty(t, Lift(t, source, target, schemas), name)
	}
}
