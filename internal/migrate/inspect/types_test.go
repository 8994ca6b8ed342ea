package inspect_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/postgres"
)

// ownTypes are types of a client's own, with a value each, and whether their binary form is the same in another database.
var ownTypes = []struct {
	expression string // of the type
	portable   bool
}{
	{`'ok'::mood`, true},
	{`array['ok']::mood[]`, false},
	{`'ok'::good_mood`, true},
	{`array['ok']::good_mood[]`, false},
	{`1::score`, true},
	{`array[1]::score[]`, false},
	{`array[1]::scores`, true},
	{`array['ok']::moods`, false},
	{`'[1,2]'::float_span`, true},
	{`'{[1,2]}'::float_multispan`, true},
	{`array['[1,2]']::float_span[]`, false},
	{`'[sad,ok]'::mood_span`, true},
	{`'[1,2]'::score_span`, true},
	{`row(1, 'a', '{1}', '[1,2)')::builtin_parts`, true},
	{`array[row(1, 'a', '{1}', '[1,2)')]::builtin_parts[]`, false},
	{`row('ok')::enum_part`, false},
	{`row(1)::domain_part`, false},
	{`row(row(1, null, null, null))::nested_part`, false},
	{`row('a')::citext_part`, false},
	{`row('a_table')::reg_part`, false},
	{`row('a=>1')::hstore_part`, false},
	{`row(1, 'ok')::a_table`, false},
	{`row(1, 'x')::b_table`, true},
	{`'A'::citext`, true},
	{`array['A']::citext[]`, false},
	{`'a=>1'::hstore`, true},
	{`array['a=>1']::hstore[]`, false},
	{`'a.b'::ltree`, true},
	{`'*.b'::lquery`, true},
	{`'(1,2)'::cube`, true},
	{`16385::lo`, true},
	{`16385::oid`, true},
	{`array[16385]::oid[]`, true},
	{`'1 2'::oidvector`, true},
	{`'9780393040029'::ean13`, false},
	{`'=1&2'::query_int`, false},
	{`'a_table'::regclass`, false},
	{`array['a_table']::regclass[]`, false},
	{`'a_table'::named`, false},
	{`'postgres=r/postgres'::aclitem`, false},
}

const typesDDL = `
	create extension citext; create extension hstore; create extension ltree; create extension cube; create extension lo;
	create extension isn; create extension intarray;
	create type mood as enum ('sad', 'ok');
	create domain good_mood as mood check (value <> 'sad');
	create domain score as integer;
	create domain scores as integer[];
	create domain moods as mood[];
	create domain named as regclass;
	create type float_span as range (subtype = float8, multirange_type_name = float_multispan);
	create type mood_span as range (subtype = mood);
	create type score_span as range (subtype = score);
	create type builtin_parts as (a integer, b text, c integer[], d int4range);
	create type enum_part as (a mood);
	create type domain_part as (a score);
	create type nested_part as (a builtin_parts);
	create type citext_part as (a citext);
	create type reg_part as (a regclass);
	create type hstore_part as (a hstore);
	create table a_table (id integer, m mood);
	create table b_table (id integer, gone mood, t text);
	alter table b_table drop gone;`

// A type is portable when COPY writes the same bytes in two databases in which the client's types have other OIDs, and reads them.
func TestPortableOwnTypes(t *testing.T) {
	t.Parallel()
	first := database(t, `do $$ begin for i in 1..50 loop execute format('create type shift_%s as (a int)', i); end loop; end $$`, typesDDL)
	second := database(t, typesDDL)
	var expressions []string
	for _, own := range ownTypes {
		expressions = append(expressions, strings.ReplaceAll(own.expression, "postgres", first.Config().User))
	}
	for _, conn := range []*pgx.Conn{first, second} {
		run(t, conn, `create table every (`+columnsOf(expressions)+`)`)
	}
	every := table(t, read(t, first), "public.every")
	for i, own := range ownTypes {
		column := column(t, every, fmt.Sprintf("c%d", i))
		require.Equal(t, own.portable, column.Portable, own.expression)
		one, firstErr := copyOut(t, first, expressions[i])
		other, secondErr := copyOut(t, second, expressions[i])
		switch {
		case own.portable:
			require.NoError(t, firstErr)
			require.NoError(t, secondErr)
			require.Equal(t, one, other, own.expression)
			require.NoError(t, copyIn(t, second, column.Type, one), own.expression)
		case firstErr == nil:
			require.NotEqual(t, one, other, "%s could be portable", own.expression)
		}
	}
	require.True(t, column(t, every, "c25").Portable)
	for name, reg := range map[string]bool{
		"'a_table'::regclass": true, "array['a_table']::regclass[]": true, "'a_table'::named": true,
		"row('a_table')::reg_part": true, "16385::oid": false, "'ok'::mood": false,
	} {
		for i, own := range ownTypes {
			if own.expression == name {
				require.Equal(t, reg, column(t, every, fmt.Sprintf("c%d", i)).Reg, name)
			}
		}
	}
}

