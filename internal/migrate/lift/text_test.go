package lift

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/migrate/ddl"
	"tenantctl/internal/migrate/inspect"
)

// someRewriter knows a legacy with orders in public, log and next() in audit, and a function similarity that both the client and pg_trgm
// have; beside the routines given.
func someRewriter(statements []ddl.Statement) *rewriter {
	r := &rewriter{
		names: &names{schemas: map[string]bool{"public": true, "audit": true}, objects: map[qualified]owners{
			{"public", "orders", false}: {own: true}, {"audit", "log", false}: {own: true}, {"audit", "mood", false}: {own: true}, {"audit", "next", true}: {own: true},
			{"public", "similarity", true}: {own: true, extension: "pg_trgm"}, {"public", "citext", false}: {extension: "citext"},
			{"public", "each", true}: {extension: "hstore"}, {"public", "each", false}: {own: true},
			{"public", "unaccent", true}: {extension: "unaccent"}, {"public", "unaccent", false}: {extension: "unaccent"},
		}, signatures: map[string][]signature{
			"unaccent": {{1, 1, []bool{false}}, {2, 2, []bool{true, false}}}, "indexes_of": {{1, 2, []bool{true, false}}},
		}, columns: map[string][]columns{"watched": {{[]string{"rel", "note"}, []bool{true, false}}}}},
		renaming: Renaming{
			Main: "tenant_x", Schemas: map[string]string{"public": "tenant_x", "audit": "tenant_x__audit"},
			Extensions: map[string]string{"pg_trgm": "ext", "citext": "ext", "hstore": "ext", "unaccent": "ext"},
		},
		path: []string{"public"},
	}
	r.program = readProgram(statements)
	return r
}

func function(name, parameters, language, body string) ddl.Statement {
	return ddl.Statement{
		Kind: "FUNCTION", Schema: "tenant_x", Name: name + "()",
		SQL: "CREATE FUNCTION tenant_x." + name + "(" + parameters + ") RETURNS text\n    LANGUAGE " + language + "\n    AS $_$" + body + "$_$",
	}
}

// rewritten is what becomes of a PL/pgSQL body beside other routines, and the worst that was found.
func rewritten(name, parameters, language, body string, others ...ddl.Statement) (text string, found []inspect.Finding) {
	s := function(name, parameters, language, body)
	r := someRewriter(append(others, s))
	sql := r.statement(s).SQL
	from := strings.Index(sql, "$_$") + len("$_$")
	return sql[from : len(sql)-len("$_$")], r.findings
}

func refusals(found []inspect.Finding) (codes []string) {
	for _, f := range found {
		if f.Severity == inspect.Refusal {
			codes = append(codes, f.Code)
		}
	}
	return codes
}

