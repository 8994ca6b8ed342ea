package mapping_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/migrate/copy"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
)

const legacyOrders = `
	create type mood as enum ('O', 'S', 'C');
	create domain amount as numeric(12, 2) check (value >= 0);
	create function net(numeric) returns numeric immutable language sql as 'select $1 / 1.19';
	create function guess() returns integer volatile language plpgsql as 'begin return 4; end';
	create table "Orders" (
		"OrderID" integer primary key,
		"Customer" varchar(40) not null,
		"Placed" timestamp,
		"Seen" timestamptz,
		"Day" date,
		"Status" mood,
		"Total" amount,
		"Weight" real,
		"Big" bigint,
		"Code" char(4),
		"user" text,
		tags text[],
		doc jsonb,
		area point,
		"Twice" integer generated always as ("OrderID" * 2) stored
	)`

const platformOrders = `
	create type state as enum ('open', 'closed');
	create domain email as text check (value like '%@%');
	create table orders (
		id bigint primary key,
		customer text not null,
		placed_at timestamptz,
		day date,
		status text,
		state state,
		email email,
		total numeric(19, 4),
		small integer,
		code char(6),
		short varchar(3),
		at timestamp(0),
		flag boolean,
		tags text[],
		doc jsonb,
		sum integer generated always as (small + 1) stored,
		extra jsonb
	)`

// ignoringAll leaves every column behind, so that a test of one column needs no other.
const ignoringAll = `
ignore:
  - { column: '"Orders"."Placed"', reason: r }
  - { column: '"Orders"."Seen"', reason: r }
  - { column: '"Orders"."Day"', reason: r }
  - { column: '"Orders"."Status"', reason: r }
  - { column: '"Orders"."Total"', reason: r }
  - { column: '"Orders"."Weight"', reason: r }
  - { column: '"Orders"."Big"', reason: r }
  - { column: '"Orders"."Code"', reason: r }
  - { column: '"Orders"."user"', reason: r }
  - { column: '"Orders".tags', reason: r }
  - { column: '"Orders".doc', reason: r }
  - { column: '"Orders".area', reason: r }
  - { column: '"Orders"."Twice"', reason: r }
`

// order is a mapping of "Orders" with one more column.
func order(column string) string {
	return "version: 1\ntables:\n- from: '\"Orders\"'\n  to: orders\n  columns:\n    id: '\"OrderID\"'\n    customer: '\"Customer\"'\n    " + column + "\n" + ignoringAll
}

func TestCompileRendersExpressions(t *testing.T) {
	t.Parallel()
	b := setup(t, legacyOrders, platformOrders)
	require.NoError(t, postgres.Script(t.Context(), b.scratch, "set timezone = 'Europe/Berlin'; set datestyle = 'German'"))
	for _, c := range []struct{ column, want string }{
		{`status: '"user"'`, `"user"`},
		{`status: '"Customer"'`, `("Customer")::text`},
		{`status: '"Status"'`, `("Status")::text`},
		{`status: '"Status"::text || ''x'''`, `(("Status")::text || 'x'::text)`},
		{`status: upper("Orders"."user") -- loud`, `upper("user")`},
		{`status: "'new'"`, `'new'::text`},
		{`status: '"Day"'`, `("Day")::text`},
		{`small: "'5'"`, `5`},
		{`small: '"Big"'`, `("Big")::integer`},
		{`small: 'null'`, `NULL::integer`},
		{`flag: '"Big" > 3'`, `("Big" > 3)`},
		{`total: '"Total"'`, `(("Total")::numeric + 0.0000)`},
		{`total: '"Big"'`, `(("Big")::numeric + 0.0000)`},
		{`total: public.net("Total")`, `CASE WHEN (public.net(("Total")::numeric) = round(public.net(("Total")::numeric), 4)) THEN round(public.net(("Total")::numeric), 4) ELSE public.net(("Total")::numeric) END`},
		{`total: net("Total")::numeric(19,4)`, `((public.net(("Total")::numeric))::numeric(19,4))::numeric`},
		{`placed_at: '"Seen"'`, `"Seen"`},
		{`placed_at: "\"Placed\" at time zone 'Europe/Paris'"`, `("Placed" AT TIME ZONE 'Europe/Paris'::text)`},
		{`day: '"Placed"'`, `("Placed")::date`},
		{`code: '"Code"'`, `CASE WHEN (char_length(("Code")::bpchar) <= 6) THEN (("Code")::bpchar)::character(6) ELSE ("Code")::bpchar END`},
		{`at: '"Placed"'`, `"Placed"`},
		{`short: '"Customer"'`, `"Customer"`},
		{`state: '"user"'`, `"user"`},
		{`state: '"Status"'`, `("Status")::text`},
		{`email: '"user"'`, `"user"`},
		{`tags: tags`, `"tags"`},
		{`placed_at: "coalesce(\"Seen\", '2020-01-01')"`, `COALESCE("Seen", '2020-01-01 00:00:00+00'::timestamp with time zone)`},
		{`extra.user: '"user"'`, `jsonb_build_object('user', "user")`},
		{`extra."It's": '"Status"'`, `jsonb_build_object('It''s', ("Status")::text)`},
		{`extra.at: '"Placed"'`, `jsonb_build_object('at', "Placed")`},
		{`day: "coalesce(\"Day\", '2000-01-01')"`, `COALESCE("Day", '2000-01-01'::date)`},
	} {
		compiled := b.sound(order(c.column))
		require.Len(t, compiled.Tables[0].Columns, 3)
		require.Equal(t, c.want, plain(compiled.Tables[0].Columns[2].Expr), c.column)
		require.Equal(t, copy.Binary, compiled.Tables[0].Format)
		require.Equal(t, []string{"id"}, compiled.Tables[0].Key)
	}
}

