package cli

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/migrate/lift"
	"tenantctl/internal/postgres"
)

// TestScratchOnTheInstance is what serves where PostgreSQL's server programs aren't installed.
func TestScratchOnTheInstance(t *testing.T) {
	t.Parallel()
	instance := localtest.DatabaseAs(t, localtest.DatabaseOptions{Admin: true})
	s := &scratch{instance: instance, server: instance, ready: make(chan struct{})}
	s.once.Do(func() { close(s.ready) }) // as find leaves it there
	var lent lift.Scratch = s
	name := "tenantctl_scratch_" + strings.Repeat("a", 8)
	databases := func() (n int) {
		conn, err := postgres.Connect(t.Context(), instance, postgres.Options{Application: "test"})
		require.NoError(t, err)
		defer func() { _ = conn.Close(context.Background()) }()
		require.NoError(t, conn.QueryRow(t.Context(), `select count(*) from pg_database where datname = $1`, name).Scan(&n))
		return n
	}
	first, _, err := lent.Create(t.Context(), name)
	require.NoError(t, err)
	left, err := postgres.Connect(t.Context(), first, postgres.Options{Application: "test"})
	require.NoError(t, err)
	defer func() { _ = left.Close(context.Background()) }()

	second, drop, err := lent.Create(t.Context(), name) // a killed run left the first, with a session
	require.NoError(t, err)
	require.Equal(t, first, second)
	require.Equal(t, 1, databases())
	require.NoError(t, drop(t.Context()))
	require.NoError(t, drop(t.Context()), "dropped twice is no error")
	require.Zero(t, databases())
}

func TestConnectionStringsForAnother(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{"postgres://me:old@127.0.0.1:5433/mine?sslmode=disable&dbname=mine", "host=127.0.0.1 port=5433 user=me password=old dbname=mine sslmode=disable"} {
		config, err := pgx.ParseConfig(onDatabase(withLogin(dsn, "o'ther", `n\ew pass`), `it's "new"`))
		require.NoError(t, err)
		require.Equal(t, []any{"127.0.0.1", uint16(5433), "o'ther", `n\ew pass`, `it's "new"`},
			[]any{config.Host, config.Port, config.User, config.Password, config.Database})
	}
}
