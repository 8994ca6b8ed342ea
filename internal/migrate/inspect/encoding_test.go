package inspect_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
)

// encoded makes a database of an encoding.
func encoded(t *testing.T, encoding string, statements ...string) *pgx.Conn {
	t.Helper()
	conn := connect(t, localtest.DatabaseAs(t, localtest.DatabaseOptions{Encoding: encoding, Locale: "C"}))
	run(t, conn, statements...)
	return conn
}

func TestAsciiDatabase(t *testing.T) {
	t.Parallel()
	source := encoded(t, "SQL_ASCII", `
		create table good (id integer primary key, name text);
		insert into good values (1, 'plain'), (2, E'\xc3\xbc\xe2\x82\xac\xf0\x9d\x84\x9e'), (3, null);
		create table customers (id integer, name text, "Note" varchar(20), n numeric, tags text[], primary key (id));
		insert into customers select i, 'plain', 'x', 1, '{a}' from generate_series(1, 50) i;
		update customers set name = E'M\xfcller' where id in (7, 8);
		update customers set "Note" = E'\xe9', tags = array[E'\xff'] where id = 9;
		create table keyless (name text);
		insert into keyless values (E'\x80')`)
	target := database(t)
	found := findings(t, source, target, inspect.Options{})
	require.Equal(t, []string{"encoding table public.customers", "encoding table public.keyless"}, refusals(found))
	customers := find(t, found, "encoding", "table public.customers")
	require.Contains(t, customers.Message, `has 3 rows`)
	for _, row := range []string{`id=7 (name)`, `id=8 (name)`, `id=9 ("Note", tags)`} {
		require.Contains(t, customers.Message, row)
	}
	require.Contains(t, find(t, found, "encoding", "table public.keyless").Message, "ctid=(0,1) (name)")
	except := func(_, table string) bool { return table == "good" }
	require.Empty(t, refusals(findings(t, source, target, inspect.Options{Moved: except})))

	run(t, source, `drop table keyless; update customers set tags = '{}', "Note" = ''`,
		`update customers set name = convert_from(convert(convert_to(name, 'SQL_ASCII'), 'WIN1252', 'UTF8'), 'SQL_ASCII') where id in (7, 8)`)
	found = findings(t, source, target, inspect.Options{})
	require.Empty(t, refusals(found), "the hint mends it")
	require.Contains(t, find(t, found, "encoding", "database "+source.Config().Database).Message, "all are valid")
}

// Many failing rows are counted and the first are named; keys that aren't ASCII don't stop the message.
func TestAsciiManyRows(t *testing.T) {
	t.Parallel()
	source := encoded(t, "SQL_ASCII", `create table t (key text primary key); insert into t select i || E'\xff' from generate_series(100, 199) i`)
	found := findings(t, source, database(t), inspect.Options{})
	require.Contains(t, found[0].Message, "has 100 rows")
	require.Contains(t, found[0].Message, `key=100\377 (key)`)
	require.True(t, strings.HasSuffix(found[0].Message, "; and 80 more"), found[0].Message)
}

// Definitions hold text too.
func TestAsciiDefinitions(t *testing.T) {
	t.Parallel()
	source := encoded(t, "SQL_ASCII", `create table t (id integer primary key); comment on table t is E'\xfc'; comment on column t.id is 'fine';
		create table u (id integer primary key); create view v as select E'\xfc' as a;
		create type mood as enum (E'\xfc'); create function f() returns text language sql as E'select ''\xfc'''`)
	require.Equal(t, []string{"encoding function public.f()", "encoding table public.t", "encoding type public.mood", "encoding view public.v"},
		refusals(findings(t, source, database(t), inspect.Options{})))
	run(t, source, `create table named (id integer default length(E'\xfc'))`)
	_, err := inspect.Read(t.Context(), source)
	require.ErrorContains(t, err, "invalid byte sequence")
}

// The expression for valid UTF-8 agrees with Go's, byte for byte.
func TestAsciiAgreesWithGo(t *testing.T) {
	t.Parallel()
	source := encoded(t, "SQL_ASCII", `create table t (id integer primary key, b text)`)
	random := rand.New(rand.NewPCG(1, 2))
	interesting := []byte{0x01, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff}
	var invalid []string
	var values [][]byte
	for i := range 3000 {
		value := make([]byte, 1+random.IntN(4))
		for j := range value {
			value[j] = interesting[random.IntN(len(interesting))]
		}
		values = append(values, value)
		if !utf8.Valid(value) {
			invalid = append(invalid, fmt.Sprint(i))
		}
	}
	_, err := source.Exec(t.Context(), `insert into t select n - 1, convert_from(v, 'SQL_ASCII') from unnest($1::bytea[]) with ordinality as u (v, n)`, values)
	require.NoError(t, err)
	found := findings(t, source, database(t), inspect.Options{})
	require.Contains(t, found[0].Message, fmt.Sprintf("has %d rows", len(invalid)))
	require.NotEmpty(t, invalid)
	for _, part := range strings.SplitN(strings.SplitN(found[0].Message, ": ", 2)[1], "; ", 21)[:20] {
		require.Contains(t, invalid, strings.TrimSuffix(strings.TrimPrefix(part, "id="), " (b)"))
	}
}