// plain puts what PostgreSQL prints over several lines on one.
func plain(sql string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(sql), " "), "( ", "(")
}

func TestCompileRefusesExpressions(t *testing.T) {
	t.Parallel()
	b := setup(t, legacyOrders, platformOrders)
	for column, want := range map[string]string{
		`status: OrderID`: `status: column orderid does not exist in public."Orders"; did you mean "OrderID"? (at character 1 of: OrderID)` +
			` | names with capitals need double quotes, or PostgreSQL folds them to lower case`,
		`status: '  lower("Custmer")'`:           `status: column "Custmer" does not exist in public."Orders"; did you mean "Customer"? (at character 9 of:   lower("Custmer"))`,
		`status: lower("Orders".qqqqqq)`:         `status: column qqqqqq does not exist in public."Orders"; there are 15 columns (at character 7 of: lower("Orders".qqqqqq))`,
		`status: '"Customer" +'`:                 `status: syntax error at or near ")" (in: "Customer" +)`,
		`status: "\"Customer\" || (case when )"`: `status: syntax error at or near ")" (at character 26 of: "Customer" || (case when ))`,
		`status: loweer("Customer")`: `status: function loweer(character varying) does not exist (at character 1 of: loweer("Customer"))` +
			` | No function matches the given name and argument types. You might need to add explicit type casts.`,
		`status: other.column`: `status: missing FROM-clause entry for table "other" (at character 1 of: other.column)` +
			` | an expression sees one row of public."Orders" and nothing else`,
		`status: (select 1)`:                    `status: cannot use subquery in an expression that sees one row (in: (select 1))`,
		`status: exists (select from "Orders")`: `cannot use subquery in an expression that sees one row`,
		`small: count(*)`:                       `small: has an aggregate function (in: count(*)) | an expression sees one row of public."Orders"`,
		`small: count(*) + "OrderID"`:           `small: has an aggregate function (at character 12 of: count(*) + "OrderID") | an expression sees one row of public."Orders"`,
		`small: row_number() over ()`:           `small: has a window function`,
		`small: generate_series(1, 2)`:          `set-returning functions are not allowed in an expression that sees one row`,
		`status: ctid::text`:                    `system column "ctid" reference in an expression that sees one row is invalid`,
		`small: tableoid::int`:                  `index creation on system columns is not supported`,
		`doc: to_jsonb("Orders")`:               `doc: takes the row as a whole; name the columns, so that it is known which are carried (in: to_jsonb("Orders"))`,
		`small: guess()`: `small: is not immutable: something besides the row decides its value, such as the time, a setting or another table (in: guess())` +
			` | use functions that PostgreSQL calls immutable; for times, name the zone: at time zone 'UTC'`,
		`placed_at: now()`:                      `placed_at: is not immutable: something besides the row decides its value`,
		`status: "to_char(\"Placed\", 'YYYY')"`: `status: is not immutable`,
		`status: '"Placed"::text'`:              `status: is not immutable`,
		`status: "case when \"Status\" = 'O'::mood then \"Status\"::text end"`: `status: is not immutable`,
		`day: "'today'"`: `day: has 'today', which means another time at each run (at character 1 of: 'today') | write the date itself`,
		`day: "coalesce(\"Day\", 'tomorrow'::date)"`: `day: has 'tomorrow', which means another time at each run (at character 17 of:`,
		`placed_at: '"Placed"'`: `placed_at: is of type timestamp without time zone and the column of type timestamp with time zone:` +
			` the time zone of the session would decide the value (in: "Placed") | name the zone that the legacy meant: ("Placed") at time zone 'UTC'`,
		`day: '"Seen"'`:                       `day: is of type timestamp with time zone and the column of type date: the time zone of the session would decide the value`,
		`small: '"Customer"'`:                 `small: is of type character varying, which can't be assigned to a column of type integer (in: "Customer") | cast it where that is what you mean: ("Customer")::integer`,
		`flag: '"Big"'`:                       `flag: is of type bigint, which can't be assigned to a column of type boolean`,
		`small: "'five'"`:                     `small: invalid input syntax for type integer: "five" (in: 'five')`,
		`small: 1 / 0`:                        `small: division by zero (in: 1 / 0)`,
		`status: "'open"`:                     `status: has a quote or comment that isn't closed (at character 1 of: 'open)`,
		`status: '"user") from "Orders" --'`:  `status: has a ) that doesn't belong there (at character 7 of: "user") from "Orders" --)`,
		`status: '("user"'`:                   `status: has a parenthesis that isn't closed (in: ("user")`,
		`status: '"user"; drop table x'`:      `status: has a ; that doesn't belong there (at character 7 of: "user"; drop table x)`,
		`status: $1`:                          `status: has a $1 that doesn't belong there (at character 1 of: $1)`,
		`status: '"user", 1'`:                 `status: gives a row where one value belongs (in: "user", 1)`,
		`statsu: '"user"'`:                    `table orders has no column statsu; did you mean status?`,
		`sum: '"OrderID"'`:                    `is generated: the database computes it | leave it out`,
		`extra.a: count(*)`:                   `extra.a: has an aggregate function (in: count(*))`,
		`extra.a: now()`:                      `extra.a: is not immutable`,
		"extra: doc\n    extra.a: '\"user\"'": `column extra is filled as a whole and by key | map extra, or extra.NAME, not both`,
	} {
		refused := b.refused(order(column))
		require.Len(t, refused, 1, column)
		require.Contains(t, refused[0], want, column)
		require.Regexp(t, `^mapping-(expression|column|conflict) \| mapping of public\."Orders" to orders\.\S+ \| m\.yaml:[89]:\d+: `, refused[0])
	}
}

