package mapping_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/migrate/mapping"
)

const hint = " | map, lift or ignore it with a reason; `tenantctl inspect CLIENT --write-mapping FILE` drafts all of them"

func TestEveryTableAndColumnIsAccountedFor(t *testing.T) {
	t.Parallel()
	b := setup(t, `
		create schema app;
		create table a (id int primary key, used text, "Unused" text, filtered boolean, twice int generated always as (id * 2) stored);
		create table "B" (id int); create table app.c (id int); create table custom_d (id int); create table tmp (id int);
		create table parent (id int); create table child (more int) inherits (parent);
		create table parted (id int, d date) partition by range (d);
		create table parted_1 partition of parted for values from ('2020-01-01') to ('2021-01-01')`,
		`create table x (id int primary key, used text)`)
	compiled, findings := b.compile(`
version: 1
tables:
- from: a
  to: x
  columns: { id: id, used: "coalesce(used, '')" }
  where: { sql: not filtered, reason: r }
- { from: parent, to: x, columns: { id: id } }
lift: [ 'custom_*' ]
ignore: [ { table: tmp, reason: scratch } ]
`)
	require.Equal(t, []string{
		`unmapped-table | table app.c | is neither mapped, lifted nor ignored` + hint,
		`unmapped-table | table public."B" | is neither mapped, lifted nor ignored` + hint,
		`unmapped-column | column public.a."Unused" | no expression uses it, and it isn't ignored` + hint,
		`unmapped-column | column public.a.twice | no expression uses it, and it isn't ignored` + hint,
		`unmapped-table | table public.child | is neither mapped, lifted nor ignored; it inherits from public.parent, but its rows are its own` + hint,
		`unmapped-table | table public.parted | is neither mapped, lifted nor ignored` + hint,
	}, refusals(findings))
	require.Equal(t, []mapping.Ignored{{Object: "table public.tmp", Reason: "scratch"}}, compiled.Ignored)
}

func TestIgnoringAndLiftingAreChecked(t *testing.T) {
	t.Parallel()
	b := setup(t, `
		create table a (id int primary key, flag int, old int); create table b (id int, secret text); create table base (id int);
		create table kid () inherits (base); create table x (id int); create schema app; create table app.x (id int);
		create table parted (id int, d date) partition by range (d);
		create table parted_1 partition of parted for values from ('2020-01-01') to ('2021-01-01')`,
		`create table x (id int primary key, flag int)`)
	_, findings := b.compile(`
version: 1
tables: [ { from: a, to: x, columns: { id: id, flag: flag } } ]
lift: [ b, kid, parted, '*.x' ]
ignore:
- { table: a, reason: r }
- { table: public.aa, reason: r }
- { column: a.flag, reason: r }
- { column: a.odl, reason: r }
- { column: a.old, reason: r }
- { column: b.secret, reason: r }
- { table: base, reason: r }
- { table: parted_1, reason: r }
`)
	require.Equal(t, []string{
		`mapping-conflict | table public.a | m.yaml:3:11: is mapped here and ignored at m.yaml:6:3 | keep one of the two`,
		`mapping-conflict | column b.secret | m.yaml:11:3: public.b is lifted, which carries all its columns | map the table to leave a column behind`,
		`mapping-conflict | table public.kid | is lifted, but inherits from public.base, which isn't | lift both, or map both`,
		`mapping-conflict | table parted_1 | m.yaml:13:3: is a partition of public.parted, which is lifted whole | map public.parted to leave a partition behind`,
		`mapping-conflict | table public.x | is lifted, but the tenant's schema has a table x of the platform's | map it, or ignore it with a reason`,
	}, refusals(findings))
	require.Equal(t, []string{
		`mapping-unused | table public.aa | m.yaml:7:3: the legacy database has no table public.aa to ignore; did you mean public.a?`,
		`mapping-unused | column a.odl | m.yaml:9:3: public.a has no column odl to ignore; did you mean old?`,
		`mapping-unused | column public.a.flag | m.yaml:8:3: is ignored, but an expression uses it`,
	}, lines(findings, inspect.Warning))
}

func TestOneMistakeIsReportedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, `create table a (id int primary key, "Name" text)`, `create table x (id int primary key, name text)`)
	require.Len(t, b.refused("version: 1\ntables: [ { from: a, to: x, columns: { id: id, name: lower(Name) } } ]"), 1)
}

