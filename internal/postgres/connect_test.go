package postgres_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// What people read when a server can't be had: which, as whom, why, and what to type. Never a password, never two lines.
func TestConnectErrors(t *testing.T) {
	t.Parallel()
	good := localtest.DatabaseAs(t, localtest.DatabaseOptions{Admin: true})
	config, err := pgconn.ParseConfig(good)
	require.NoError(t, err)
	password := config.Password
	require.NotEmpty(t, password)
	for _, test := range []struct {
		name, dsn string
		is        error
		text      string
	}{
		{"wrong password", strings.Replace(good, password, "S3CRET", 1), tenant.ErrAuth, `authentication failed: .*password authentication failed for user "admin_`},
		{"unknown role", strings.Replace(good, config.User, "nobody", 1), tenant.ErrAuth, `as "nobody" to database .*authentication failed`},
		{"unknown database", strings.Replace(good, config.Database, "no_such", 1), tenant.ErrNotFound, `to database "no_such": not found: .*database "no_such" does not exist`},
		{"dead port", "postgres://ann:S3CRET@127.0.0.1:" + deadPort(t) + "/app", nil, `^connect to 127\.0\.0\.1:\d+ as "ann" to database "app": .*connection refused$`},
		{"unknown host", "postgres://ann:S3CRET@no-such-host.invalid/app", nil, `connect to no-such-host\.invalid:5432 as "ann"`},
		{"bad port", "postgres://ann:S3CRET@db:port/app", tenant.ErrInvalid, `^connection string postgres://ann:\*\*\*@db:port/app: invalid port: invalid$`},
		{"slash in the password", "postgres://ann:S3CRET/S3CRET@db/app", tenant.ErrInvalid, `^connection string postgres://ann:\*\*\*@db/app: .*invalid`},
		{"percent in the password", "postgres://ann:S3CRET%zz@db/app", tenant.ErrInvalid, `failed to parse as URL: invalid$`},
		{"not a connection string", "ann:S3CRET@db/app", tenant.ErrInvalid, `failed to parse as keyword/value: invalid$`},
		{"open quote", "host=db password='S3CRET S3CRET", tenant.ErrInvalid, `^connection string host=db password=\*\*\*: failed to parse as keyword/value: invalid$`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, connErr := postgres.Connect(t.Context(), test.dsn, postgres.Options{})
			_, poolErr := postgres.Open(t.Context(), test.dsn, postgres.Options{})
			for _, err := range []error{connErr, poolErr} {
				require.Error(t, err)
				if test.is != nil {
					require.ErrorIs(t, err, test.is)
				}
				require.Regexp(t, test.text, err.Error())
				require.NotContains(t, err.Error(), "S3CRET")
				require.NotContains(t, err.Error(), password)
				require.NotContains(t, err.Error(), "\n")
				require.Len(t, tenant.Hints(err), 1)
			}
		})
	}
}

// deadPort is a port that nobody listens on.
func deadPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return port
}

// A server that takes connections and says nothing doesn't keep us for ever.
func TestConnectToASilentServer(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	dsn := "postgres://ann:S3CRET@" + listener.Addr().String() + "/app?connect_timeout=1&sslmode=disable"
	began := time.Now()
	_, err = postgres.Connect(t.Context(), dsn, postgres.Options{})
	require.ErrorContains(t, err, "timeout")
	require.NotContains(t, err.Error(), "S3CRET")
	require.Equal(t, postgres.Retryable, postgres.Classify(err))
	require.Less(t, time.Since(began), 9*time.Second)
}