// In each body «x» marks what must become of a schema's name: «public», «audit» must be renamed, all else must stay.
func TestTellsNamesFromDataAndWordsOfTheirOwn(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		// names, and words nearer than a schema
		`select count(*) from «public».orders, «audit».log l where «public».orders.id = l.id`,
		`select audit.note from orders audit where audit.id = 1`,
		`select audit.log, audit.id from audit, «audit».log l where l.id = audit.id`,
		`select sum(public.orders) from t public where public.orders > 0`,
		`select public.x from «public».orders public`,
		`declare audit record; begin select * into audit from «audit».log; return audit.note || «audit».next(); end`,
		`declare audit «audit».log%rowtype; m «audit».mood; c constant «audit».mood := null; begin m := cast('a' as «audit».mood); return audit.log; end`,
		`<<audit>> declare log integer := 1; begin audit.log := audit.log + 1; return audit.log; end`,
		`begin for audit in select * from «audit».log loop insert into «audit».log values (audit.id); update «audit».log set id = audit.log where «audit».log.id = 1; end loop; end`,
		`begin delete from «audit».log using «audit».mood where audit.id = extract(year from audit.at); select 1 from t audit; end`,
		`select id from «public».orders where public and «public».orders.public is distinct from public.x`,
		`begin if old.log is null then old.log := 1; end if; end`,
		// a table that is called as an extension's function
		`select «public».each('a=>1') /*ext*/, e.* from «public».each e`,
		// constants that are compared
		`select 1 from information_schema.tables where table_schema = '«public»' and table_name = 'public'`,
		`select 1 from pg_namespace n where n.nspname in ('«public»', 'x', '«audit»') or 'public' = label or '«audit»' = n.nspname::text`,
		`select 1 from t where kind in ('public', 'audit') and kind = any (array['public']) and (kind <> 'public') and t.place = 'public.orders'`,
		`select 1 from pg_class c where relnamespace = any (array['«public»'::regnamespace]) or c.oid::regclass::text = '«public».orders'`,
		`select case table_schema when '«public»' then 'public page' else kind end from information_schema.tables`,
		`select case kind when 'public' then 1 end from t where data -> 'public' is null and data ->> 'audit' is distinct from 'public'`,
		`update t set kind = 'public', note = 'see public.orders' where kind is distinct from 'public'`,
		`insert into t (a, b) values (1, 'public'), (2, 'public.orders')`,
		// constants that are run or looked up
		`begin execute 'select 1 from ' || '«public»' || '.' || t; execute 'drop schema ' || '«audit»'; end`,
		`begin execute format('select 1 from %I.%I where kind = %L', '«public»', t, 'public'); end`,
		`begin execute format('select 1 from %2$s.%1$I where nspname = %3$L', t, '«public»', '«audit»'); end`,
		`begin execute format('select 1 from «public».%I where kind = ''public''', t); perform to_regclass('«public».orders'), nextval('«public».s'); end`,
		`begin execute 'update t set kind = ''public'' where exists (select from «audit».log where table_schema = ''«audit»'')'; end`,
		`begin execute $q$ do $i$ begin perform 1 from «public».orders where kind = 'public'; end $i$ $q$; end`,
		`declare sql text := 'select 1'; begin sql := sql || ' from «public».orders'; if x then sql := sql || ' join «audit».log on true'; end if; return query execute sql; end`,
		`declare s constant text := '«public»'; begin return to_regclass(s || '.' || t) is not null; end`,
		`declare s text = '«audit»'; begin if s is null or s = '' then raise notice 'no %', s; end if; execute format('select 1 from %I.log', s); end`,
		`declare kind text := 'public'; begin update t set visibility = kind where nspname = '«public»'; end`,
		`declare s text; begin s := '«public»'; select 1 into x from pg_namespace where nspname = s; return s; end`,
		`declare s text; begin select '«public»' into s; execute 'set role x; select 1 from ' || quote_ident(s) || '.t'; end`,
		`begin raise notice 'public.orders is empty, % and %', 'public', 'public.orders'; perform 1 from pg_class; execute 'select 1'; end`,
		`begin perform query_to_xml('select * from «public».orders', true, true, ''); return query select * from dblink('x', 'select 1 from «public».orders'); end`,
		`begin set local search_path = «public», pg_temp/*, ext*/; end`,
		`begin perform pg_notify('public', 'audit.log'), jsonb_build_object('schema', 'public'); execute 'select 1'; end`,
		// search paths, schemas in commands, what stands for a column of the catalog
		`begin perform set_config('search_path', '«audit», «public»/*, ext*/', true), set_config('search_path', '«public»/*, ext*/, ' || current_setting('search_path'), false); end`,
		`declare p text := '«public»/*, ext*/'; begin perform set_config('search_path', p, true); execute 'set search_path = ' || '«public»/*, ext*/'; end`,
		`begin execute format('set local search_path to %s', '«audit»'), 'grant select on all tables in schema «public» to x'; alter table t set schema «audit»; create schema if not exists «audit»; end`,
		`declare s text; begin get stacked diagnostics s = schema_name; if s = '«public»' then return 'public'; end if; end`,
		`declare s text; begin select nspname into s from pg_namespace; if s <> '«public»' and kind <> 'public' then return 1; end if; for s in select table_schema from t loop continue when s = '«audit»'; end loop; end`,
		`select 1 from (select n.nspname::text as s, n.kind as k from pg_namespace n) q where s = '«public»' and k = 'public'`,
		`begin execute 'select 1 from "«public»"' || '.orders'; execute 'select 1 from «public»' || '.' || t; execute '"«audit»"' || '.x'; end`,
		`insert into «audit».log as audit (id) values (1) on conflict (id) do update set id = audit.id + excluded.id returning audit.id`,
		`with audit as (select 1 as log) select audit.log from audit join «audit».log l on true`,
		`begin if tg_table_schema || '.' || tg_table_name = '«public».orders' or '«audit».log' = tg_table_schema||'.'||tg_table_name then execute 'x y'; end if; end`,
		`select 1 from pg_tables where schemaname || '.' || tablename in ('«public».orders', '«audit».log') and kind || '.' || tablename <> 'public.orders'`,
		`select coalesce(null, 'public.orders') = kind, lower('«PUBLIC»') from t`,
		// what has a type that is a name, wherever it goes
		`select pg_advisory_xact_lock('«public».orders'::regclass::bigint), x = '«audit».log'::pg_catalog.regclass::oid, 'public.orders'::text::varchar = kind from t`,
		`begin return indexes_of('«public».orders', 'public.orders') + indexes_of('«audit».log'); execute 'select 1'; end`,
		`declare t regclass := '«public».orders'; begin return count(*) from pg_index where indrelid = t; end`,
		`declare t constant regclass; begin t := '«audit».log'; select '«public».orders' into t; return t in (select indrelid from pg_index); end`,
		// what is stored where the identity of an object is kept
		`insert into watched values ('«public».orders', 'public.orders'), ('«audit».log', 'audit.log')`,
		`insert into watched (note, rel) select 'public.orders', '«audit».log' from t`,
		`insert into watched as w (note, rel) values (lower('x, y'), '«public».orders') on conflict (rel) do update set rel = '«audit».log', note = 'audit.log'`,
		`update watched w set rel = '«public».orders', note = 'public.orders' where w.rel in ('«audit».log') and 'audit.log' <> note`,
		`merge into watched w using t on true when matched then update set rel = '«audit».log' when not matched then insert (rel, note) values ('«public».orders', 'public.orders')`,
		`insert into t (rel, note) values ('public.orders', 'audit.log')`,
	} {
		legacy := strings.NewReplacer("«", "", "»", "", "/*ext*/", "", "/*, ext*/", "", "PUBLIC", "public").Replace(body)
		got, found := rewritten("f", "t text, x boolean", "plpgsql", legacy)
		require.Empty(t, refusals(found), body)
		want := body
		want = strings.ReplaceAll(want, "«public».each('a=>1') /*ext*/", "ext.each('a=>1') ")
		want = strings.ReplaceAll(want, "/*, ext*/", ", ext")
		want = strings.ReplaceAll(want, `"«public»"' || '.orders'`, `tenant_x.orders'`)
		want = strings.ReplaceAll(want, `from «public»' || '.' || t`, `from tenant_x.' || t`)
		want = strings.ReplaceAll(want, `"«audit»"' || '.x'`, `tenant_x__audit.x'`)
		want = strings.NewReplacer("«public»", "tenant_x", "«audit»", "tenant_x__audit", "'«PUBLIC»'", "'public'").Replace(want)
		require.Equal(t, want, got)
	}
}

