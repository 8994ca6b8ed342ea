package lint_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/lint"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/platform/legacy"
	"tenantctl/internal/stream"
)

func TestBuiltinStreamsAreClean(t *testing.T) {
	t.Parallel()
	for _, open := range []func() (*stream.Stream, error){core.Stream, legacy.Stream} {
		s, err := open()
		require.NoError(t, err)
		require.Empty(t, all(judge(t, lint.Input{Stream: s}, 1000)), s.Service)
	}
}

// TestWhatIsSafeIsLet names changes that look like what rules find and aren't.
func TestWhatIsSafeIsLet(t *testing.T) {
	t.Parallel()
	shop := "create table orders (id bigint primary key, code varchar(10), price numeric(10, 2), at timestamptz, note text, country text);"
	for name, scripts := range map[string][]string{
		"a table made here":              {shop, "create table t (id bigint primary key, a text);\ncreate index on t (a);\nalter table t add check (a <> ''), alter column a set not null, add unique (a);\ninsert into t select id, code from orders;\nupdate t set a = '';"},
		"a longer varchar":               {shop, "alter table orders alter column code type varchar(20);"},
		"text for varchar":               {shop, "alter table orders alter code set data type text;"},
		"more digits":                    {shop, "alter table orders alter price type numeric(12, 2);"},
		"constants and now()":            {shop, "alter table orders add column a int not null default 7, add b timestamptz default now(), add c text default lower('X'), add d date default current_date;"},
		"a validated check":              {shop, "alter table orders add constraint c check (note is not null and code is not null) not valid;", "alter table orders validate constraint c;", "alter table orders alter note set not null;\nalter table orders drop constraint c;"},
		"a primary key is not null":      {shop, "alter table orders alter id set not null;"},
		"using index":                    {shop, "create unique index concurrently orders_code on orders (code);", "alter table orders add constraint orders_code unique using index orders_code;"},
		"one row by its key":             {shop, "update orders set note = 'x' where id = 5 and note is null;", "delete from orders where 7 = id;"},
		"a temporary table":              {shop, "create temporary table t as select * from orders;\ncreate index on t (id);\ndrop table t;"},
		"a nullable reference":           {shop, "create table p (id bigint primary key);\nalter table orders add column p_id bigint references p;", "create index concurrently on orders (p_id);"},
		"a trigger of its own":           {shop, "create function f() returns trigger language plpgsql as $$ begin return new; end $$;\ncreate trigger t before insert on orders for each row execute function f();"},
		"begin and commit around":        {shop, "begin;\nalter table orders add column a int;\ncommit;"},
		"settings of the transaction":    {shop, "set local work_mem = '64MB';\nset constraints all deferred;\nselect set_config('work_mem', '1MB', true);"},
		"ext and PostgreSQL's schemas":   {shop, "alter table orders add column a ext.citext, add column b pg_catalog.int8;\nselect ext.f(1) from pg_catalog.generate_series(1, 2);"},
		"catalog bound to an object":     {shop, "do $$ begin if to_regclass('orders') is null or exists (select from pg_constraint where conrelid = 'orders'::regclass) then raise notice 'x'; end if; end $$;"},
		"a replaced function":            {shop, "create function f(int) returns int language sql as 'select 1';", "create or replace function f(int) returns int language sql as 'select 2';"},
		"an enum made here":              {"create type e as enum ('a');\nalter type e add value 'b' after 'a';\ncreate table t (id bigint primary key, e e default 'b');"},
		"drop and make again what's new": {"create function g() returns int language sql as 'select 1';\ndrop function g();\ncreate view v as select 1;\ndrop view v;"},
	} {
		report := judge(t, lint.Input{Stream: read(t, ups(scripts...))}, 10)
		for _, f := range all(report) {
			if f.Severity != lint.Info { // R21 says that a constraint is new, however it comes
				require.Fail(t, "found", "%s: %s %s", name, f.Rule, f.Message)
			}
		}
	}
}

