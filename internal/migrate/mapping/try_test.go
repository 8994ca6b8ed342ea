package mapping_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
)

const goodRows = `
	create table t (id int primary key, name text, price numeric, big bigint, code text, at timestamp, r real, flag int, note text);
	insert into t select i, 'n' || i, i, i, 'c', timestamp '2020-01-01', i, i % 2, 'x' from generate_series(1, 500) i`

const strictTarget = `
	create type state as enum ('open', 'closed');
	create domain percent as int check (value between 0 and 100);
	create table x (
		id int primary key, name varchar(5) not null, price numeric(6, 2), small smallint, state state,
		share percent, code char(2), at timestamp(0), day date, n numeric, digits int check (digits < 1000), bits bit(3))`

// strict maps t to x with one more column.
func strict(columns ...string) string {
	return "version: 1\ntables:\n- from: t\n  to: x\n  columns:\n    id: id\n    " + strings.Join(columns, "\n    ") + "\nlift: ['u*']\nignore:\n" +
		strings.Join([]string{
			"- { column: t.name, reason: r }", "- { column: t.price, reason: r }", "- { column: t.big, reason: r }", "- { column: t.code, reason: r }",
			"- { column: t.at, reason: r }", "- { column: t.r, reason: r }", "- { column: t.flag, reason: r }", "- { column: t.note, reason: r }",
		}, "\n") + "\n"
}

func TestTryNamesRowsThatDontFit(t *testing.T) {
	t.Parallel()
	b := setup(t, goodRows+`; create function add(id int, name text default null, price numeric default 1, big bigint default 1, code text default 'c',
		at timestamp default '2020-01-01', r real default 1, flag int default 1, note text default 'x') returns void language sql as
		'insert into t select id, name, price, big, code, at, r, flag, note'`, strictTarget)
	for column, c := range map[string]struct{ row, want string }{
		`name: name`: {
			`(901, 'longer')`,
			`lossy-rows | mapping of public.t to x.name | 1 row of public.t would not fit character varying(5): id=901 | if cutting or rounding is meant, say so in the expression: (name)::character varying(5)`,
		},
		`name: name # blanks count`: {`(901, 'abcd   ')`, `1 row of public.t would not fit character varying(5): id=901`},
		`name: coalesce(name, '-')`: {`(901, null)`, ``},
		`name: nullif(name, 'n7')`: {
			`(901, 'n7')`,
			`null-rows | mapping of public.t to x.name | 2 rows of public.t would give null, which the column forbids: id=7; id=901 | coalesce(..., ...) gives them a value; where: leaves them behind`,
		},
		"name: \"'-'\"\n    price: price":     {`(901, price => 1.005)`, `lossy-rows | mapping of public.t to x.price | 1 row of public.t would not fit numeric(6,2): id=901`},
		"name: \"'-'\"\n    price: price * 1": {`(901, price => 10000)`, `1 row of public.t would not fit numeric(6,2): id=901`},
		"name: \"'-'\"\n    price: price + 0": {`(901, price => 'NaN')`, ``},
		"name: \"'-'\"\n    price: r":         {`(901, r => 0.125)`, `1 row of public.t would not fit numeric(6,2): id=901`},
		"name: \"'-'\"\n    n: r": {
			`(901, r => 1234567)`,
			`lossy-rows | mapping of public.t to x.n | 1 row of public.t would lose something on the way from real to numeric: id=901 | if that is meant, say so in the expression: (r)::numeric`,
		},
		"name: \"'-'\"\n    small: big": {
			`(901, big => 70000)`, `failing-rows | mapping of public.t to x.small | big fails for 1 row of public.t: id=901: smallint out of range`,
		},
		"name: \"'-'\"\n    small: price": {`(901, price => 1.5)`, `1 row of public.t would lose something on the way from numeric to smallint: id=901`},
		"name: \"'-'\"\n    small: name::smallint": {
			`(901, 'n901')`,
			`failing-rows | mapping of public.t to x.small | name::smallint fails for 501 rows of public.t: id=1: invalid input syntax for type smallint: "n1"; id=2:`,
		},
		"name: \"'-'\"\n    state: \"case when id < 3 then 'open' else note end\"": {
			`(901, note => 'closed')`, `498 rows of public.t would give no label of tenant_x.state (open, closed): id=3; id=4;`,
		},
		"name: \"'-'\"\n    share: big":    {`(901, big => 70000)`, `401 rows of public.t would break the domain tenant_x.percent, which demands ((VALUE >= 0) AND (VALUE <= 100)): id=101;`},
		"name: \"'-'\"\n    code: code":    {`(901, code => 'ccc')`, `1 row of public.t would not fit character(2): id=901`},
		"name: \"'-'\"\n    at: at":        {`(901, at => '2020-01-01 00:00:00.5')`, `1 row of public.t would not fit timestamp(0) without time zone: id=901`},
		"name: \"'-'\"\n    day: at":       {`(901, at => '2020-01-01 01:00')`, `1 row of public.t would lose something on the way from timestamp without time zone to date: id=901`},
		"name: \"'-'\"\n    day: at::date": {`(901, at => '2020-01-01 01:00')`, ``},
		"name: \"'-'\"\n    digits: id": {
			`(9001)`, `forbidden-rows | constraint x_digits_check of x | 1 row of public.t would break the target's constraint, which demands (digits < 1000): id=9001`,
		},
		"name: \"'-'\"\n    bits: flag::bit(3)": {`(901, flag => 2)`, ``},
		"name: \"'-'\"\n    bits: big::bit(9)":  {`(901, flag => 2)`, `501 rows of public.t would not fit bit(3)`},
		"name: \"'-'\"\n    digits: 10 / flag": {
			`(901, flag => 0)`, `failing-rows | mapping of public.t to x.digits | 10 / flag fails for 251 rows of public.t: id=2: division by zero; id=4: division by zero;`,
		},
	} {
		b.run("select add" + c.row)
		found := refusals(b.try(b.sound(strict(column))))
		b.run("delete from t where id > 500")
		if c.want == "" {
			require.Empty(t, found, column)
			continue
		}
		require.Len(t, found, 1, column)
		require.Contains(t, found[0], c.want, column)
	}
}

