package localtest_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
)

func TestMain(m *testing.M) { localtest.Main(m) }

func query[T any](t *testing.T, dsn, sql string) T {
	t.Helper()
	conn, err := postgres.Connect(t.Context(), dsn, postgres.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.Background())) }()
	var value T
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&value))
	return value
}

func TestDatabase(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	require.True(t, query[bool](t, dsn, `select rolsuper from pg_roles where rolname = current_user`))
	require.Equal(t, "logical", query[string](t, dsn, `show wal_level`))
	require.Equal(t, "UTF8", query[string](t, dsn, `show server_encoding`))
}