func TestFollowsTextThroughRoutines(t *testing.T) {
	t.Parallel()
	runs := function("runs", "kind text, schema_name text DEFAULT 'public'::text", "plpgsql", `begin execute format('select 1 from %I.t', schema_name); return kind; end`)
	tells := function("tells", "a text", "sql", `select $1`)
	body, found := rewritten("f", "", "plpgsql", `begin perform runs('public', 'public'); perform runs('audit', schema_name => 'audit'); perform tells('public'); end`, runs, tells)
	require.Equal(t, `begin perform runs('public', 'tenant_x'); perform runs('audit', schema_name => 'tenant_x__audit'); perform tells('public'); end`, body)
	require.Empty(t, refusals(found))

	r := someRewriter([]ddl.Statement{runs})
	require.Contains(t, r.statement(runs).SQL, `schema_name text DEFAULT 'tenant_x'::text`)

	// What a routine gives back is a name where a caller uses it as one.
	uses := function("uses", "", "plpgsql", `begin execute 'select 1 from ' || where_is() || '.log'; end`)
	body, found = rewritten("where_is", "", "sql", `select 'audit'`, uses)
	require.Equal(t, `select 'tenant_x__audit'`, body)
	require.Empty(t, found)
	body, found = rewritten("where_is", "", "sql", `select 'audit'`)
	require.Equal(t, `select 'audit'`, body)
	require.Equal(t, "text-output", found[0].Code)

	trigger := ddl.Statement{Kind: "TRIGGER", Name: "t a", SQL: `CREATE TRIGGER a AFTER INSERT ON tenant_x.t FOR EACH ROW EXECUTE FUNCTION tenant_x.copies('public', 'audit', 'public')`}
	copies := function("copies", "", "plpgsql", `begin execute format('insert into %I.log values (%L)', tg_argv[1], tg_argv[0]); return null; end`)
	r = someRewriter([]ddl.Statement{copies})
	require.Contains(t, r.statement(trigger).SQL, `copies('public', 'tenant_x__audit', 'public')`)
	require.Empty(t, refusals(r.findings))

	// The versioning of temporal tables cuts the history table's name at its dot.
	copies = function("copies", "", "plpgsql", `declare h text; begin h := tg_argv[0];
		if exists (select from pg_attribute where attrelid = h::regclass) then execute 'insert into ' || case split_part(h, '.', 2) when '' then quote_ident(h) else quote_ident(split_part(h, '.', 1)) || '.' || quote_ident(split_part(h, '.', 2)) end; end if; return null; end`)
	trigger.SQL = `CREATE TRIGGER a AFTER INSERT ON tenant_x.t FOR EACH ROW EXECUTE FUNCTION tenant_x.copies('audit.log')`
	r = someRewriter([]ddl.Statement{copies})
	require.Contains(t, r.statement(trigger).SQL, `copies('tenant_x__audit.log')`)
	require.Empty(t, r.findings)
}