// samples are values of types whose input takes neither 1 nor null text, the empty string or the like.
var samples = map[string]string{
	"bool": "t", "bytea": `\x00ff`, "char": "x", "name": "x", "int2vector": "1 2", "tid": "(0,1)", "xid": "1", "cid": "1", "xid8": "1", "oidvector": "1 2",
	"json": "{}", "jsonb": "{}", "jsonpath": "$", "xml": "<a/>", "point": "(1,2)", "lseg": "[(1,2),(3,4)]", "path": "((1,2))", "box": "(1,2),(3,4)",
	"polygon": "((1,2))", "line": "{1,2,3}", "circle": "<(1,2),3>", "macaddr": "08:00:2b:01:02:03", "macaddr8": "08:00:2b:01:02:03:04:05",
	"inet": "10.0.0.1", "cidr": "10.0.0.0/8", "date": "2020-01-01", "time": "01:02:03", "timestamp": "2020-01-01", "timestamptz": "2020-01-01",
	"timetz": "01:02:03+01", "interval": "1 day", "uuid": "00000000-0000-0000-0000-000000000001", "pg_lsn": "0/1", "txid_snapshot": "1:1:",
	"pg_snapshot": "1:1:", "tsvector": "a", "tsquery": "a", "bit": "1", "varbit": "1",
	"regproc": "now", "regprocedure": "now()", "regoper": "|/", "regoperator": "+(integer,integer)", "regclass": "pg_class", "regcollation": "\"C\"",
	"regtype": "integer", "regrole": "-", "regnamespace": "pg_catalog", "regconfig": "simple", "regdictionary": "simple",
	"yes_or_no": "YES", "time_stamp": "2020-01-01", "aclitem": "=r/postgres",
}

// unreadable types take no value from outside.
const unreadable = `'pg_node_tree', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list', 'pg_brin_bloom_summary', 'pg_brin_minmax_multi_summary', 'gtsvector'`

// Every type of a new database that a column can have: what Read calls portable travels from one database to another.
func TestPortableBuiltinTypes(t *testing.T) {
	t.Parallel()
	first, second := database(t, `create type shift as enum ()`), database(t)
	expressions := builtinExpressions(t, first)
	require.Greater(t, len(expressions), 150)
	for _, conn := range []*pgx.Conn{first, second} {
		run(t, conn, `create table every (`+columnsOf(expressions)+`)`)
	}
	portable := 0
	for i, column := range table(t, read(t, first), "public.every").Columns {
		if !column.Portable {
			continue
		}
		portable++
		one, err := copyOut(t, first, expressions[i])
		require.NoError(t, err, expressions[i])
		other, err := copyOut(t, second, expressions[i])
		require.NoError(t, err, expressions[i])
		require.Equal(t, one, other, expressions[i])
		require.NoError(t, copyIn(t, second, column.Type, one), expressions[i])
	}
	require.Greater(t, portable, 120)
	t.Logf("%d of %d types are portable", portable, len(expressions))
}

// builtinExpressions has a value of every type of the system but row types: base types, domains, arrays, ranges and multiranges.
func builtinExpressions(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), `
		select t.typname, t.typtype::text, case when t.typlen = -1 then t.typelem::regtype::text else '-' end, format_type(t.oid, -1)
		from pg_type t left join pg_type e on e.oid = t.typelem and t.typlen = -1
		where t.typtype not in ('p', 'c') and t.oid < 16384 and coalesce(e.typtype, '') <> 'c' and t.typname not in (`+unreadable+`) and t.typname not in ('_gtsvector', '_record', '_cstring')
		order by t.oid`)
	require.NoError(t, err)
	types, err := pgx.CollectRows(rows, pgx.RowToStructByPos[builtinType])
	require.NoError(t, err)
	var expressions []string
	for _, builtin := range types {
		sample := strings.ReplaceAll(postgres.Literal(builtin.sample()), "postgres", conn.Config().User)
		expressions = append(expressions, sample+`::`+builtin.Type)
	}
	return expressions
}

type builtinType struct{ Name, Kind, Element, Type string }

func (b builtinType) sample() string {
	switch sample, ok := samples[b.Name]; {
	case ok:
		return sample
	case b.Kind == "r":
		return "empty"
	case b.Kind == "m":
		return "{empty}"
	case b.Element == "-":
		return "1"
	}
	if inner, ok := samples[strings.TrimPrefix(b.Name, "_")]; ok && !strings.ContainsAny(inner, `"{(,\`) {
		return "{" + inner + "}"
	}
	return "{NULL}"
}

// columnsOf makes a column c0, c1 ... of each expression's type.
func columnsOf(expressions []string) string {
	var columns []string
	for i, expression := range expressions {
		typ := expression[strings.LastIndex(expression, "::")+2:]
		columns = append(columns, fmt.Sprintf("c%d %s", i, typ))
	}
	return strings.Join(columns, ", ")
}

func copyOut(t *testing.T, conn *pgx.Conn, expression string) ([]byte, error) {
	t.Helper()
	var out bytes.Buffer
	_, err := conn.PgConn().CopyTo(t.Context(), &out, `copy (select `+expression+`) to stdout (format binary)`)
	return out.Bytes(), err
}

func copyIn(t *testing.T, conn *pgx.Conn, typ string, data []byte) error {
	t.Helper()
	run(t, conn, `drop table if exists one; create table one (c `+typ+`)`)
	_, err := conn.PgConn().CopyFrom(t.Context(), bytes.NewReader(data), `copy one from stdin (format binary)`)
	return err
}
