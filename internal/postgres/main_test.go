package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
)

func TestMain(m *testing.M) { localtest.Main(m) }

func connect(t *testing.T, dsn string, opts postgres.Options) *pgx.Conn {
	t.Helper()
	conn, err := postgres.Connect(t.Context(), dsn, opts)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}
