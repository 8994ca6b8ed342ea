package stream_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// folder makes a file system of texts by file name.
func folder(texts map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range texts {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

// numbered names texts 001_x.up.sql, 002_x.up.sql ...
func numbered(ups ...string) fstest.MapFS {
	texts := map[string]string{}
	for i, up := range ups {
		texts[fmt.Sprintf("%03d_x.up.sql", i+1)] = up
	}
	return folder(texts)
}

// People call their files anything.
func TestNamesConform(t *testing.T) {
	t.Parallel()
	ups, downs := conform(t, folder(map[string]string{
		"1_.up.sql":   "create table t1 ()",
		"1_.down.sql": "drop table t1",
		"0002_with blanks & ünïcode (2).up.sql":      "create table t2 ()",
		"0002_otherwise.down.sql":                    "drop table t2",
		"3_dots.in.it.up.down.up.sql":                "create table t3 ()",
		"3_dots.in.it.down.sql":                      "drop table t3",
		"4_another-ending.up.pgsql":                  "create table t4 ()",
		"4_another-ending.down.pgsql":                "drop table t4",
		"5_only-down.down.sql":                       "select 1",
		"006_only-up.up.sql":                         "",
		"20260101120000_2026-01-01.up.sql":           "create table t7 ()",
		"20260101120000_2026-01-01.down.sql":         "drop table t7",
		"9223372036854775807_last.up.sql":            "create table t8 ()",
		"9223372036854775807_last.down.sql":          "drop table t8",
		"010.up.sql":                                 "never run: it has no name to stand behind its number",
		"notes.up.sql":                               "never run",
		"20260101120001-dashes.up.sql":               "never run",
		"schema.sql":                                 "never run",
		"README.md":                                  "# Migrations",
		"11_folder.up.sql/11_within-a-folder.up.sql": "never run",
	}), "")
	require.Equal(t, 8, ups)
	require.Equal(t, 8, downs)
}

// What files hold beside plain statements.
func TestShapesConform(t *testing.T) {
	t.Parallel()
	ups, _ := conform(t, numbered(
		// Text.
		"create table t (a text);;\n;; insert into t values ('a;b'), (E'it\\'s; \\\\'), (U&'\\00e9;'), (U&'!00e9' uescape '!'), ($$;$$), ($x$ $$;$$ ' $x$);-- end; of it",
		"/* ; /* nested; */ ' */ insert into t values ('/* ; */ -- ;'); /* last */",
		"insert into t values ('one'\n';two'); insert into t values ('back\\slash;');\n\n-- no line break at the end",
		"insert into t values (1); -- old\rinsert into t values (2);\rinsert into t values (3);\r",
		"insert into t values ('a\r\nb');\r\n-- x\r\n",
		"do $do$ begin execute $q$ insert into t values ('nested ''quotes''; $$') $q$; execute format('comment on table t is %L', 'it''s; so'); end $do$;",
		"create function f(a text) returns text language plpgsql as $_$ declare s text := $$;$$; begin return s || E'\\n;' || $1; end $_$; insert into t select f('x');",
		"   \n\t-- only words; no statement\n/* and ; more */",
		"select 1; select a from t; show search_path; explain select 1; values (1), (2); table t;",
		// Settings, of which none may reach the next file.
		"set check_function_bodies = false; create function g() returns bigint language sql as 'select count(*) from not_yet'; set client_min_messages = warning; set statement_timeout = 0; set lock_timeout = '10s'; set client_encoding = 'UTF8'; set standard_conforming_strings = on",
		"set standard_conforming_strings = off; set escape_string_warning = off; insert into t values ('as the server reads the whole file first: \\')",
		"select pg_catalog.set_config('search_path', '', false); select pg_catalog.set_config('row_security', 'off', false);",
		"create table after_an_empty_path ()",
		"reset search_path; create table after_reset (); reset all; create table after_reset_all (); set search_path to default; create table after_default ()",
		"set local work_mem = '1MB'; set constraints all deferred; create temporary table scratch (a int) on commit drop; insert into scratch values (1); create temp table left_over as select 1 as a; prepare p as select 1; execute p; listen somebody; notify somebody, 'x;y'",
		"insert into t select count(*)::text from pg_class where relname in ('scratch', 'left_over') and relpersistence = 't' and pg_table_is_visible(oid)",
		// Transactions of the file's own.
		"begin; create table b1 (); commit;",
		"BEGIN WORK;\ncreate table b2 ();\nEND TRANSACTION;",
		"begin isolation level serializable; create table b3 (); commit and no chain",
		"start transaction read write; create table b4 (); commit",
		"set statement_timeout = 0; begin; create table b5 (a int); commit; reset statement_timeout",
		"create table b6 (a int); commit; lock table b6 in exclusive mode; set local work_mem = '1MB'; insert into b6 values (1); commit; begin; insert into b6 values (2); commit; insert into b6 values (3);",
		"begin; create table b7 (); commit; begin; create table b8 (); commit;",
		"begin; create table b9 (); commit and chain; create table b10 (); commit",
		"begin; create table never_there (); rollback",
		"begin; create table open_to_the_end ()",
		"begin; savepoint s; create table rolled_back (); rollback to savepoint s; release s; create table b11 (); commit",
		"set transaction isolation level serializable; create table b12 ()",
		"declare c cursor for select * from t; fetch all from c; close c; lock table t in share mode;",
		// What can't be in a transaction, known by its words or not.
		"create procedure steps() language plpgsql as $$ begin insert into t values ('p1'); commit; insert into t values ('p2'); end $$",
		"call steps()",
		"do $$ begin insert into t values ('d1'); commit; insert into t values ('d2'); end $$",
		"do $$ begin execute 'com' || 'mit'; exception when others then insert into t values (sqlstate); end $$",
		"create table parts (a int primary key) partition by range (a); create table part1 partition of parts for values from (0) to (10)",
		"reindex table parts",
		"reindex index parts_pkey;",
		"vacuum (analyze) t",
		"cluster",
		"create index concurrently on t (a)",
		"create index concurrently if not exists \"Odd; name\" on only t (a) where a <> ';'",
		"reindex table concurrently t;",
		"alter table parts detach partition part1 concurrently",
		// Types.
		"create type mood as enum ('sad'); alter type mood add value 'glad'",
		"alter type mood add value if not exists 'mad' before 'glad'",
		"create table moods (m mood default 'mad'); insert into moods values ('mad'), (default)",
		// Whatever a schema may hold beside tables.
		"create table open_to_all (); grant all on open_to_all to public; grant insert on t to public; revoke execute on function f(text) from public",
		"create view v as select * from t; create or replace rule r as on insert to v do instead (insert into t values (new.a); select 1);",
	), "")
	require.Equal(t, 47, ups)
}

// A first version that pg_dump made names its schema, empties the path, and a later file relies on neither.
func TestADumpedFirstVersionConforms(t *testing.T) {
	t.Parallel()
	ups, _ := conform(t, numbered(`--
-- PostgreSQL database dump
--

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

CREATE FUNCTION app.touch() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    new.touched := '2020-01-01';
    return new;
end;
$$;

SET default_tablespace = '';
SET default_table_access_method = heap;

CREATE TABLE app.notes (
    id bigint NOT NULL,
    body text,
    touched date
);

CREATE SEQUENCE app.notes_id_seq START WITH 1 INCREMENT BY 1 NO MINVALUE NO MAXVALUE CACHE 1;
ALTER SEQUENCE app.notes_id_seq OWNED BY app.notes.id;
ALTER TABLE ONLY app.notes ALTER COLUMN id SET DEFAULT nextval('app.notes_id_seq'::regclass);
INSERT INTO app.notes VALUES (1, 'a;b', NULL);
SELECT pg_catalog.setval('app.notes_id_seq', 1, true);
ALTER TABLE ONLY app.notes ADD CONSTRAINT notes_pkey PRIMARY KEY (id);
CREATE TRIGGER touch BEFORE UPDATE ON app.notes FOR EACH ROW EXECUTE FUNCTION app.touch();

--
-- PostgreSQL database dump complete
--

`, "create table tags (id bigint primary key); update notes set body = 'c'", "set search_path to app, public; create extension if not exists pg_trgm with schema public; create index on notes using gin (body gin_trgm_ops)"), "app")
	require.Equal(t, 3, ups)
}

func TestALongFileConforms(t *testing.T) {
	t.Parallel()
	var long strings.Builder
	long.WriteString("create table t (a int, b text);\n")
	for i := range 40_000 {
		fmt.Fprintf(&long, "insert into t values (%d, 'row %d; with some words that make it longer, about as long as lines in such files are: %[2]d');\n", i, i)
	}
	require.Greater(t, long.Len(), 5_000_000)
	b := setup(t)
	b.exec(t, "create schema tenant_b")
	fsys := numbered(long.String())
	s, err := stream.Read("core", fsys)
	require.NoError(t, err)
	require.NoError(t, newTheirs(t, fsys, s, b.dsn, "tenant_b").up())
	require.NoError(t, newOurs(t, s, b.dsn, "tenant_a").up())
	require.Equal(t, "40000 0", b.text(t, `select count(*) || ' ' || count(*) filter (where a.b <> b.b) from tenant_a.t a join tenant_b.t b using (a)`))
}

// failure is a file that golang-migrate can't run either.
type failure struct {
	sql, code string
	line      int
	statement string // "" where the server names none
	left      string // tables that it leaves, in which case the version is dirty
}

// Where golang-migrate fails, we fail with the same answer, say where, and leave what it leaves, but a dirty version only where
// something was left.
func TestFailuresConform(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, want := range map[string]failure{
		"syntax":        {sql: "create table t ();\ncreate tabel u ();", code: "42601", line: 2, statement: "create tabel u ()"},
		"late":          {sql: "create table t ();\n\nselect 1/0;\ncreate table u ()", code: "22012", line: 3, statement: "select 1/0"},
		"at commit":     {sql: "create table t (a int unique deferrable initially deferred);\ninsert into t values (1), (1)", code: "23505"},
		"empty path":    {sql: "select pg_catalog.set_config('search_path', '', false);\ncreate table t ();", code: "3F000", line: 2, statement: "create table t ()"},
		"new value":     {sql: "create type e as enum ('a'); commit;\nalter type e add value 'b';\nselect 'b'::e", code: "55P04", line: 3, statement: "select 'b'::e", left: "type e"},
		"wrapped index": {sql: "begin;\ncreate index concurrently i on pg_class (oid);\ncommit", code: "25001", line: 2, statement: "create index concurrently i on pg_class (oid)"},
		"no commit yet": {sql: "create table t ();\nselect 1/0;\ncommit;", code: "22012", line: 2, statement: "select 1/0"},
		"begun":         {sql: "begin isolation level serializable;\ncreate table t ();\nselect 1/0;\ncommit;", code: "22012", line: 3, statement: "select 1/0"},
		"half":          {sql: "create table t ();\ncommit;\ncreate table u ();\nselect 1/0;", code: "22012", line: 4, statement: "select 1/0", left: "table t"},
		"rolled back":   {sql: "begin;\ncreate table t ();\nrollback;\nselect 1/0;", code: "22012", line: 4, statement: "select 1/0"},
		"block":         {sql: "select 1;\ndo $$ begin create table t (); commit; end $$", code: "2D000", line: 2, statement: "do $$ begin create table t (); commit; end $$"},
		"lone block":    {sql: "do $$ begin create table t (); commit; perform 1/0; end $$", code: "22012", line: 1, statement: "do $$ begin create table t (); commit; perform 1/0; end $$", left: "table t"},
		"hidden commit": {sql: "do $$ begin create table t (); execute 'select 1/0'; end $$", code: "22012", line: 1, statement: "do $$ begin create table t (); execute 'select 1/0'; end $$"},
		"no procedure":  {sql: "\ncall nowhere()", code: "42883", line: 2, statement: "call nowhere()"},
		"isolation":     {sql: "set transaction isolation level serializable;\nselect 1/0", code: "22012", line: 2, statement: "select 1/0"},
		"partition":     {sql: "reindex table nowhere", code: "42P01", line: 1, statement: "reindex table nowhere"},
	} {
		schema := "f_" + strings.ReplaceAll(name, " ", "_")
		fsys := numbered(want.sql)
		s, err := stream.Read("conform", fsys)
		require.NoError(t, err)
		b.exec(t, "create schema "+schema+"; create schema their_"+schema)
		us, them := newOurs(t, s, b.dsn, schema), newTheirs(t, fsys, s, b.dsn, "their_"+schema)
		require.Equal(t, want.code, state(them.up()), "golang-migrate: %s", name)
		err = us.up()
		require.Equal(t, want.code, postgres.Code(err), "%s: %v", name, err)
		var declined *stream.Error
		require.ErrorAs(t, err, &declined, name)
		require.Equal(t, want.line, declined.Line, "%s: %v", name, err)
		require.Equal(t, want.statement, declined.Statement, name)
		const made = `select coalesce(string_agg(what, ', ' order by what), '') from (
			select 'table ' || relname from pg_class where relkind = 'r' and relnamespace = '%[1]s'::regnamespace and relname not like 'schema_migrations%%'
			union all select 'type ' || typname from pg_type where typtype = 'e' and typnamespace = '%[1]s'::regnamespace) as x (what)`
		require.Equal(t, want.left, b.text(t, fmt.Sprintf(made, schema)), name)
		require.Equal(t, want.left, b.text(t, fmt.Sprintf(made, "their_"+schema)), name)
		stands, err := stream.Stands(b.ctx, b.conn, s, []string{schema})
		require.NoError(t, err)
		if want.left == "" {
			require.Nil(t, stands[schema].Version, name)
		} else {
			require.Equal(t, &tenant.Version{Number: 1, Dirty: true}, stands[schema].Version, name)
		}
	}
}

// What must be alone in its message runs here among others too, where golang-migrate wants a file for each.
func TestStatementsThatMustBeAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := ways(t, "core", [2]string{`set statement_timeout = '1min';
create table t (a int);
create index concurrently i on t (a);
begin;
insert into t values (1);
commit;
vacuum t;
create unique index concurrently j on t (a)`, ""}, [2]string{"discard all", ""}, [2]string{"create table after_all ()", ""})
	_, err := stream.Apply(b.ctx, b.conn, b.target, s, 3)
	require.NoError(t, err)
	require.Equal(t, "tenant_a.i,tenant_a.j 1", b.text(t, `select (select string_agg(indexrelid::regclass::text, ',' order by indexrelid) from pg_index where indisvalid and indrelid = 'tenant_a.t'::regclass)
		|| ' ' || (select count(*) from tenant_a.t)`))
	require.Equal(t, b.target.Role, b.text(t, `select string_agg(distinct tableowner, ',') from pg_tables where schemaname = 'tenant_a'`))
}

// A setting ahead of it leaves nothing: the version isn't dirty when the index that follows can't be built.
func TestSettingsLeaveNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := ways(t, "core", [2]string{"set statement_timeout = 0;\nset maintenance_work_mem = '64MB';\ncreate index concurrently i on nowhere (a)", ""})
	_, err := stream.Apply(b.ctx, b.conn, b.target, s, 1)
	require.Equal(t, "42P01", postgres.Code(err))
	require.Equal(t, "0", b.text(t, `select count(*)::text from tenant_a.schema_migrations_core`))
}

// Everything that a file which can't be in a transaction makes gets its grants, too.
func TestGrantsFollowFilesOutsideTransactions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := ways(t, "core", [2]string{"create table t (a int); commit; create table u (a int);", ""})
	target := b.target
	target.Grants = "grant select on all tables in schema tenant_a to public"
	_, err := stream.Apply(b.ctx, b.conn, target, s, 1)
	require.NoError(t, err)
	require.Equal(t, "true true", b.text(t, `select has_table_privilege('pg_monitor', 'tenant_a.t', 'select') || ' ' || has_table_privilege('pg_monitor', 'tenant_a.u', 'select')`))
}

// A path that leads elsewhere is found out before anything is marked or made.
func TestFilesOutsideTransactionsLandInTheSchema(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := ways(t, "core", [2]string{"create table t (); commit;", ""})
	target := b.target
	target.Path = []string{"public", "tenant_a"}
	_, err := stream.Apply(b.ctx, b.conn, target, s, 1)
	require.ErrorIs(t, err, tenant.ErrConflict)
	require.ErrorContains(t, err, "unqualified names would not land")
	require.Equal(t, "0", b.text(t, `select count(*)::text from pg_class where relname in ('t', 'schema_migrations_core')`))
}
