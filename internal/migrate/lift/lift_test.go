package lift_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/migrate/ddl"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/migrate/lift"
	"tenantctl/internal/postgres"
	"tenantctl/test/compare"
	"tenantctl/test/fixture"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// scratch gives a database of the test's own server.
type scratch struct{ t *testing.T }

func (s scratch) Create(context.Context, string) (string, func(context.Context) error, error) {
	return localtest.Database(s.t), func(context.Context) error { return nil }, nil
}

func prepare(t *testing.T, source string) *lift.Script {
	t.Helper()
	conn := connect(t, source)
	catalog, err := inspect.Read(t.Context(), conn)
	require.NoError(t, err)
	renaming, err := lift.NewRenaming("tenant_x", catalog.Schemas)
	require.NoError(t, err)
	for _, e := range catalog.Extensions {
		if e.Schema != "pg_catalog" {
			renaming.Extensions[e.Name] = lift.ExtensionSchema
		}
	}
	tools, err := postgres.FindTools()
	require.NoError(t, err)
	script, err := lift.Prepare(t.Context(), lift.Options{
		Source: source, Scratch: scratch{t}, Name: "scratch", Tools: tools, Catalog: catalog, Renaming: renaming,
	})
	require.NoError(t, err)
	return script
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := postgres.Connect(t.Context(), dsn, postgres.Options{Application: "test"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// load runs a script's definitions on an empty database.
func load(t *testing.T, target string, script *lift.Script) {
	t.Helper()
	conn := connect(t, target)
	for _, schema := range script.Schemas {
		require.NoError(t, postgres.Script(t.Context(), conn, "create schema if not exists "+postgres.Ident(schema)))
	}
	for name, schema := range script.Extensions {
		require.NoError(t, postgres.Script(t.Context(), conn, "create schema if not exists "+postgres.Ident(schema)+"; create extension "+postgres.Ident(name)+" schema "+postgres.Ident(schema)))
	}
	_, err := conn.Exec(t.Context(), "select set_config('search_path', $1, false), set_config('check_function_bodies', 'off', false)", pathOf(script.Path))
	require.NoError(t, err)
	for _, s := range append(append([]ddl.Statement(nil), script.Pre...), script.Post...) {
		require.NoError(t, postgres.Script(t.Context(), conn, s.SQL), s.Object())
	}
}

func pathOf(path []string) string {
	list := ""
	for i, schema := range path {
		if i > 0 {
			list += ", "
		}
		list += postgres.Ident(schema)
	}
	return list
}

// The zoo has one of everything; what comes out must be the same but for the names of the schemas.
func TestZooIsTheSameAfterwards(t *testing.T) {
	t.Parallel()
	source, target := localtest.Database(t), localtest.Database(t)
	fixture.Load(t, source, "zoo.sql")
	script := prepare(t, source)
	load(t, target, script)
	var definitions []string
	for _, line := range compare.Lift(t, connect(t, source), connect(t, target), script.Schemas) {
		// Rows, sequences and filled materialized views come later in a move.
		if !strings.Contains(line, "rows") && !strings.Contains(line, "stands at") && !strings.Contains(line, "populated") && !strings.Contains(line, "position") {
			definitions = append(definitions, line)
		}
	}
	require.Empty(t, definitions)
}

func TestRewritesReferencesHeldAsText(t *testing.T) {
	t.Parallel()
	source := localtest.Database(t)
	require.NoError(t, postgres.Script(t.Context(), connect(t, source), `
		create extension pg_trgm; create schema audit; create schema tools; create extension hstore schema tools;
		create sequence s; create table t (id int default nextval('public.s'::text), kind text default 'public', place text default 'public.t', shelf name default 'public');
		create type e as enum ('public', 'public.t');
		create table audit.log (id int);
		create function f() returns int language plpgsql set search_path to public, pg_temp as $$
		begin
			perform 1 from public.t; insert into audit.log values (1);           -- public.t in a comment stays
			execute 'select 1 from public.t where kind = ''public''';
			execute format('select 1 from public.%I', 't'); execute 'select 1 from public.' || 't';
			perform 1 from information_schema.tables where table_schema = 'public';
			perform tools.hstore('a', 'b'); perform public.similarity('a', 'b');
			perform set_config('search_path', 'audit, public', true);
			return (select audit.id from t audit limit 1);
		end $$`))
	script := prepare(t, source)
	sql := map[string]string{}
	for _, s := range script.Pre {
		sql[s.Kind+" "+s.Name] += s.SQL
	}
	body := sql["FUNCTION f()"]
	for _, want := range []string{
		`SET search_path TO 'tenant_x', 'pg_temp', 'ext'`, `from tenant_x.t; insert into tenant_x__audit.log`, `-- public.t in a comment stays`,
		`'select 1 from tenant_x.t where kind = ''public'''`, `format('select 1 from tenant_x.%I', 't')`, `'select 1 from tenant_x.' || 't'`,
		`table_schema = 'tenant_x'`, `ext.hstore('a', 'b')`, `ext.similarity('a', 'b')`, `'tenant_x__audit, tenant_x, ext'`, `(select audit.id from t audit limit 1)`,
	} {
		require.Contains(t, body, want)
	}
	require.Contains(t, sql["TABLE t"], `nextval(('tenant_x.s'::text)::regclass)`)
	require.Contains(t, sql["TABLE t"], `kind text DEFAULT 'public'::text`)
	require.Contains(t, sql["TABLE t"], `place text DEFAULT 'public.t'::text`)
	require.Contains(t, sql["TABLE t"], `shelf name DEFAULT 'public'::name`)
	require.Contains(t, sql["TYPE e"], `'public.t'`)
	require.NotEmpty(t, script.Rewrites)
}

func TestCarriesOnlyWhatIsSelected(t *testing.T) {
	t.Parallel()
	source := localtest.Database(t)
	require.NoError(t, postgres.Script(t.Context(), connect(t, source), `
		create type mood as enum ('a'); create type unused as enum ('b');
		create function helper() returns int language sql as 'select 1';
		create function stamp() returns trigger language plpgsql as 'begin perform helper(); return new; end';
		create function other() returns int language sql as 'select 2';
		create table customers (id serial primary key);
		create table custom_notes (id serial primary key, customer int references customers, m mood);
		create trigger stamp before insert on custom_notes for each row execute function stamp();
		create view over_all as select * from customers`))
	conn := connect(t, source)
	catalog, err := inspect.Read(t.Context(), conn)
	require.NoError(t, err)
	renaming, err := lift.NewRenaming("tenant_x", catalog.Schemas)
	require.NoError(t, err)
	tools, err := postgres.FindTools()
	require.NoError(t, err)
	script, err := lift.Prepare(t.Context(), lift.Options{
		Source: source, Scratch: scratch{t}, Name: "scratch", Tools: tools, Catalog: catalog, Renaming: renaming,
		Select: func(_, name string) bool { return strings.HasPrefix(name, "custom_") },
	})
	require.NoError(t, err)
	var carried []string
	for _, s := range script.Pre {
		carried = append(carried, s.Kind+" "+s.Name)
	}
	require.ElementsMatch(t, []string{
		"TYPE mood", "FUNCTION helper()", "FUNCTION stamp()", "TABLE custom_notes", "SEQUENCE custom_notes_id_seq",
		"SEQUENCE OWNED BY custom_notes_id_seq", "DEFAULT custom_notes id",
	}, carried)
	require.Len(t, script.Findings, 1)
	require.Contains(t, script.Findings[0].String(), "custom_notes_customer_fkey")
}