func TestTryListsTwentyAndCountsAll(t *testing.T) {
	t.Parallel()
	b := setup(t, goodRows, strictTarget)
	for _, column := range []string{`name: (10 / (id % 10))::text`, `name: nullif(note, 'x')`} {
		found := refusals(b.try(b.sound(strict(column))))
		require.Len(t, found, 1)
		list := found[0][strings.LastIndex(found[0], "public.t"):]
		require.Equal(t, 20, strings.Count(list, "id="), list)
	}
	found := refusals(b.try(b.sound(strict(`name: (10 / (id % 10))::text`))))
	require.Contains(t, found[0], "fails for 50 rows of public.t: id=10: division by zero; id=20:")
	require.Contains(t, found[0], "; and 30 more")
}

func TestTryKeepsGroupsApart(t *testing.T) {
	t.Parallel()
	b := setup(t, goodRows, strictTarget)
	b.run("update t set name = 'longer' where id in (3, 4); update t set flag = 7, note = null where id = 4; update t set price = -1 where id = 5")
	m := strings.Replace(strict(`name: name`, `digits: 10 / (flag - 7)`, `n: note::numeric`), "lift:", "  where: { sql: \"sqrt(price + 1) < 100 and id < 6 and note is null or id in (3, 5) and sqrt(price) < 9\", reason: r }\nlift:", 1)
	require.Equal(t, []string{
		`failing-rows | where of public.t | sqrt(price + 1) < 100 and id < 6 and note is null or id in (3, 5) and sqrt(price) < 9 can't be evaluated for 1 row: id=5: cannot take square root of a negative number`,
		`lossy-rows | mapping of public.t to x.name | 2 rows of public.t would not fit character varying(5): id=3; id=4 | if cutting or rounding is meant, say so in the expression: (name)::character varying(5)`,
		`failing-rows | mapping of public.t to x.n | note::numeric fails for 1 row of public.t: id=3: invalid input syntax for type numeric: "x"`,
		`failing-rows | mapping of public.t to x.digits | 10 / (flag - 7) fails for 1 row of public.t: id=4: division by zero`,
	}, refusals(b.try(b.sound(m))))
}

