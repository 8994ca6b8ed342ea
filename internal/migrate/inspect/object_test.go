package inspect_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/migrate/inspect"
)

const baseTypeDDL = `
	create type mytext;
	create function mytext_in(cstring) returns mytext language internal immutable strict as 'textin';
	create function mytext_out(mytext) returns cstring language internal immutable strict as 'textout';
	create type mytext (input = mytext_in, output = mytext_out, like = text);`

// Everything here would reach every tenant, or runs compiled code: refused whoever administers the target.
func TestRefusedObjects(t *testing.T) {
	t.Parallel()
	source := database(t, baseTypeDDL, `
		create function compiled(text) returns text language internal as 'upper';
		create language own_language handler plpgsql_call_handler;
		create function in_own_language() returns integer language own_language as 'begin return 1; end';
		create function from_sql(internal) returns internal language internal immutable as 'textin';
		create transform for integer language plpgsql (from sql with function from_sql(internal));
		create access method own_heap type table handler heap_tableam_handler;
		create text search parser own_parser (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, lextypes = prsd_lextype);
		create text search template own_template (init = dsimple_init, lexize = dsimple_lexize);
		create foreign data wrapper wrapper;
		create server elsewhere foreign data wrapper wrapper;
		create user mapping for current_user server elsewhere;
		create foreign table remote (id integer) server elsewhere;
		create extension hstore;
		create schema theirs;
		alter extension hstore add schema theirs;
		create table theirs.mine (id integer primary key);
		create function pg_catalog.mine() returns integer language sql as 'select 1';
		select lo_create(4711), lo_create(4712);`)
	found := lifted(t, source)
	require.Equal(t, []string{
		"access-method access method own_heap",
		"base-type type public.mytext",
		"extension-space table theirs.mine",
		"foreign-table foreign table public.remote",
		"language language own_language",
		"large-object database " + source.Config().Database,
		"native-function function public.compiled(text)",
		"native-function function public.from_sql(internal)",
		"native-function function public.mytext_in(cstring)",
		"native-function function public.mytext_out(public.mytext)",
		"system-object function pg_catalog.mine()",
		"text-search text search parser public.own_parser",
		"text-search text search template public.own_template",
		"transform transform for integer on language plpgsql",
		"untrusted-language function public.in_own_language()",
	}, refusals(found))
	require.Contains(t, find(t, found, "large-object", "database "+source.Config().Database).Message, "2 large objects")
	require.Contains(t, find(t, found, "extension-space", "table theirs.mine").Message, "extension hstore")

	mapped := findings(t, source, database(t), inspect.Options{})
	require.Empty(t, refusals(mapped), "a mapping carries rows only")
	beside := findings(t, source, database(t), inspect.Options{Selected: func(_, table string) bool { return table == "remote" }})
	require.Equal(t, []string{"foreign-table foreign table public.remote"}, refusals(beside), "lifted beside mapped ones")
	require.Equal(t, inspect.Warning, find(t, mapped, "large-object", "database "+source.Config().Database).Severity)
	carried := findings(t, source, database(t), inspect.Options{Lift: true, LargeObjects: true})
	require.NotContains(t, strings.Join(brief(carried), "\n"), "large-object")
}

