package localtest_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

func TestMain(m *testing.M) { localtest.Main(m) }

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := postgres.Connect(t.Context(), dsn, postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func run(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		_, err := conn.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
}

func query[T any](t *testing.T, conn *pgx.Conn, sql string) T {
	t.Helper()
	var value T
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&value))
	return value
}

func TestDatabase(t *testing.T) {
	t.Parallel()
	conn := connect(t, localtest.Database(t))
	require.True(t, query[bool](t, conn, `select rolsuper from pg_roles where rolname = current_user`))
	require.Equal(t, "logical", query[string](t, conn, `show wal_level`))
	require.Equal(t, "off", query[string](t, conn, `show fsync`))
	require.Equal(t, "10", query[string](t, conn, `show max_prepared_transactions`))
	require.Equal(t, "off", query[string](t, conn, `show track_commit_timestamp`))
	require.Equal(t, "UTF8", query[string](t, conn, `show server_encoding`))
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	dsn := localtest.Server(t).DSNAs(local.Superuser, "wrong", "postgres")
	_, err := postgres.Connect(t.Context(), dsn, postgres.Options{})
	require.ErrorIs(t, err, tenant.ErrAuth)
}

func TestDatabaseAs(t *testing.T) {
	t.Parallel()
	conn := connect(t, localtest.DatabaseAs(t, localtest.DatabaseOptions{Encoding: "LATIN1", Locale: "C", Admin: true}))
	require.Equal(t, "LATIN1", query[string](t, conn, `show server_encoding`))
	require.False(t, query[bool](t, conn, `select rolsuper from pg_roles where rolname = current_user`))
	require.True(t, query[bool](t, conn, `select rolcreaterole and rolcreatedb from pg_roles where rolname = current_user`))
	require.True(t, query[bool](t, conn, `select pg_get_userbyid(datdba) = current_user from pg_database where datname = current_database()`))
	run(t, conn, `create schema s`, `create table s.x (id int)`)
}

// What a test leaves on the server goes with it, whatever holds on to it.
func TestCleanUp(t *testing.T) {
	t.Parallel()
	var name, prefix string
	t.Run("leave", func(t *testing.T) {
		dsn := localtest.Database(t)
		prefix = localtest.Prefix(t)
		other := localtest.Database(t)
		conn := connect(t, dsn)
		name = query[string](t, conn, `select current_database()`)
		run(
			t, conn,
			`create role `+prefix+`owner`, `create schema s authorization `+prefix+`owner`, `grant create on database `+name+` to `+prefix+`owner`,
			`select pg_create_logical_replication_slot('`+prefix+`slot', 'pgoutput')`,
			`create subscription `+prefix+`sub connection 'dbname=nowhere' publication p with (connect = false)`,
			`create table left_over (id int)`, `begin`, `insert into left_over values (1)`, `prepare transaction '`+prefix+`prepared'`,
		)
		run(t, connect(t, other), `create schema authorization `+prefix+`owner`)
	})
	conn := connect(t, localtest.Server(t).DSN("postgres"))
	require.Zero(t, query[int](t, conn, `select count(*) from pg_database where datname = '`+name+`'`))
	require.Zero(t, query[int](t, conn, `select count(*) from pg_roles where starts_with(rolname, '`+prefix+`')`))
	require.Zero(t, query[int](t, conn, `select count(*) from pg_replication_slots where starts_with(slot_name, '`+prefix+`')`))
	require.Zero(t, query[int](t, conn, `select count(*) from pg_prepared_xacts where starts_with(gid, '`+prefix+`')`))
}

func TestNewServer(t *testing.T) {
	t.Parallel()
	server := localtest.NewServer(t, map[string]string{"wal_level": "replica"}, localtest.ServerOptions{})
	dsn := localtest.DatabaseAs(t, localtest.DatabaseOptions{Server: server})
	conn := connect(t, dsn)
	require.Equal(t, "replica", query[string](t, conn, `show wal_level`))
	run(t, conn, `create table kept (id int)`)
	require.NoError(t, server.Restart(t.Context()))
	require.Zero(t, query[int](t, connect(t, dsn), `select count(*) from kept`))
	require.NoError(t, server.Kill(t.Context()))
	require.Error(t, server.Ping(t.Context()))
	require.NoError(t, server.Start(t.Context()))
	require.Zero(t, query[int](t, connect(t, dsn), `select count(*) from kept`))
}

func TestSmallDisk(t *testing.T) {
	t.Parallel()
	server := localtest.NewServer(t, nil, localtest.ServerOptions{})
	run(t, connect(t, server.DSN("postgres")), `create tablespace small location '`+localtest.SmallDisk(t, 10)+`'`)
	conn := connect(t, server.DSN("postgres"))
	_, err := conn.Exec(t.Context(), `create table big tablespace small as select repeat(md5(i::text), 20) from generate_series(1, 100000) i`)
	require.Equal(t, "53100", postgres.Code(err), "disk full")
	require.NoError(t, server.Ping(t.Context()))
}

func TestServerOnSmallDisk(t *testing.T) {
	t.Parallel()
	server := localtest.NewServer(t, map[string]string{"max_wal_size": "32MB"}, localtest.ServerOptions{Dir: localtest.SmallDisk(t, 150)})
	require.NoError(t, server.Ping(t.Context()))
}

const leftoverVariable = "LOCALTEST_LEAVE"

// TestLeave isn't a test of its own: TestKilled runs it in another process and kills that.
func TestLeave(t *testing.T) {
	if os.Getenv(leftoverVariable) == "" {
		t.Skip("run by TestKilled")
	}
	fmt.Println("server", localtest.Server(t).DataDir, localtest.Server(t).PID())
	stack, err := local.Up(t.Context(), local.Options{Dir: localtest.Folder(t) + "/state"})
	require.NoError(t, err)
	fmt.Println("server", stack.Postgres.DataDir, stack.Postgres.PID())
	fmt.Println("ready")
	select {}
}

// A test process that is killed leaves no server, no stack and no folder.
func TestKilled(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestLeave$")
	cmd.Env = append(os.Environ(), leftoverVariable+"=yes")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	folders := map[string]int{}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "ready" {
		var folder string
		var pid int
		if _, err := fmt.Sscanf(lines.Text(), "server %s %d", &folder, &pid); err == nil {
			folders[strings.TrimSuffix(folder, "/data")] = pid
		}
	}
	require.Len(t, folders, 2)
	for folder, pid := range folders {
		require.DirExists(t, folder)
		require.NoError(t, syscall.Kill(pid, 0))
	}
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	for folder, pid := range folders {
		require.Eventually(t, func() bool {
			_, err := os.Stat(folder)
			return os.IsNotExist(err) && !alive(pid)
		}, 30*time.Second, 50*time.Millisecond)
	}
}

// alive tells whether a process does anything: one that nobody has waited for yet doesn't.
func alive(pid int) bool {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && len(content) > 0
}
