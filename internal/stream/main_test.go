package stream_test

import (
	"context"
	"maps"
	"os"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
)

func TestMain(m *testing.M) {
	if dsn := os.Getenv(childDSN); dsn != "" {
		os.Exit(child(dsn))
	}
	localtest.Main(m)
}

// files makes a file system of ups; each gets a down that says nothing unless one is given.
func files(scripts map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, sql := range scripts {
		fsys[name+".up.sql"] = &fstest.MapFile{Data: []byte(sql)}
		fsys[name+".down.sql"] = &fstest.MapFile{Data: []byte("-- no way back")}
	}
	return fsys
}

func read(t *testing.T, service string, scripts map[string]string) *stream.Stream {
	t.Helper()
	s, err := stream.Read(service, files(scripts))
	require.NoError(t, err)
	return s
}

// bundle is a database with a schema and the role that owns what is made in it.
type bundle struct {
	ctx    context.Context
	dsn    string
	conn   *pgx.Conn
	target stream.Target
}

func setup(t *testing.T) bundle {
	t.Helper()
	b := bundle{ctx: t.Context(), dsn: localtest.Database(t)}
	b.conn = b.connect(t)
	b.target = stream.Target{Schema: "tenant_a", Role: localtest.Prefix(t) + "owner"}
	b.exec(t, `create role `+postgres.Ident(b.target.Role)+`; create schema tenant_a; grant usage, create on schema tenant_a to `+postgres.Ident(b.target.Role))
	return b
}

func (b bundle) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := postgres.Connect(b.ctx, b.dsn, postgres.Options{Application: "test"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (b bundle) exec(t *testing.T, sql string) {
	t.Helper()
	require.NoError(t, postgres.Script(b.ctx, b.conn, sql))
}

func (b bundle) text(t *testing.T, sql string) string {
	t.Helper()
	var text string
	require.NoError(t, b.conn.QueryRow(b.ctx, sql).Scan(&text))
	return text
}

// threeFiles are a stream with what golang-migrate files commonly hold.
func threeFiles() map[string]string {
	return maps.Clone(map[string]string{
		"001_customers": "create table customers (id bigint primary key, name text not null);",
		"002_wrapped":   "BEGIN;\nalter table customers add city text default ';'; -- ;\nCOMMIT;\n",
		"010_function": `create function greet(int) returns text language plpgsql as $$
begin
  return 'hello; ' || $1;
end $$;
insert into customers values (1, 'é');`,
	})
}
