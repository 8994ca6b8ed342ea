package lift_test

import (
	"context"
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
	path := make([]string, len(script.Path))
	for i := range script.Path {
		path[i] = postgres.Ident(script.Path[i])
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

func TestZ(t *testing.T) {
	source := localtest.Database(t)
	fixture.Load(t, source, "zoo.sql")
	script := prepare(t, source)
	target := localtest.Database(t)
	load(t, target, script)
	t.Log(script.Rewrites)
	t.Log(script.Findings)
	for _, line := range compare.Lift(t, connect(t, source), connect(t, target), script.Schemas) {
		t.Log(line)
	}
}