func TestCompileRefusesTables(t *testing.T) {
	t.Parallel()
	b := setup(t, legacyOrders+`;
		create view seen as select 1;
		create table parted (id int, d date) partition by range (d);
		create table parted_1 partition of parted for values from ('2020-01-01') to ('2021-01-01');
		create foreign data wrapper nothing; create server elsewhere foreign data wrapper nothing;
		create foreign table far (id int) server elsewhere;
		create foreign table parted_far partition of parted for values from ('2021-01-01') to ('2022-01-01') server elsewhere`, platformOrders)
	all := ignoringAll + "  - { column: '\"Orders\".\"OrderID\"', reason: r }\n  - { column: '\"Orders\".\"Customer\"', reason: r }\n"
	for text, want := range map[string]string{
		"from: '\"Oders\"', to: orders":      `mapping-table | table "Oders" | m.yaml:2:11: the legacy database has no table "Oders"; did you mean public."Orders"?`,
		"from: seen, to: orders":             `mapping-table | table seen | m.yaml:2:11: seen is a view; only tables hold rows: map those that it reads`,
		"from: parted_1, to: orders":         `mapping-table | table public.parted_1 | m.yaml:2:11: is a partition of public.parted | map public.parted, which means all its partitions; filter by where`,
		"from: far, to: orders":              `mapping-table | table public.far | m.yaml:2:11: is a foreign table: its rows are in another database`,
		"from: parted, to: orders":           `mapping-table | table public.parted_far | m.yaml:2:11: is a partition of public.parted that lies in another database | ignore it with a reason, or bring its rows home first`,
		"from: '\"Orders\"', to: ordres":     `mapping-table | table ordres | m.yaml:2:11: the tenant's schema has no table ordres; did you mean orders?`,
		"from: '\"Orders\"', to: orders":     `mapping-column | mapping of public."Orders" to orders.customer | m.yaml:2:11: nothing fills column customer of table orders, which is text not null without a default`,
		"from: other.\"Orders\", to: orders": `mapping-table | table other."Orders" | m.yaml:2:11: the legacy database has no table other."Orders"; did you mean public."Orders"?`,
	} {
		m := "version: 1\ntables: [ { " + text + ", columns: { id: '1' } } ]\nlift: ['*.*']\n" + all
		require.Contains(t, b.refused(m), want, text)
	}
	twice := "version: 1\ntables:\n- { from: '\"Orders\"', to: orders, columns: { id: '1', customer: '2' } }\n- { from: 'public.\"Orders\"', to: orders, columns: { id: '1', customer: '2' } }\nlift: ['*.*']\n" + all
	require.Equal(t, []string{`mapping-conflict | table public."Orders" | m.yaml:4:3: is mapped to orders twice; the first is at m.yaml:3:3`}, b.refused(twice))
}