func TestPartitionsAreCopiedOneByOne(t *testing.T) {
	t.Parallel()
	b := setup(t, `
		create table parted (id int, d date, primary key (id, d)) partition by range (d);
		create table "P 2020" partition of parted for values from ('2020-01-01') to ('2021-01-01');
		create table p_2021 partition of parted for values from ('2021-01-01') to ('2022-01-01') partition by list (id);
		create table p_2021_1 partition of p_2021 for values in (1);
		create table p_2021_2 partition of p_2021 for values in (2);
		create table p_old partition of parted default;
		insert into parted values (1, '2020-02-02'), (1, '2021-02-02'), (2, '2021-02-03'), (9, '1999-09-09')`,
		`create table x (id int, d date, primary key (id, d)); create table days (d date primary key)`)
	compiled := b.sound(`
version: 1
tables:
- { from: parted, to: x, columns: { id: id, d: d } }
- { from: parted, to: days, columns: { d: "coalesce(parted.d, '2000-01-01')" } , where: { sql: id > 0, reason: r } }
ignore: [ { table: p_old, reason: too old } ]
`)
	var names []string
	for _, table := range compiled.Tables {
		names = append(names, table.Name)
	}
	require.Equal(t, []string{
		`public."P 2020" -> x`, `public.p_2021_1 -> x`, `public.p_2021_2 -> x`,
		`public."P 2020" -> days`, `public.p_2021_1 -> days`, `public.p_2021_2 -> days`,
	}, names)
	require.Equal(t, []mapping.Ignored{{Object: "table public.p_old", Reason: "too old"}}, compiled.Ignored)
	require.NotZero(t, compiled.Tables[1].Source.Filenode)
	require.Equal(t, "p_2021_1", compiled.Tables[1].Source.Name)
	require.Len(t, compiled.Filters, 3)
	require.Equal(t, []string{"id", "d"}, compiled.Tables[0].Key)
	require.Empty(t, b.try(compiled))
	b.run(`insert into parted values (2, '2021-02-02')`)
	require.Equal(t, []string{
		`duplicate-rows | unique key days_pkey of days | 1 key would be given to more than one row of public.parted: d=2021-02-02 for 2 rows, such as id=1 d=2021-02-02 and id=2 d=2021-02-02`,
	}, refusals(b.try(compiled)))
	lifted := b.sound("version: 1\nlift: [ 'part*' ]")
	require.True(t, lifted.Lifts("public", "p_2021_2"), "a partition goes with its table")
	require.False(t, lifted.Lifts("public", "elsewhere"))
}

func TestOneWayNamesWhatCannotComeBack(t *testing.T) {
	t.Parallel()
	b := setup(t, `
		create table a (id int primary key, name varchar(20), price real, "Status" char(1), at timestamp, note text, gone text,
			tags int[], picked int[], doc json, twice int generated always as (id * 2) stored);
		create table tmp (id int)`,
		`create table x (id bigint primary key, name text, price numeric(10, 2), status text, at timestamptz, note text, picked int[], extra jsonb)`)
	compiled := b.sound(`
version: 1
tables:
- from: a
  to: x
  columns:
    id: id
    name: name
    price: price
    status: { sql: "case \"Status\" when 'O' then 'open' else 'closed' end", reverse: { '"Status"': "case status when 'open' then 'O' else 'C' end" } }
    at: { sql: at at time zone 'UTC', reverse: { at: at at time zone 'UTC' } }
    note: upper(note)
    picked: picked
    extra.tags: tags
    extra.doc: doc
ignore:
- { column: a.gone, reason: r }
- { column: a.twice, reason: computed }
- { table: tmp, reason: r }
`)
	require.Equal(t, []string{"column public.a.note", "column public.a.gone", "column public.a.tags", "table public.tmp"}, compiled.OneWay())
	require.False(t, compiled.Reversible())
	inverse := map[string]string{}
	for _, column := range compiled.Inverses[0].Columns {
		inverse[column.Column] = plain(column.SQL)
	}
	require.Equal(t, map[string]string{
		"id": "(id)::integer", "name": "(name)::character varying", "price": "(price)::real",
		"Status": "CASE WHEN (char_length((CASE status WHEN 'open'::text THEN 'O'::text ELSE 'C'::text END)::bpchar) <= 1) THEN ((CASE status WHEN 'open'::text THEN 'O'::text ELSE 'C'::text END)::bpchar)::character(1) ELSE (CASE status WHEN 'open'::text THEN 'O'::text ELSE 'C'::text END)::bpchar END",
		"at":     "(at AT TIME ZONE 'UTC'::text)", "picked": "picked", "doc": "(NULLIF((extra -> 'doc'::text), 'null'::jsonb))::json",
	}, squeezed(inverse))
}

func squeezed(m map[string]string) map[string]string {
	for key, value := range m {
		m[key] = plain(value)
	}
	return m
}

func TestReverseIsChecked(t *testing.T) {
	t.Parallel()
	b := setup(t, `create table a (id int primary key, s text, g int generated always as (id) stored)`,
		`create type st as enum ('x'); create table x (id int primary key, s text, state st)`)
	for reverse, want := range map[string]string{
		`{ ss: s }`:                `m.yaml:2:83: s: reverse of ss: public.a has no such column; did you mean s?`,
		`{ g: id }`:                `m.yaml:2:82: s: reverse of g: is generated: the legacy database computes it | leave it out`,
		`{ s: sss }`:               `m.yaml:2:82: s: reverse of s: column sss does not exist in x; known columns: id, s, state (at character 1 of: sss)`,
		`{ s: now()::text }`:       `s: reverse of s: is not immutable`,
		`{ s: (select s) }`:        `s: reverse of s: cannot use subquery`,
		`{ id: s }`:                `s: reverse of id: is of type text, which can't be assigned to a column of type integer`,
		`{ s: public.f(s) }`:       `s: reverse of s: function public.f(text) does not exist`,
		`{ s: s, id: "x.s::int" }`: ``,
		`{ s: "case state when 'x' then 'y' end" }`: ``,
	} {
		m := "version: 1\ntables: [ { from: a, to: x, columns: { id: id, s: { sql: lower(s), reverse: " + reverse + " } } } ]\nignore: [ { column: a.g, reason: r } ]"
		refused := b.refused(m)
		if want == "" {
			require.Empty(t, refused, reverse)
			continue
		}
		require.Len(t, refused, 1, reverse)
		require.Contains(t, refused[0], want)
	}
	m := "version: 1\ntables: [ { from: a, to: x, columns: { id: { sql: id, reverse: { s: s } }, s: { sql: lower(s), reverse: { s: s } } } } ]\nignore: [ { column: a.g, reason: r } ]"
	require.Contains(t, b.refused(m)[0], "s: reverse of s: given already at m.yaml:2:69")
}