// What is found is the same with and without PL/pgSQL, and for a user who may only read.
func TestTryNeedsOnlySelect(t *testing.T) {
	t.Parallel()
	b := setup(t, goodRows, strictTarget)
	b.run("update t set flag = 0 where id in (17, 401, 402); update t set name = 'longer' where id in (17, 18); insert into t select i, 'n', 1, 1, 'c', null, 1, 1, 'x' from generate_series(501, 12000) i")
	role := localtest.Prefix(b.t) + "reader"
	b.run("create role " + role + " login password 'secret'; grant select on t to " + role)
	compiled := b.sound(strict(`name: name`, `digits: 10 / flag`))
	want := refusals(b.try(compiled))
	require.Equal(t, []string{
		`lossy-rows | mapping of public.t to x.name | 2 rows of public.t would not fit character varying(5): id=18; id=17 | if cutting or rounding is meant, say so in the expression: (name)::character varying(5)`,
	}, want[:1])
	require.Contains(t, want[1], "10 / flag fails for 252 rows of public.t: id=2: division by zero;")
	reader := connect(t, localtest.Server(t).DSNAs(role, "secret", b.conn.Config().Database))
	_, err := reader.Exec(t.Context(), "set default_transaction_read_only = on")
	require.NoError(t, err)
	for _, script := range []string{"", "revoke usage on language plpgsql from public", "drop extension plpgsql"} {
		b.run(script)
		findings, err := compiled.Try(t.Context(), reader)
		require.NoError(t, err, script)
		require.Equal(t, want, refusals(findings), script)
	}
}

func TestTryOnAnOlderLegacyServer(t *testing.T) {
	t.Parallel()
	b := setup(t, goodRows+"; create function newer(int) returns int immutable language plpgsql as 'begin return $1; end'", strictTarget)
	compiled := b.sound(strict(`name: "'-'"`, `digits: newer(flag)`))
	b.run("drop function newer")
	require.Equal(t, []string{
		`mapping-expression | mapping of public.t to x.digits | the legacy server can't evaluate newer(flag): function public.newer(integer) does not exist | its version may lack what a newer one has`,
	}, refusals(b.try(compiled))[:1])
}

func TestTryFindsMeetingKeysAndOrphans(t *testing.T) {
	t.Parallel()
	b := setup(t, `
		create table parents (id int primary key, code text unique, gone boolean default false);
		create table kids (id int primary key, parent text references parents (code), a int, b int);
		insert into parents values (1, 'A'), (2, 'a'), (3, 'c'), (4, null), (5, null);
		insert into kids values (10, 'A', 1, 1), (11, 'c', 1, 2), (12, null, 2, 1), (13, 'c', 1, 1)`,
		`create table p (id int primary key, code text unique); create table q (id int primary key);
		create table k (id int primary key, parent text references p (code), other int references q, a int, b int, unique (a, b));
		create unique index on k (b) where a > 1`)
	m := func(code, where, kids string) string {
		return "version: 1\ntables:\n- { from: parents, to: p, columns: { id: id, code: " + code + " }" + where + " }\n- { from: kids, to: k, columns: { id: id, parent: parent, " + kids + " } }\nignore: [ { column: parents.gone, reason: r } ]"
	}
	require.Equal(t, []string{
		`duplicate-rows | unique key k_a_b_key of k | 1 key would be given to more than one row of public.kids: a=1 b=1 for 2 rows, such as id=10 and id=13`,
		`duplicate-rows | unique key p_code_key of p | 1 key would be given to more than one row of public.parents: code=a for 2 rows, such as id=1 and id=2`,
		`orphan-rows | foreign key k_parent_fkey of k | 1 row of public.kids would refer to rows of p that aren't there: id=10 (parent=A)`,
	}, refusals(b.try(b.sound(m("lower(code)", "", "a: a, b: b")))))
	require.Equal(t, []string{
		`orphan-rows | foreign key k_parent_fkey of k | 2 rows of public.kids would refer to rows of p that aren't there or stay behind by its where: id=11 (parent=c); id=13 (parent=c)`,
	}, refusals(b.try(b.sound(m("code", ", where: { sql: code = 'A' or code is null, reason: r }", "a: a, b: id * b")))))
	require.Equal(t, []string{
		`duplicate-rows | unique key k_b_idx of k | 2 keys would be given to more than one row of public.kids: b=1 for 3 rows, such as id=10 and id=13; b=2 for 2 rows, such as id=12 and id=14`,
		`orphan-rows | foreign key k_other_fkey of k | 5 rows of public.kids would refer to q, into which the mapping brings no rows: id=10 (other=1); id=11 (other=1); id=12 (other=2); id=13 (other=1); id=14 (other=2)`,
	}, func() []string {
		b.run("insert into kids values (14, null, 2, 1)")
		return refusals(b.try(b.sound(m("code", "", "other: a, a: id + b * 0, b: a"))))
	}())
	require.Empty(t, refusals(b.try(b.sound(m("code", "", "a: id, b: a * 0 + id * b")))))
}