// An encoding that has bytes without meaning: WIN1252 leaves five.
func TestUnconvertibleSource(t *testing.T) {
	t.Parallel()
	source := encoded(t, "WIN1252", `create table fine (id integer primary key, name text);
		create table bad (id integer primary key, name text, note text);`)
	insert := `insert into %s values ($1, convert_from($2, 'SQL_ASCII'))`
	for id, raw := range map[int][]byte{1: []byte("plain"), 2: {'M', 0xfc, 'l'}, 3: {0x80}} {
		_, err := source.Exec(t.Context(), fmt.Sprintf(insert, "fine"), id, raw)
		require.NoError(t, err)
	}
	for id, raw := range map[int][]byte{1: []byte("plain"), 2: {0x81}, 3: {'a', 0x8d, 'b'}, 4: {0xfc}, 5: {0x81, 0x9d}} {
		_, err := source.Exec(t.Context(), fmt.Sprintf(insert, "bad"), id, raw)
		require.NoError(t, err)
	}
	found := findings(t, source, database(t), inspect.Options{})
	require.Equal(t, []string{"encoding table public.bad"}, refusals(found))
	require.Contains(t, found[0].Message, "has 3 rows with characters that WIN1252 has and UTF8 hasn't")
	for _, part := range []string{"0x81", "0x8d", "id=2 (name)", "id=3 (name)", "id=5 (name)"} {
		require.Contains(t, found[0].Message, part)
	}
	require.NotContains(t, found[0].Message, "0xfc")
}

func TestConvertibleSource(t *testing.T) {
	t.Parallel()
	source := encoded(t, "LATIN1", `create table t (id integer primary key, name text); insert into t select i, chr(i) from generate_series(32, 255) i`)
	require.Empty(t, without(findings(t, source, database(t), inspect.Options{}), "size"))
}

// A target that has fewer characters than the source.
func TestUnconvertibleTarget(t *testing.T) {
	t.Parallel()
	source := encoded(t, "UTF8", `create table fine (id integer primary key, name text); insert into fine values (1, 'Müller'), (2, 'naïve');
		create table bad (id integer primary key, name text); insert into bad values (1, 'ok'), (2, '€'), (3, 'ü€𝄞'), (4, 'ü')`)
	target := encoded(t, "LATIN1")
	found := findings(t, source, target, inspect.Options{})
	require.Equal(t, []string{"encoding table public.bad"}, refusals(found))
	require.Contains(t, found[0].Message, "has 2 rows")
	require.Contains(t, found[0].Message, "0xe282ac")
	require.Contains(t, found[0].Message, "id=2 (name); id=3 (name)")
	require.Equal(t, inspect.Warning, find(t, found, "encoding", "target database "+target.Config().Database).Severity)
	require.Empty(t, refusals(findings(t, source, encoded(t, "SQL_ASCII"), inspect.Options{})))
}

// Both conversions on the way: out of one encoding and into another.
func TestUnconvertibleOnBothSides(t *testing.T) {
	t.Parallel()
	source := encoded(t, "LATIN2", `create table t (id integer primary key, name text)`)
	_, err := source.Exec(t.Context(), `insert into t values (1, 'ok'), (2, convert_from('\xa3'::bytea, 'LATIN2'))`)
	require.NoError(t, err)
	found := findings(t, source, encoded(t, "LATIN1"), inspect.Options{})
	require.Equal(t, []string{"encoding table public.t"}, refusals(found))
	require.Contains(t, found[0].Message, "0xc581")
	require.Contains(t, found[0].Message, "id=2 (name)")
}

// What a probe may not read is a refusal of its own, not an error.
func TestEncodingWithoutPrivilege(t *testing.T) {
	t.Parallel()
	user := localtest.Prefix(t) + "user"
	for _, encoding := range []string{"SQL_ASCII", "WIN1252"} {
		source := encoded(t, encoding, `create table t (id integer primary key)`)
		run(t, source, `drop role if exists `+user, `create role `+user+` login password 'secret'`)
		plain, err := postgres.Connect(t.Context(), localtest.Server(t).DSNAs(user, "secret", source.Config().Database), postgres.Options{})
		require.NoError(t, err)
		require.Contains(t, refusals(findings(t, plain, database(t), inspect.Options{})), "privilege schema public")
		require.NoError(t, plain.Close(context.Background()))
	}
}
