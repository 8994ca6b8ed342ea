package resource

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// oddSQL makes rows of what is odd about each kind, and of each character that JSON or PostgreSQL might take for something else.
const oddSQL = `
	create table odd (id text primary key, number numeric, small int, big bigint, moment timestamptz, day date, object jsonb);
	insert into odd (id) values ('nothing'), ('quote " and \ and / and <&>'), ('ünï ☃ 😀 ' || chr(8232)), ('  ');
	insert into odd values ('something', 1.50, -7, 9007199254740993, '2026-11-28 04:34:03.5Z', '2024-02-29', '{"b": [1, null, "x\"y"], "a": {}}');
	insert into odd (id, number, moment, day) values ('endless', 'NaN', 'infinity', 'infinity'), ('endless past', '-Infinity', '-infinity', '-infinity');
	insert into odd (id, moment, day) values ('before Christ', '0044-03-15 12:00:00Z BC', '0044-03-15 BC'),
		('far', '12026-01-01 00:00:00.000001Z', '12026-01-01'), ('before zones', '1850-01-01 00:00Z', '1850-01-01');
	insert into odd (id, number) select 'character ' || i || chr(i), i from generate_series(1, 300) i;`

func odd() *Resource {
	return &Resource{Table: "odd", Key: "r.id", KeyKind: Text, Columns: []Column{
		{Name: "id", Kind: Text},
		{Name: "number", Kind: Number},
		{Name: "small", Kind: Integer},
		{Name: "big", Kind: Big},
		{Name: "moment", Kind: Moment},
		{Name: "day", Kind: Day},
		{Name: "object", Kind: Object},
	}}
}

// oursAndTheirs selects a row's values, further members, and PostgreSQL's JSON of all of it.
const oursAndTheirs = `select id, number, small, big, moment, day, object, further,
	json_build_object('id', id, 'number', number::text, 'small', small, 'big', big, 'moment', moment, 'day', day, 'object', object)::jsonb || further
	from odd, (values ('{}'::jsonb), ('{"more": {"a": [{}]}, "last": null}')) as f (further) order by id`

func TestRowsAreAsPostgreSQLsOwnJSONHasThem(t *testing.T) {
	t.Parallel()
	conn := unprepared(t)
	shape := odd().shape()
	for _, zone := range []string{"UTC", "Asia/Kathmandu", "America/St_Johns", "Africa/Monrovia", "Europe/Amsterdam"} {
		_, err := conn.Exec(t.Context(), `set timezone = '`+zone+`'`)
		require.NoError(t, err)
		rows, err := conn.Query(t.Context(), oursAndTheirs)
		require.NoError(t, err)
		compared := 0
		for rows.Next() {
			values, err := texts(rows)
			require.NoError(t, err)
			n := len(shape.names)
			require.Equal(t, decoded(t, values[n+1]), decoded(t, shape.append(nil, values[:n], values[n])), "%s: %s", zone, values)
			compared++
		}
		require.NoError(t, rows.Err())
		require.Equal(t, 2*310, compared)
	}
}

func TestValuesThatCameAsBinaryAreNoText(t *testing.T) {
	t.Parallel()
	conn := unprepared(t)
	rows, err := conn.Query(t.Context(), `select 1`, pgx.QueryExecModeCacheDescribe) //nolint:rowserrcheck // there is one
	require.NoError(t, err)
	defer rows.Close()
	require.True(t, rows.Next())
	_, err = texts(rows)
	require.ErrorContains(t, err, "came as binary")
}

// A key that is a column, too, is selected once.
func TestWhereAPagesKeyIs(t *testing.T) {
	t.Parallel()
	r := odd()
	list, key := r.list()
	require.Equal(t, 0, key)
	require.Equal(t, 1, strings.Count(strings.SplitN(list(nil, false), " from ", 2)[0], "r.id"))
	r.Columns = r.Columns[1:]
	list, key = r.list()
	require.Equal(t, len(r.Columns), key)
	require.Contains(t, list(nil, true), "r.object, r.id from odd r where true and r.id > $2::text order by r.id limit $1::int")
}

func unprepared(t *testing.T) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(localtest.Database(t))
	require.NoError(t, err)
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	_, err = conn.Exec(t.Context(), oddSQL)
	require.NoError(t, err)
	return conn
}

func decoded(t *testing.T, raw []byte) (value map[string]any) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&value), "%s", raw)
	return value
}