// A service's migrations may bring rows that a mapping's rows refer to: roles, states, units.
func TestTryKnowsTheRowsThatServicesBring(t *testing.T) {
	t.Parallel()
	b := setup(t, `create table people (id int primary key, role text, place int); insert into people values (1, 'A', 1), (2, 'U', 1), (3, null, 2)`,
		`create table roles (name varchar(9) primary key); insert into roles values ('admin'), ('o''user'); create table tags (id int, name text unique); insert into tags values (1, null); 
		create table places (country text, number int, primary key (country, number)); insert into places values ('DE', 1), ('AT', 2);
		create table p (id int primary key, role text references roles, country text, place int, tag text references tags (name), foreign key (country, place) references places)`)
	m := func(role, country string) string {
		return "version: 1\ntables:\n- { from: people, to: p, columns: { id: id, place: place, role: { sql: \"" + role + "\", reverse: { role: role } }, country: { sql: \"" + country + "\" } } }"
	}
	require.Empty(t, refusals(b.try(b.sound(m("case role when 'A' then 'admin' when 'U' then 'o''user' end", "case place when 1 then 'DE' else 'AT' end")))))
	require.Equal(t, []string{
		`orphan-rows | foreign key p_country_place_fkey of p | 1 row of public.people would refer to rows of places that aren't there: id=3 (country=DE place=2)`,
		`orphan-rows | foreign key p_role_fkey of p | 1 row of public.people would refer to rows of roles that aren't there: id=2 (role=user)`,
	}, refusals(b.try(b.sound(m("case role when 'A' then 'admin' when 'U' then 'user' end", "case place when 1 then 'DE' else 'DE' end")))))
}

// Keys and references that the legacy database keeps itself are not tried again: no query is sent for them.
func TestTryTrustsTheLegacyConstraints(t *testing.T) {
	t.Parallel()
	b := setup(t, `
		create table parents (id int primary key, code varchar(9) not null unique);
		create table kids (id int primary key, parent varchar(9) not null references parents (code));
		insert into parents values (1, 'A'); insert into kids values (1, 'A')`,
		`create table p (id bigint primary key, code text not null unique); create table k (id bigint primary key, parent text not null references p (code))`)
	compiled := b.sound("version: 1\ntables:\n- { from: parents, to: p, columns: { id: id, code: code } }\n- { from: kids, to: k, columns: { id: id, parent: parent } }")
	counter := &queryCounter{}
	config, err := pgx.ParseConfig(b.dsn)
	require.NoError(t, err)
	config.Tracer = counter
	conn, err := pgx.ConnectConfig(t.Context(), config)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.Background())) }()
	findings, err := compiled.Try(t.Context(), conn)
	require.NoError(t, err)
	require.Empty(t, findings)
	require.Zero(t, counter.count)
}

type queryCounter struct{ count int }

func (c *queryCounter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.count++
	return ctx
}