// TestWhatIsFound names forms of statements beside those of the examples.
func TestWhatIsFound(t *testing.T) {
	t.Parallel()
	shop := "create table orders (id bigint primary key, code varchar(10), price numeric(10, 2), at timestamptz, note text);\ncreate table parts (id bigint not null) partition by range (id);"
	for sql, rule := range map[string]string{
		"alter table orders alter code type varchar(5);":                                   "R4",
		"alter table orders alter price type numeric(12, 4);":                              "R4",
		"alter table orders alter code type text using upper(code);":                       "R4",
		"alter table nowhere alter code type text;":                                        "R4",
		"alter table orders add a uuid default my_uuid();":                                 "R5",
		"alter table orders add a bigint generated always as identity;":                    "R5",
		"alter table orders add primary key (code);":                                       "R10",
		"alter table orders add constraint x unique (code) deferrable initially deferred;": "R10",
		"create index on parts (id);":                                                      "R1",
		"create table parts_1 partition of parts for values from (1) to (2);":              "R12",
		"alter table orders set unlogged;":                                                 "R12",
		"with x as (select 1) delete from orders where code = 'a';":                        "R14",
		"vacuum full orders;":                                                              "R3",
		"truncate orders;":                                                                 "R18",
		"drop schema x;":                                                                   "R18",
		"drop view v cascade;":                                                             "R18",
		"alter table orders set schema archive;":                                           "R19",
		"alter type e rename value 'a' to 'b';":                                            "R19",
		"alter view v rename to w;":                                                        "R19",
		"alter table orders alter note drop default;":                                      "R22",
		"drop view v;":                                            "R23",
		"discard all;":                                            "R27",
		"reset search_path;":                                      "R27",
		"begin;\nselect 1;":                                       "R26",
		"set lock_timeout = 0;":                                   "R31",
		"insert into other.orders values (1);":                    "T1",
		"drop table if exists public.orders;":                     "T1",
		"select other.f();":                                       "T1",
		"do $$ begin perform 1 from public.orders; end $$;":       "T1",
		"create role r;":                                          "T3",
		"create publication p for table orders;":                  "T3",
		"select set_config('search_path', 'a, public', true);":    "T4",
		"select count(*) from pg_class where relname = 'orders';": "T5",
		"do $$ begin\n  if true then\n    alter table orders add check (id > 0);\n  end if;\nend $$;":      "R8",
		"do $$ begin execute 'create index x on orders (code)'; end $$;":                                   "R1",
		"do $$ begin execute $q$drop table orders$q$; end $$;":                                             "R18",
		"create table t (a bigint primary key, \"" + strings.Repeat("n", 64) + "\" text);":                 "R32",
		"alter domain d set not null;":                                                                     "R13",
		"create trigger t before insert on shared.log for each row execute function f();":                  "T2",
		"alter table only orders add constraint \"Check\" check (price > 0), add column b boolean;":        "R8",
		"alter table if exists orders add foreign key (id) references orders (id) deferrable;":             "R7",
		"create unique index concurrently if not exists i on orders (code);":                               "R25",
		"alter table orders add column x text, add column y text check (y in ('a', 'b,c'));":               "R8",
		"alter table orders add constraint p primary key (id), add constraint q check (note is not null);": "R8",
	} {
		findings := all(judge(t, lint.Input{Stream: read(t, ups(shop, sql)), Since: 1}, 10))
		require.Contains(t, rules(findings), rule, sql)
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	findings := find(t, ups("create table orders (id bigint primary key);", "-- überflüssig\r\nalter table orders\r\n    add column a int,\r\n    /* é */ drop column b;\r\n"))
	require.Len(t, findings, 1)
	require.Equal(t, []int{4, 13}, []int{findings[0].Line, findings[0].Column}, "of the action, counted in characters")

	findings = find(t, ups("create table orders (id bigint primary key);", "do $body$\nbegin\n  drop table orders;\nend $body$;"))
	require.Len(t, findings, 1)
	require.Equal(t, []int{3, 3}, []int{findings[0].Line, findings[0].Column}, "within the block")
}

func TestEscapes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		sql  string
		want []string
	}{
		"before":             {"-- lint:ignore R18 nobody reads it\ndrop table a;", nil},
		"comment between":    {"-- lint:ignore R18 nobody reads it\n-- and more\n\ndrop table a;", nil},
		"in the statement":   {"alter table a\n  -- lint:ignore R18 nobody reads it\n  drop column b;", nil},
		"behind":             {"drop table a; -- lint:ignore R18 nobody reads it\nselect 1;", nil},
		"block comment":      {"/* lint:ignore R18 nobody reads it */ drop table a;", nil},
		"several":            {"-- lint:ignore R18, t1 both are meant\ndrop table public.a;", nil},
		"of a block":         {"-- lint:ignore R18 nobody reads it\ndo $$ begin drop table a; end $$;", nil},
		"whole file":         {"drop table a;\ndrop table b;\n-- lint:ignore-file R16,R18 nobody reads them", nil},
		"of the next only":   {"-- lint:ignore R18 nobody reads it\ndrop table a;\ndrop type b;", []string{"R18"}},
		"another rule":       {"-- lint:ignore R17 nobody reads it\ndrop table a;", []string{"L3", "R18"}},
		"without reason":     {"-- lint:ignore R18\ndrop table a;", []string{"L2", "R18"}},
		"without rule":       {"-- lint:ignore it is fine\ndrop table a;", []string{"L2", "R18"}},
		"unknown rule":       {"-- lint:ignore R99 it is fine\ndrop table a;", []string{"L2", "R18"}},
		"of lint itself":     {"-- lint:ignore L3 it is fine\nselect 1;", []string{"L2"}},
		"another's":          {"-- nolint: it is fine\nselect 1;", []string{"L2"}},
		"in a string":        {"select '-- lint:ignore R18 no';\ndrop table a;", []string{"R18"}},
		"nothing":            {"-- lint:ignore R18 nobody reads it\nselect 1;", []string{"L3"}},
		"nothing, of a file": {"-- lint:ignore-file R18 nobody reads it\nselect 1;", []string{"L3"}},
	} {
		report := judge(t, lint.Input{Stream: read(t, ups(tc.sql))}, 0)
		require.ElementsMatch(t, tc.want, rules(all(report)), name)
		for _, f := range report.Services[0].Files[0].Suppressed {
			require.NotEmpty(t, f.Reason, name)
		}
	}
}