func TestServiceOfTheTarget(t *testing.T) {
	t.Parallel()
	b := setup(t, legacyOrders, platformOrders)
	b.target.Tables[0].Service = "core"
	m := "version: 1\ntables: [ { from: '\"Orders\"', to: orders, service: users, columns: { id: '\"OrderID\"', customer: '\"Customer\"' } } ]" + ignoringAll
	require.Equal(t, []string{`mapping-table | table orders | m.yaml:2:11: table orders belongs to service core, not users`}, b.refused(m))
}

func TestWhereIsACondition(t *testing.T) {
	t.Parallel()
	b := setup(t, legacyOrders, platformOrders)
	with := func(where string) string {
		return order("status: '\"user\"'\n  where: { sql: '" + where + "', reason: r }")
	}
	compiled := b.sound(with(`"Big" > 0`))
	require.Equal(t, `("Big" > 0)`, compiled.Tables[0].Where)
	for where, want := range map[string]string{
		`"Big"`:               `where: is of type bigint; a condition is boolean (in: "Big")`,
		`"Seen" < now()`:      `where: is not immutable`,
		`"Bgi" > 0`:           `where: column "Bgi" does not exist in public."Orders"; did you mean "Big"?`,
		`"Big" in (select 1)`: `where: cannot use subquery in an expression that sees one row`,
		`"Big" > 0) or (true`: `where: has a ) that doesn't belong there`,
	} {
		refused := b.refused(with(where))
		require.Len(t, refused, 1, where)
		require.Contains(t, refused[0], want)
	}
}

func TestTextTravelsWhereBinaryFormsDiffer(t *testing.T) {
	t.Parallel()
	b := setup(t, legacyOrders, `create type pair as (a int, b int);
		create table orders (id bigint primary key, customer text not null, p pair)`)
	compiled := b.sound(order(`p: "'(1,2)'"`))
	require.Equal(t, copy.Text, compiled.Tables[0].Format)
}

func TestManyExtraKeys(t *testing.T) {
	t.Parallel()
	var ddl, keys string
	for i := range 60 {
		name := "c" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		ddl += ", " + name + " text default '" + name + "'"
		keys += "    extra." + name + ": " + name + "\n"
	}
	b := setup(t, "create table wide (id int primary key"+ddl+"); insert into wide values (1)", "create table wide (id int primary key, extra jsonb)")
	compiled := b.sound("version: 1\ntables:\n- from: wide\n  to: wide\n  columns:\n    id: id\n" + keys)
	var keysOf int
	err := b.conn.QueryRow(t.Context(), "select count(*) from (select jsonb_object_keys("+compiled.Tables[0].Columns[1].Expr+") from wide) k").Scan(&keysOf)
	require.NoError(t, err)
	require.Equal(t, 60, keysOf)
	require.True(t, compiled.Reversible())
	require.Empty(t, b.try(compiled))
}