func TestConnectSettings(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	_, err := connect(t, dsn, postgres.Options{}).Exec(t.Context(), `do $$ begin execute format('alter database %I set idle_session_timeout = 600000', current_database()); execute format('alter database %I set datestyle = ''SQL, DMY''', current_database());
		execute format('alter database %I set default_transaction_isolation = serializable', current_database()); execute format('alter database %I set default_transaction_deferrable = on', current_database()); end $$`)
	require.NoError(t, err)
	settings := func(opts postgres.Options) map[string]string {
		conn := connect(t, dsn, opts)
		got := map[string]string{}
		for _, name := range []string{"application_name", "lock_timeout", "statement_timeout", "search_path", "client_encoding", "idle_session_timeout", "DateStyle", "transaction_isolation", "transaction_deferrable"} {
			var value string
			require.NoError(t, conn.QueryRow(t.Context(), `select current_setting($1)`, name).Scan(&value))
			got[name] = value
		}
		return got
	}
	plain := settings(postgres.Options{Application: "registry"})
	require.Equal(t, "tenantctl/registry", plain["application_name"])
	require.Equal(t, "10s", plain["lock_timeout"])
	require.Equal(t, "0", plain["statement_timeout"])
	require.Equal(t, "UTF8", plain["client_encoding"])
	require.Equal(t, "0", plain["idle_session_timeout"], "a database that ends idle sessions would end a move that waits")
	require.Equal(t, "ISO, DMY", plain["DateStyle"], "printed as the driver reads them, written as the database's own")
	require.Equal(t, "read committed off", plain["transaction_isolation"]+" "+plain["transaction_deferrable"])
	own := settings(postgres.Options{
		LockTimeout: -1, StatementTimeout: 90 * time.Second, Settings: map[string]string{"search_path": "ext"},
	})
	require.Equal(t, "0", own["lock_timeout"])
	require.Equal(t, "90s", strings.ReplaceAll(own["statement_timeout"], "1min30s", "90s"))
	require.Equal(t, "ext", own["search_path"])
}

func TestOpenBoundsItsPool(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	for want, opts := range map[int32]postgres.Options{4: {}, 9: {MaxConns: 9}} {
		pool, err := postgres.Open(t.Context(), dsn, opts)
		require.NoError(t, err)
		require.Equal(t, want, pool.Config().MaxConns)
		pool.Close()
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	server := localtest.NewServer(t, nil, localtest.ServerOptions{})
	pool, err := postgres.Open(t.Context(), server.DSN("postgres"), postgres.Options{})
	require.NoError(t, err)
	defer pool.Close()
	explain := func(err error) error { return postgres.Explain(pool.Config().ConnConfig, err) }
	query := func() error {
		_, err := pool.Exec(t.Context(), `select 1`)
		return explain(err)
	}
	require.NoError(t, query())
	_, err = pool.Exec(t.Context(), `select wrong`)
	require.Equal(t, err, explain(err), "an error of a statement stays as it is")
	require.ErrorIs(t, explain(context.Canceled), context.Canceled)

	require.NoError(t, server.Stop(context.Background()))
	lost := query()
	require.Regexp(t, `^(lost the connection|connect) to 127\.0\.0\.1:\d+`, lost.Error())
	require.Len(t, tenant.Hints(lost), 1)
	refused := query()
	require.Regexp(t, `^connect to 127\.0\.0\.1:\d+ as .*connection refused$`, refused.Error())
	require.Equal(t, refused, explain(refused), "explained twice")
	for _, err := range []error{lost, refused} {
		require.Equal(t, postgres.Retryable, postgres.Classify(err))
	}
}

func TestScriptIsOneTransaction(t *testing.T) {
	t.Parallel()
	conn := connect(t, localtest.Database(t), postgres.Options{})
	require.Error(t, postgres.Script(t.Context(), conn, `create table a (id int); create table a (id int)`))
	require.NoError(t, postgres.Script(t.Context(), conn, `create table a (id int); insert into a values (1), (2)`))
	var count int
	err := postgres.Each(t.Context(), conn, `select id from a where id > $1`, []any{0}, []any{new(int)}, func() error { count++; return nil })
	require.NoError(t, err)
	require.Equal(t, 2, count)
	rows, err := conn.Query(t.Context(), `select id from a order by id`)
	require.NoError(t, err)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, ids)
}
