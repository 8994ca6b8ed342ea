package postgres_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

func findTools(t *testing.T) postgres.Tools {
	t.Helper()
	tools, err := postgres.FindTools()
	require.NoError(t, err)
	return tools
}

func TestFindServer(t *testing.T) {
	t.Parallel()
	newest, err := postgres.FindServer(0)
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(newest.Bin, "initdb"))
	same, err := postgres.FindServer(newest.Major)
	require.NoError(t, err)
	require.Equal(t, newest, same)
	_, err = postgres.FindServer(7)
	require.ErrorIs(t, err, tenant.ErrNotFound)
	require.ErrorContains(t, err, "postgres 7: not found")
	require.Len(t, tenant.Hints(err), 1)
}

// The password reaches the server, and isn't among the arguments that everyone on the machine can list.
func TestToolHidesThePassword(t *testing.T) {
	t.Parallel()
	tools := findTools(t)
	dsn := localtest.DatabaseAs(t, localtest.DatabaseOptions{Admin: true})
	config, err := pgconn.ParseConfig(dsn)
	require.NoError(t, err)
	query := "select pg_backend_pid() is not null\n" + `\! tr '\0' ' ' < /proc/$PPID/cmdline`
	for _, form := range []string{
		dsn,
		strings.Replace(dsn, ":"+config.Password, "", 1) + "&password=" + config.Password,
		fmt.Sprintf("host=127.0.0.1 port=%d user=%s password = '%s' dbname=%s", config.Port, config.User, config.Password, config.Database),
	} {
		if !strings.Contains(dsn, "?") {
			form = strings.Replace(form, "&password", "?password", 1)
		}
		script := filepath.Join(t.TempDir(), "query.sql")
		require.NoError(t, os.WriteFile(script, []byte(query), 0o600))
		out, err := tools.Run(t.Context(), "psql", form, "--no-psqlrc", "--tuples-only", "--file="+script)
		require.NoError(t, err)
		require.Contains(t, string(out), "--dbname=", "the arguments weren't seen")
		require.NotContains(t, string(out), config.Password)
	}
}

func TestToolErrors(t *testing.T) {
	t.Parallel()
	tools := findTools(t)
	dsn := localtest.Database(t)
	_, err := tools.Run(t.Context(), "pg_dump", dsn, "--table=no_such")
	require.ErrorContains(t, err, "pg_dump: exit status 1: pg_dump: error: no matching tables were found")
	_, err = tools.Run(t.Context(), "pg_dump", "host=db password='S3CRET")
	require.ErrorIs(t, err, tenant.ErrInvalid)
	require.NotContains(t, err.Error(), "S3CRET")
	_, err = tools.Run(t.Context(), "no_such_tool", dsn)
	require.ErrorContains(t, err, "no_such_tool")
	out, err := tools.Run(t.Context(), "pg_dump", "", "--version")
	require.NoError(t, err)
	require.Contains(t, string(out), fmt.Sprintf("(PostgreSQL) %d", tools.Major))
}

// A tool that is given up ends at once, and takes along what the server was doing for it.
func TestToolEndsWithItsContext(t *testing.T) {
	t.Parallel()
	tools := findTools(t)
	dsn := localtest.Database(t)
	blocker, watcher := connect(t, dsn, postgres.Options{}), connect(t, dsn, postgres.Options{})
	require.NoError(t, postgres.Script(t.Context(), blocker, `create table a (id int)`))
	require.NoError(t, postgres.Script(t.Context(), blocker, `begin; lock table a`))
	waiting := func(count int) func() bool {
		return func() bool {
			var found int
			err := watcher.QueryRow(t.Context(), `
				select count(*) from pg_stat_activity
				where application_name = 'tenantctl/pg_dump' and datname = current_database() and wait_event_type = 'Lock'`).Scan(&found)
			return err == nil && found == count
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := tools.Run(ctx, "pg_dump", dsn)
		ended <- err
	}()
	require.Eventually(t, waiting(1), 10*time.Second, 10*time.Millisecond)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Eventually(t, waiting(0), 5*time.Second, 10*time.Millisecond, "the server still works for it")
	require.NoError(t, postgres.Script(t.Context(), blocker, `commit`))
}