func TestNamesInPieces(t *testing.T) {
	t.Parallel()
	body, found := rewritten("f", "", "plpgsql", `begin execute 'select 1 from ' || 'pub' || 'lic' || '.orders'; execute 'select 1 from aud' || 'it.log'; end`)
	require.Equal(t, `begin execute 'select 1 from tenant_x.orders'; execute 'select 1 from tenant_x__audit.log'; end`, body)
	require.Empty(t, found)
	_, found = rewritten("f", "", "plpgsql", `declare a text := 'pub'; b text := 'lic'; begin execute 'select 1 from ' || a || b || '.orders'; end`)
	require.Equal(t, []string{"text-pieces"}, refusals(found))
	_, found = rewritten("f", "", "sql", `select 'pub' || x || 'lic' from t`)
	require.Empty(t, found)
}

// The tenant's role may read and write what was lifted, and make nothing: a routine that does is named, unless it runs as its owner.
func TestNamesRoutinesThatMakeTables(t *testing.T) {
	t.Parallel()
	for body, warned := range map[string]bool{
		`begin execute 'create  table orders_' || x || ' ()'; end`: true, `begin alter table t add column x text; end`: true, `begin create temp table x (); drop table if exists x; end`: false,
		`begin create or replace view v as select 1; end`: true, `begin raise 'nothing to create'; end`: false,
	} {
		_, found := rewritten("f", "x text", "plpgsql", body)
		require.Equal(t, warned, len(found) == 1 && found[0].Code == "makes-objects", body)
	}
	s := function("f", "", "plpgsql SECURITY DEFINER", `begin create table x (); end`)
	r := someRewriter(nil)
	r.statement(s)
	require.Empty(t, r.findings)
}