func TestCompileLeavesTheScratchDatabaseAlone(t *testing.T) {
	t.Parallel()
	b := setup(t, legacyOrders, platformOrders)
	state := func() (text string) {
		err := b.scratch.QueryRow(t.Context(), `select (select string_agg(nspname, ' ' order by nspname) from pg_namespace)
			|| (select string_agg(conname, ' ' order by conname) from pg_constraint) || (select string_agg(relname, ' ' order by relname) from pg_class)`).Scan(&text)
		require.NoError(t, err)
		return text
	}
	before := state()
	b.sound(order(`status: '"Status"::text'`))
	b.refused(order(`status: "'open"`))
	require.Equal(t, before, state())
}

func TestNotesNameWhatStaysBehind(t *testing.T) {
	t.Parallel()
	b := setup(t, `
		create table a (id int primary key); create table b (id int primary key); create table custom_c (id int primary key);
		create sequence loose; create sequence custom_loose;
		create view both_ as select a.id from a join b using (id);
		create view custom_fine as select * from custom_c; create view custom_on as select * from custom_fine;
		create materialized view custom_cut as select * from a; create view custom_deep as select * from custom_cut;
		create function f() returns trigger language plpgsql as 'begin return new; end';
		create function g(int, text) returns int language sql as 'select 1';
		create trigger t before insert on a for each row execute function f();
		create trigger t before insert on b for each row execute function f();
		create rule r as on delete to a do instead nothing`, "create table x (id int primary key)")
	compiled, findings := b.compile("version: 1\ntables: [ { from: a, to: x, columns: { id: id } } ]\nlift: ['custom_*', 'none_*']\nignore: [ { table: b, reason: r } ]\n")
	require.Empty(t, refusals(findings))
	require.Equal(t, []string{
		"not-carried | view public.both_ | stays behind",
		"not-carried | sequence public.loose | belongs to no column: it stays behind unless a lifted table uses it",
		"not-carried | function public.f() | stays behind unless a lifted table uses it",
		"not-carried | function public.g(integer,text) | stays behind unless a lifted table uses it",
		`not-carried | rule r on public.a | belongs to a mapped table and stays behind`,
		`not-carried | trigger t on public.a | belongs to a mapped table and stays behind`,
	}, lines(findings, inspect.Note))
	require.Equal(t, []string{
		"mapping-unused | lift none_* | m.yaml: the pattern finds no table to lift",
		"not-carried | view public.custom_cut | stays behind: it reads public.a, which isn't lifted",
		"not-carried | view public.custom_deep | stays behind: it reads public.custom_cut, which isn't lifted",
	}, lines(findings, inspect.Warning))
	for name, want := range map[string]bool{
		"a": false, "b": false, "custom_c": true, "custom_loose": true, "loose": false, "custom_fine": true, "custom_on": true, "custom_cut": false, "custom_deep": false,
	} {
		require.Equal(t, want, compiled.Lifts("public", name), name)
	}
}

func TestSequencesGoOn(t *testing.T) {
	t.Parallel()
	b := setup(t, `create table a (id serial primary key, n int); insert into a (n) select 1 from generate_series(1, 5)`,
		`create sequence by_hand; create table x (id bigint generated by default as identity primary key, n bigint default nextval('tenant_x.by_hand'), m serial)`)
	compiled := b.sound("version: 1\ntables: [ { from: a, to: x, columns: { id: id, n: n * 10 } } ]\n")
	require.Len(t, compiled.Sequences, 2)
	byName := map[string]int{}
	for i, s := range compiled.Sequences {
		byName[s.Name] = i
	}
	id, n := compiled.Sequences[byName["x_id_seq"]], compiled.Sequences[byName["by_hand"]]
	require.Equal(t, "a_id_seq", id.Legacy.Name)
	require.Nil(t, n.Legacy)
	next := func(sequence string) (value int64) {
		require.NoError(t, b.conn.QueryRow(t.Context(), "select nextval($1::regclass)", "tenant_x."+sequence).Scan(&value))
		return value
	}
	b.run(id.SetSQL("tenant_x", 0), n.SetSQL("tenant_x", 0))
	require.EqualValues(t, 1, next("by_hand"), "an empty table leaves the sequence alone")
	b.run("insert into tenant_x.x (id, n) values (3, 70)", id.SetSQL("tenant_x", 9), n.SetSQL("tenant_x", 0))
	require.EqualValues(t, 10, next("x_id_seq"), "after what the legacy has given")
	require.EqualValues(t, 71, next("by_hand"))
}