func TestWayBack(t *testing.T) {
	t.Parallel()
	up := "create table a (id bigint primary key, b int);\ncreate index a_b on a (b);\ncreate view v as select 1;"
	for name, tc := range map[string]struct {
		down string
		want []string
	}{
		"takes back what was made":    {"drop view v;\ndrop index a_b;\ndrop table a;", nil},
		"takes back more":             {"drop view v;\ndrop table a, other;", []string{"R18"}},
		"empty":                       {"", []string{"R29"}},
		"only comments":               {"-- nothing /* to */ do", []string{"R29"}},
		"marked":                      {"-- tenantctl:irreversible rows were merged", nil},
		"marked without reason":       {"-- tenantctl:irreversible", []string{"R29"}},
		"locks what was there before": {"drop view v;\ndrop table a;\ncreate index on other (b);", []string{"R1"}},
	} {
		files := map[string]string{"1_a.up.sql": up, "1_a.down.sql": tc.down}
		require.ElementsMatch(t, tc.want, rules(find(t, files)), name)
	}
	require.Equal(t, []string{"R29"}, rules(find(t, map[string]string{"1_a.up.sql": up})))
	require.Empty(t, rules(find(t, map[string]string{"1_a.up.sql": "-- tenantctl:irreversible it was ever so\n" + up})), "the marker may stand in the way up")
}

func TestSince(t *testing.T) {
	t.Parallel()
	files := ups("create table a (id bigint primary key, b varchar(10));", "create table n (id bigint primary key);", "create index on a (b);\ncreate index on n (id);\nalter table a alter b type varchar(20);")
	require.Equal(t, []string{"R1", "R1", "R16"}, rules(find(t, files)))
	report := judge(t, lint.Input{Stream: read(t, files), Since: 1}, 0)
	require.Equal(t, []string{"R1"}, rules(all(report)), "what no tenant has yet is empty, and older files tell types")
	require.Empty(t, all(judge(t, lint.Input{Stream: read(t, files), Since: 3}, 0)))
}