func TestNamesWhatAsksForDatabaseOrRole(t *testing.T) {
	t.Parallel()
	for body, codes := range map[string][]string{
		`begin insert into log (who) values (CURRENT_USER); end`: {"asks-where"}, `begin return current_database(); end`: {"asks-where"},
		`begin return session_user || current_catalog; end`: {"asks-where", "asks-where"}, `begin return t.current_user or 'current_user' = x; end`: nil,
	} {
		_, found := rewritten("f", "x text", "plpgsql", body)
		var got []string
		for _, f := range found {
			got = append(got, f.Code)
		}
		require.Equal(t, codes, got, body)
	}
	r := someRewriter(nil)
	r.statement(ddl.Statement{Kind: "DEFAULT", Name: "log who", SQL: `alter table log alter column who set default current_user`})
	require.Len(t, r.findings, 1)
	require.Contains(t, r.findings[0].String(), "asks for current_user: after the move that is a role of the platform")
}

func TestRefusesWhatCantBeTold(t *testing.T) {
	t.Parallel()
	for body, code := range map[string]string{
		`declare s text := 'public'; begin update t set kind = s; execute format('select 1 from %I.t', s); end`: "text-ambiguous",
		`begin perform next('public'); execute 'select 1'; end`:                                                 "text-unclear",
		`begin execute 'select 1 where x = $1' using 'public'; end`:                                             "text-unclear",
		`select 1 from pg_namespace where nspname ~ '^(public|audit)$'`:                                         "text-pattern",
		`select 1 from pg_namespace where upper(nspname) = 'PUBLIC'`:                                            "text-pattern",
		`select 1 from pg_namespace where nspname = any (string_to_array('public,audit', ','))`:                 "text-pattern",
		`begin execute format('set search_path = %I', 'public'); end`:                                           "text-ambiguous",
		`select audit.log from audit.log where audit`:                                                           "text-alias",
		`<<audit>> declare log record; begin select * into log from audit.log l; return audit.log.id; end`:      "text-alias",
		`begin set search_path = ''; return public.similarity(1, 2); end`:                                       "text-overload",
		`select 1 operator(public.similarity) 2`:                                                                "text-overload",
	} {
		_, found := rewritten("f", "", "plpgsql", body)
		require.Equal(t, []string{code}, refusals(found), body)
	}
	body, found := rewritten("f", "", "sql", `select public.unaccent('public.unaccent', $1), public.unaccent('public.unaccent')`)
	require.Equal(t, `select ext.unaccent('ext.unaccent', $1), ext.unaccent('public.unaccent')`, body)
	require.Empty(t, refusals(found))
	body, found = rewritten("f", "", "sql", `select public.similarity(1, 2) + similarity('a', 'b')`)
	require.Equal(t, `select similarity(1, 2) + similarity('a', 'b')`, body)
	require.Empty(t, found)
}

// Whatever a body holds, looking at it ends, and what isn't renamed is as it was.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{
		`select 'public' || '.' || t from audit.log where (a, 'public') in (select 'audit', b)`, `declare s text := 'public'; begin s := case when x then 'audit' else s end; execute s; end`,
		`) || 'public' ( [ end case 'audit' :: || :: name`, `format('%1$s', 'public', `, `for public in execute 'audit' loop raise 'public'; end loop`, `values ('public'), ('audit.log'`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if strings.Contains(body, "$_$") {
			t.Skip()
		}
		got, _ := rewritten("f", "a text", "plpgsql", body)
		if !strings.Contains(strings.ToLower(body), "public") && !strings.Contains(strings.ToLower(body), "audit") && !strings.Contains(body, `\`) && !strings.Contains(body, "&") {
			require.Equal(t, body, got)
		}
	})
}
