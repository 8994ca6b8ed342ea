package core_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
)

func TestMain(m *testing.M) { localtest.Main(m) }

func setup(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := postgres.Connect(t.Context(), localtest.Database(t), postgres.Options{Application: "test"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func apply(t *testing.T, conn *pgx.Conn) *stream.Stream {
	t.Helper()
	s, err := core.Stream()
	require.NoError(t, err)
	require.NoError(t, postgres.Script(t.Context(), conn, `create schema tenant_a`))
	_, err = stream.Apply(t.Context(), conn, stream.Target{Schema: "tenant_a"}, s, s.Newest())
	require.NoError(t, err)
	return s
}

func TestEveryFileIsTransactionalAndUndoesItself(t *testing.T) {
	t.Parallel()
	conn := setup(t)
	s := apply(t, conn)
	files := s.Files()
	for i := len(files) - 1; i >= 0; i-- {
		require.Equal(t, stream.Transactional, files[i].Up.Mode)
		require.NoError(t, postgres.Script(t.Context(), conn, `begin; set local search_path = tenant_a; `+files[i].Down.SQL+`; commit`))
	}
	var left []string
	require.NoError(t, conn.QueryRow(t.Context(), `select coalesce(array_agg(relname::text), '{}') from pg_class
		where relnamespace = 'tenant_a'::regnamespace and relkind <> 'i'`).Scan(&left))
	require.Equal(t, []string{s.Table()}, left)
}

// foreignKeysWithoutIndex lists the constraints whose columns don't lead an index.
const foreignKeysWithoutIndex = `
	select coalesce(array_agg(conname::text), '{}') from pg_constraint c
	where contype = 'f' and connamespace = 'tenant_a'::regnamespace and not exists (
		select from pg_index i where i.indrelid = c.conrelid and (i.indkey::int2[])[0:cardinality(conkey) - 1] @> conkey)`

func TestEveryForeignKeyHasAnIndexAndEveryTableItsExtra(t *testing.T) {
	t.Parallel()
	conn := setup(t)
	apply(t, conn)
	var bare []string
	require.NoError(t, conn.QueryRow(t.Context(), foreignKeysWithoutIndex).Scan(&bare))
	require.Empty(t, bare)
	var without []string
	require.NoError(t, conn.QueryRow(t.Context(), `select coalesce(array_agg(t.tablename::text), '{}') from pg_tables t
		where schemaname = 'tenant_a' and tablename not like 'schema_migrations%' and tablename <> 'core_idempotency' and not exists (
			select from information_schema.columns c where c.table_schema = t.schemaname and c.table_name = t.tablename
			and column_name = 'extra' and is_nullable = 'NO' and column_default = '''{}''::jsonb')`).Scan(&without))
	require.Empty(t, without)
}

// TestNorthwindGoesInRowByRow fills the tables from Northwind's with expressions that see one row each.
func TestNorthwindGoesInRowByRow(t *testing.T) {
	t.Parallel()
	northwind, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "shared", "data", "northwind.sql"))
	if os.IsNotExist(err) {
		t.Skip("northwind.sql is not here")
	}
	require.NoError(t, err)
	conn := setup(t)
	require.NoError(t, postgres.Script(t.Context(), conn, string(northwind)))
	require.NoError(t, postgres.Script(t.Context(), conn, `reset all`))
	apply(t, conn)
	mapping, err := fs.ReadFile(os.DirFS("testdata"), "northwind.sql")
	require.NoError(t, err)
	require.NoError(t, postgres.Script(t.Context(), conn, string(mapping)))
	var orders, items int
	var total string
	require.NoError(t, conn.QueryRow(t.Context(), `select count(*), sum(lines), sum(total)::numeric(12, 2)::text from tenant_a.order_totals`).Scan(&orders, &items, &total))
	require.Equal(t, 830, orders)
	require.Equal(t, 2155, items)
	require.Equal(t, "1330735.73", total)
}