func TestInstanceStreamsAreNoTenants(t *testing.T) {
	t.Parallel()
	shared := read(t, ups("create extension citext;\ncreate schema s;\ncreate table s.currencies (code text primary key);"))
	shared.Scope = stream.PerInstance
	require.Empty(t, all(judge(t, lint.Input{Stream: shared}, 0)))

	mine := read(t, ups("create table prices (id bigint primary key, currency text references currencies);\ncreate index on prices (currency);"))
	currencies := read(t, ups("create table currencies (code text primary key);"))
	currencies.Scope = stream.PerInstance
	report, err := lint.Run(t.Context(), lint.Options{Parser: parser, Inputs: []lint.Input{{Service: "shop", Stream: mine}, {Service: "money", Stream: currencies}}})
	require.NoError(t, err)
	require.Equal(t, []string{"T2"}, rules(all(report)), "a table of a stream that all share")
}

func TestFaultsAreFindings(t *testing.T) {
	t.Parallel()
	_, fault := stream.Read("shop", fstest.MapFS{
		"1_a.up.sql": {Data: []byte("select 1")}, "1_b.up.sql": {Data: []byte("select 1")}, "3_c.up.sql": {Data: []byte("select\n'open")},
	})
	require.Error(t, fault)
	report := judge(t, lint.Input{Fault: fault, Dir: "m"}, 0)
	var places []string
	for _, file := range report.Services[0].Files {
		for _, f := range file.Findings {
			require.Equal(t, "R30", f.Rule)
			places = append(places, fmt.Sprintf("%s:%d", file.Path, f.Line))
		}
	}
	require.ElementsMatch(t, []string{"m/1_a.up.sql:1", "m/3_c.up.sql:2"}, places)
	_, fault = stream.Read("shop", fstest.MapFS{"1_a.up.sql": {Data: []byte("select 1;\n\\i other.sql")}})
	require.ErrorContains(t, fault, "psql")
	report = judge(t, lint.Input{Fault: fault, Dir: "m"}, 0)
	require.Equal(t, 2, all(report)[0].Line)
	report = judge(t, lint.Input{Stream: read(t, map[string]string{"1_a.up.sql": "select 1", "1_a.down.sql": "select 1", "2.up.sql": ""}), Dir: "m"}, 0)
	require.Equal(t, "m/2.up.sql", report.Services[0].Files[0].Path, "never run, and nobody says so")
	report = judge(t, lint.Input{Fault: errors.New("no NNN_name.up.sql"), Dir: "m"}, 0)
	require.Len(t, all(report), 1)
}

// TestHostileFiles shows that whatever a file holds, it ends in findings with a place.
func TestHostileFiles(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		sql  string
		line int
		text string
	}{
		"variables":      {"select 1;\n\ndrop table {{.Table}};", 3, "templates"},
		"zero byte":      {"select 1;\nselect '\x00';", 2, "zero byte"},
		"not UTF-8":      {"select 1;\nselect '\xff';", 2, "UTF-8"},
		"latin 1":        {"-- gr\xfc\xdfe\nselect 1;", 1, "UTF-8"},
		"parentheses":    {"select 1;\nselect " + strings.Repeat("(", 100_000) + "1" + strings.Repeat(")", 100_000), 2, "memory exhausted"},
		"sum":            {"select 1;\nselect 1" + strings.Repeat("+1", 300_000), 2, "deep"},
		"not":            {"select 1;\nselect " + strings.Repeat("not ", 8_000) + "true", 2, "deep"},
		"keyword alone":  {"alter", 1, "syntax error"},
		"only semicolon": {";;;\n;bogus", 2, "syntax error"},
	} {
		findings := find(t, ups(tc.sql))
		require.NotEmpty(t, findings, name)
		require.Equal(t, "L1", findings[0].Rule, name)
		require.Equal(t, tc.line, findings[0].Line, name)
		require.Contains(t, findings[0].Message+findings[0].Rewrite.String(), tc.text, name)
	}
	require.Empty(t, find(t, ups("\ufeffselect 1;\r\n\r\nselect 2;\r\n")), "a byte order mark, which reading takes away")
	require.Empty(t, find(t, ups("select 1"+strings.Repeat("+1", 2000)+";")), "a long sum")
	large := "create table t (a int, b text);\ninsert into t values " + strings.Repeat("(1, 'it''s $$ -- text'),\n", 40_000) + "(1, '');"
	require.Equal(t, []string{"T7"}, rules(find(t, ups(large))), "a megabyte")
}
