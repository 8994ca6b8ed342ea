package faults

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
)

// everything counts what is in a database.
const everything = `select format('%s %s %s %s', (select count(*) from pg_class), (select count(*) from pg_namespace), (select count(*) from pg_trigger),
	(select count(*) from pg_db_role_setting where setdatabase = (select oid from pg_database where datname = current_database())))`

// refused wants a refusal that touched nothing.
func (s *scene) refused(reasons ...string) {
	s.t.Helper()
	before := s.ask(s.source, everything)
	e := s.exits(1, migrate()...)
	require.Contains(s.t, e.stderr, "refused: nothing was touched")
	for _, reason := range reasons {
		require.Regexp(s.t, reason, e.stderr)
	}
	require.Equal(s.t, before, s.ask(s.source, everything))
	require.Equal(s.t, "0", s.ask(s.target, "select count(*)::text from pg_namespace where nspname like 'tenant\\_%'"))
	s.nothingLeft()
}

func TestReadOnlySource(t *testing.T) {
	t.Parallel()
	s := newScene(t, setting{})
	reader := s.prefix + "reader"
	s.exec(s.source, `create role `+reader+` login password 'reads';
		grant usage on schema public, audit to `+reader+`; grant select on all tables in schema public, audit to `+reader+`;
		grant select on all sequences in schema public, audit to `+reader)
	usual := s.env
	s.env = append(usual[:len(usual):len(usual)], "CLIENT_X_DSN="+with(t, s.source, func(u *url.URL) { u.User = url.UserPassword(reader, "reads") }))
	s.refused(`own`, reader)
	s.exec(s.source, `revoke select on orders from `+reader)
	s.refused(`public\.orders`, `SELECT`)
	s.env = usual
	require.NoError(t, s.clientWrites())
}

func TestEncodingThatCantBeConverted(t *testing.T) {
	t.Parallel()
	latin := localtest.DatabaseAs(t, localtest.DatabaseOptions{Encoding: "LATIN1", Locale: "C"})
	s := newScene(t, setting{target: latin, sql: `create table notes (id int primary key, note text);
		insert into notes select i, case when i in (7, 12) then '€' else 'é' end from generate_series(1, 20) i`})
	s.refused(`(?s)public\.notes.*7.*12|LATIN1`)

	ascii := localtest.DatabaseAs(t, localtest.DatabaseOptions{Encoding: "SQL_ASCII", Locale: "C"})
	s = newScene(t, setting{source: ascii})
	s.exec(ascii, `create table notes (id int primary key, note text);
		insert into notes select i, case when i in (417, 815) then e'gr\xfc\xdfe' else 'plain' end from generate_series(1, 1000) i`)
	s.refused(`public\.notes`, `417`, `815`)
}

const mappedSQL = `create table customers (id int primary key, name text not null, note text);
	insert into customers select i, 'c' || i, case when i in (7, 12, 40) then 'x' || i else i::text end from generate_series(1, 50) i`

func TestMappingWithAWrongColumn(t *testing.T) {
	t.Parallel()
	s := newScene(t, setting{sql: mappedSQL, mapping: `version: 1
tables:
  - from: public.customers
    to: customers
    columns: { code: id::text, name: title }
ignore:
  - { column: public.customers.note, reason: nobody reads it }
`})
	s.refused(`title`)
}

func TestMappingWithAFailingCast(t *testing.T) {
	t.Parallel()
	s := newScene(t, setting{sql: mappedSQL, mapping: `version: 1
tables:
  - from: public.customers
    to: customers
    columns: { code: note::int::text, name: name }
ignore:
  - { column: public.customers.id, reason: the note is the number }
`})
	s.refused(`public\.customers`, `\b3\b`, `\b7\b`, `\b12\b`, `\b40\b`)
	s.exec(s.source, "update customers set note = id where id in (7, 12, 40)")
	s.exits(0, migrate()...)
	s.proven()
	require.Equal(t, "50", s.ask(s.target, "select count(*)::text from tenant_client_x.customers"))
}