func (c *queryCounter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func TestTryWarnsOfRowsThatWouldNotComeBack(t *testing.T) {
	t.Parallel()
	b := setup(t, `
		create table a (id int primary key, s char(1), price real, at timestamp, j json, d double precision, zip char(10));
		insert into a values (1, 'O', 1.5, '2020-01-01', '{"a": 1}', 0.1, 'x'), (2, 'S', 2.25, '2020-01-02', '{"a":1}', 1e300, null), (3, null, null, null, null, null, ''), (4, 'X', 0.1, '2020-01-01 00:00:01.5', 'null', 'NaN', 'y')`,
		`create table x (id int primary key, s text, price numeric(10, 2), at timestamptz, zip text, extra jsonb)`)
	compiled := b.sound(`
version: 1
tables:
- from: a
  to: x
  columns:
    id: id
    s: { sql: "case s when 'O' then 'open' when 'S' then 'shipped' end", reverse: { s: "case s when 'open' then 'O' when 'shipped' then 'S' end" } }
    price: { sql: "price::numeric(10,1)", reverse: { price: price } }
    at: { sql: at at time zone 'UTC', reverse: { at: "date_trunc('second', at at time zone 'UTC')" } }
    zip: zip
    extra.j: j
    extra.d: d
`)
	require.True(t, compiled.Reversible())
	findings := b.try(compiled)
	require.Empty(t, refusals(findings))
	require.Equal(t, []string{
		`round-trip | reverse of public.a.s | 1 row of public.a would not come back unchanged if this tenant is rolled back: id=4`,
		`round-trip | reverse of public.a.price | 1 row of public.a would not come back unchanged if this tenant is rolled back: id=2`,
		`round-trip | reverse of public.a.at | 1 row of public.a would not come back unchanged if this tenant is rolled back: id=4`,
		`round-trip | reverse of public.a.j | 2 rows of public.a would not come back unchanged if this tenant is rolled back: id=2; id=4`,
	}, lines(findings, inspect.Warning))
}

// A filter is tried even where nothing else can go wrong.
func TestTryEvaluatesFilterAlone(t *testing.T) {
	t.Parallel()
	b := setup(t, `create table a (id int primary key); insert into a select generate_series(1, 5)`, `create table x (id int primary key)`)
	compiled := b.sound("version: 1\ntables: [ { from: a, to: x, columns: { id: id }, where: { sql: 10 / (id - 3) < 9, reason: odd } } ]")
	require.Equal(t, []string{
		`failing-rows | where of public.a | 10 / (id - 3) < 9 can't be evaluated for 1 row: id=3: division by zero`,
	}, refusals(b.try(compiled)))
}

// Each expression is computed once a row and no more, however many checks ask for its value.
func TestTryComputesOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, `create table a (id int primary key, s text); insert into a select i, 's' || i from generate_series(1, 50) i;
		create function told(s text) returns text immutable language plpgsql as 'begin raise warning ''told''; return s; end'`,
		`create table x (id int primary key, s varchar(9) not null check (s <> ''), constraint both_of check (length(s) > id * 0))`)
	compiled := b.sound("version: 1\ntables: [ { from: a, to: x, columns: { id: id, s: { sql: told(s), reverse: { s: s } } } } ]")
	config, err := pgx.ParseConfig(b.dsn)
	require.NoError(t, err)
	told := 0
	config.OnNotice = func(*pgconn.PgConn, *pgconn.Notice) { told++ }
	conn, err := pgx.ConnectConfig(t.Context(), config)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.Background())) }()
	findings, err := compiled.Try(t.Context(), conn)
	require.NoError(t, err)
	require.Empty(t, findings)
	require.Equal(t, 50, told)
}

func TestCountFiltered(t *testing.T) {
	t.Parallel()
	b := setup(t, `create table a (id int primary key, gone boolean); insert into a values (1, true), (2, false), (3, null)`, `create table x (id int primary key)`)
	compiled := b.sound("version: 1\ntables: [ { from: a, to: x, columns: { id: id }, where: { sql: not gone, reason: deleted } } ]")
	counted, err := compiled.CountFiltered(t.Context(), b.conn)
	require.NoError(t, err)
	require.Len(t, counted, 1)
	require.EqualValues(t, 2, counted[0].Rows, "a null condition leaves the row behind too")
	require.Equal(t, "public.a", counted[0].Table)
	require.Equal(t, "not gone", counted[0].SQL)
	require.Equal(t, "deleted", counted[0].Reason)
}

// The proof compares what was sent with what the column holds, byte by byte: a value that fits must arrive in the column's form.
func TestCarriedValuesHaveTheColumnsForm(t *testing.T) {
	t.Parallel()
	b := setup(t, `create table s (id int primary key, n numeric, m numeric(8,1), i bigint, r real, d float8, c char(3), v varchar, a numeric[]);
		insert into s values (1, 1.500000, 2.5, 7, 0.1, 1e-3, 'ab', 'x ', '{1.5,2}'), (2, 'NaN', 0, -3, 'NaN', 12.25, '', 'yy', '{}'), (3, null, null, null, null, null, null, null, null)`,
		`create table x (id int primary key, n numeric(9, 4), m numeric(9, 4), i numeric(9, 4), r numeric(9, 4), d numeric(9, 4), c char(5), v char(4), a numeric(9, 2)[])`)
	compiled := b.sound("version: 1\ntables: [ { from: s, to: x, columns: { id: id, n: n, m: m, i: i, r: r, d: d, c: c, v: v, a: a } } ]")
	require.Empty(t, b.try(compiled))
	var into, from []string
	for _, column := range compiled.Tables[0].Columns {
		into, from = append(into, postgres.Ident(column.Target)), append(from, column.Expr)
	}
	b.run(fmt.Sprintf("insert into tenant_x.x (%s) select %s from only s", strings.Join(into, ", "), strings.Join(from, ", ")))
	read := func(columns []string, table string) []string {
		rows, err := b.conn.Query(t.Context(), "select concat_ws('|', "+strings.Join(columns, ", ")+") from "+table+" order by id")
		require.NoError(t, err)
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		return found
	}
	require.Equal(t, read(into, "tenant_x.x"), read(from, "s"))
}