// These need a superuser on the target, and load with one.
func TestObjectsForSuperuser(t *testing.T) {
	t.Parallel()
	source := database(t, `
		create function secretive(integer) returns boolean language sql leakproof as 'select true';
		create function supported(integer) returns boolean language sql as 'select true' ;
		alter function supported(integer) support generate_series_int4_support;
		create aggregate gathered (anynonarray) (sfunc = array_agg_transfn, stype = internal, finalfunc = array_agg_finalfn, finalfunc_extra);
		create function loud() returns integer language sql set log_min_messages = 'debug1' as 'select 1';
		create type pair as (a integer, b integer);
		create operator class pair_ops for type int4range using btree as operator 1 < (anyrange, anyrange), function 1 range_cmp(anyrange, anyrange);
		create type mood as enum ('sad', 'ok');
		create function harmless() returns integer language sql set work_mem = '8MB' as 'select 1'`)
	// A superuser could make this one as well, and the tenant's role couldn't call it.
	require.Equal(t, []string{"function-setting function public.loud()"}, refusals(lifted(t, source)))
	target := connect(t, localtest.DatabaseAs(t, localtest.DatabaseOptions{Admin: true}))
	require.Equal(t, []string{
		"function-setting function public.loud()",
		"internal-aggregate aggregate public.gathered(anynonarray)",
		"leakproof function public.secretive(integer)",
		"operator-class operator class public.pair_ops USING btree",
		"operator-class operator family public.pair_ops USING btree",
		"support-function function public.supported(integer)",
	}, refusals(findings(t, source, target, inspect.Options{Lift: true})))
}

// What belongs to the whole database stays behind, by name.
func TestDatabaseWideObjects(t *testing.T) {
	t.Parallel()
	source := database(t, `
		create table orders (id integer primary key, note text);
		create type mood as enum ('sad', 'ok');
		create cast (text as integer) with inout as implicit;
		create cast (text as mood) with inout;
		create function audit() returns event_trigger language plpgsql as 'begin end';
		create event trigger quiet on ddl_command_end execute function audit();
		create event trigger audit_ddl on ddl_command_end execute function audit(); alter event trigger audit_ddl enable always;
		create publication everything for all tables;
		create subscription waiting connection 'host=nowhere' publication p with (connect = false, create_slot = false);
		create foreign data wrapper wrapper;
		create server elsewhere foreign data wrapper wrapper;
		create user mapping for public server elsewhere options (password 'secret');
		alter default privileges in schema public grant select on tables to pg_monitor;
		create function definer() returns integer language sql security definer as 'select 1';
		create text search dictionary with_file (template = synonym, synonyms = synonym_sample);
		create text search dictionary without (template = pg_catalog.simple, stopwords = english);
		create text search dictionary stem (template = snowball, language = german)`)
	found := lifted(t, source)
	user := source.Config().User
	require.Equal(t, []string{
		"warning dictionary-file text search dictionary public.with_file",
		"warning event-trigger event trigger audit_ddl",
		"warning foreign-cast cast (text AS integer)",
		"warning foreign-server foreign-data wrapper wrapper",
		"warning foreign-server server elsewhere",
		"warning security-definer function public.definer()",
		"note default-acl default acl for role " + user + " in schema public on tables",
		"note publication publication everything",
		"note subscription subscription waiting",
		"note user-mapping user mapping public on server elsewhere",
	}, brief(without(found, "size")))
	for _, f := range found {
		require.NotContains(t, f.String(), "secret")
	}
}

// An enabled subscription writes behind the fence.
func TestEnabledSubscription(t *testing.T) {
	t.Parallel()
	source := database(t, `set allow_system_table_mods = on`,
		`create subscription waiting connection 'host=nowhere' publication p with (connect = false, create_slot = false)`)
	tx, err := source.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `update pg_subscription set subenabled = true where subname = 'waiting'`)
	require.NoError(t, err)
	catalog, err := inspect.Read(t.Context(), tx)
	require.NoError(t, err)
	found, err := inspect.Check(t.Context(), tx, database(t), catalog, inspect.Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"subscription-enabled subscription waiting"}, refusals(found))
	require.NoError(t, tx.Rollback(t.Context()))
}

func TestLeftBehind(t *testing.T) {
	t.Parallel()
	prefix := localtest.Prefix(t)
	admin := connect(t, localtest.Server(t).DSN("postgres"))
	run(t, admin, `set allow_in_place_tablespaces = on`, `create tablespace `+prefix+`space location ''`)
	t.Cleanup(func() {
		run(t, connect(t, localtest.Server(t).DSN("postgres")), `drop tablespace `+prefix+`space`)
	})
	source := database(t)
	name := `"` + source.Config().Database + `"`
	run(t, source, `create role `+prefix+`app login; create role `+prefix+`reader; create role `+prefix+`stranger;
		alter role `+prefix+`stranger set work_mem = '1MB';
		alter role `+prefix+`app set app.token = 'secret';
		alter role `+prefix+`reader in database `+name+` set work_mem = '1MB';
		alter database `+name+` set timezone = 'Asia/Kathmandu';
		create table orders (id integer primary key) tablespace `+prefix+`space;
		create table notes (id integer, body text);
		create index on notes (id) tablespace `+prefix+`space;
		alter table notes owner to `+prefix+`app;
		create unlogged table cache (id integer primary key);
		create schema audit;
		grant usage on schema audit to `+prefix+`reader; grant select on orders to `+prefix+`reader, public; grant select (body) on notes to public;
		set allow_system_table_mods = on; insert into pg_seclabel values ('orders'::regclass, 'pg_class'::regclass, 0, 'selinux', 'x')`)
	found := lifted(t, source)
	database := "database " + source.Config().Database
	require.Equal(t, []string{
		"warning security-label " + database, "note grant " + database, "note no-key 1 table", "note owner " + database, "note setting " + database,
		"note size " + database, "note tablespace " + database, "note unlogged 1 table",
	}, brief(found))
	require.Contains(t, find(t, found, "grant", database).Message, "PUBLIC (2), "+prefix+"reader (2)")
	setting := find(t, found, "setting", database).Message
	require.Contains(t, setting, "TimeZone of the database, app.token of role "+prefix+"app, work_mem of role "+prefix+"reader in it")
	require.NotContains(t, setting, "secret")
	require.NotContains(t, setting, "stranger")
	require.Contains(t, find(t, found, "tablespace", database).Message, prefix+"space (2)")
	require.Contains(t, find(t, found, "no-key", "1 table").Message, "public.notes")
	require.Contains(t, find(t, found, "unlogged", "1 table").Message, "public.cache")
}

func TestLargeRows(t *testing.T) {
	t.Parallel()
	source, target := database(t), database(t)
	catalog := read(t, source)
	table := func(name string, bytes int64, portable bool) inspect.Table {
		return inspect.Table{
			Relation: inspect.Relation{Schema: "public", Name: name}, Kind: inspect.Ordinary, Key: []string{"id"}, Pages: 1000, Bytes: bytes,
			Columns: []inspect.Column{{Name: "id", Portable: portable}},
		}
	}
	catalog.Tables = []inspect.Table{table("small", 1<<29, true), table("binary", 1<<31, true), table("text", 600<<20, false)}
	found, err := inspect.Check(t.Context(), source, target, catalog, inspect.Options{})
	require.NoError(t, err)
	require.Contains(t, find(t, found, "large-row", "2 tables").Message, ": public.binary, public.text")
}

// Values that PostgreSQL writes and nobody reads, as snapshots of the catalog hold them.
func TestUnreadableColumns(t *testing.T) {
	t.Parallel()
	source := database(t, `
		create table snapshot (acl aclitem[], tree pg_node_tree, stays text);
		insert into snapshot select relacl, relpartbound, relname from pg_class where relname = 'pg_class';
		insert into snapshot (tree) select ev_action from pg_rewrite limit 3;
		create table empty (tree pg_node_tree, acl aclitem);
		create table roles (r regrole[], c regclass);
		insert into roles values (array[current_user::regrole], 'pg_class')`)
	found := lifted(t, source)
	require.Equal(t, []string{"column-type column public.roles.r", "column-type column public.snapshot.acl", "column-type column public.snapshot.tree"}, refusals(found))
	require.Contains(t, found[2].Message, "has 3 values of type pg_node_tree")
	require.Empty(t, refusals(findings(t, source, database(t), inspect.Options{})), "a mapping casts as it likes")
}
