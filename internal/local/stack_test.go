package local_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"tenantctl/internal/local"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(starterVariable); dir != "" {
		os.Exit(startAndWait(dir))
	}
	localtest.Main(m)
}

// stateDir is a state folder that isn't there yet.
func stateDir(t *testing.T) string {
	t.Helper()
	return filepath.Join(localtest.Folder(t), "state")
}

// up starts a stack and takes it down when t ends, if the test hasn't.
func up(t *testing.T, opts local.Options) *local.Stack {
	t.Helper()
	stack, err := local.Up(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() {
		err := local.Down(context.Background(), opts.Dir, local.RemoveData)
		if err != nil {
			require.ErrorIs(t, err, tenant.ErrNotFound)
		}
	})
	return stack
}

func exec(t *testing.T, p *local.Postgres, sql string) {
	t.Helper()
	conn, err := postgres.Connect(t.Context(), p.DSN("postgres"), postgres.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.Background())) }()
	_, err = conn.Exec(t.Context(), sql)
	require.NoError(t, err)
}

func query[T any](t *testing.T, dsn, sql string) T {
	t.Helper()
	conn, err := postgres.Connect(t.Context(), dsn, postgres.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.Background())) }()
	rows, err := conn.Query(t.Context(), sql)
	require.NoError(t, err)
	value, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	require.NoError(t, err)
	return value
}

// requireGone asserts that a process has ended, but for its parent (this very test, in the same process) taking notice.
func requireGone(t *testing.T, pid int) {
	t.Helper()
	require.NotZero(t, pid)
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err == nil {
		require.Regexp(t, `\) Z`, string(line), "process is still there")
	}
}

// processesOf lists the processes that have a text in their command line or environment.
func processesOf(t *testing.T, text string) []string {
	t.Helper()
	var found []string
	for _, name := range []string{"cmdline", "environ"} {
		paths, err := filepath.Glob("/proc/[0-9]*/" + name)
		require.NoError(t, err)
		for _, path := range paths {
			if filepath.Base(filepath.Dir(path)) == strconv.Itoa(os.Getpid()) {
				continue
			}
			content, err := os.ReadFile(path)
			if err == nil && strings.Contains(string(content), text) && !strings.Contains(string(content), "guard") {
				found = append(found, path)
			}
		}
	}
	return found
}

func TestUpAndDown(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	stack := up(t, local.Options{Dir: dir})
	require.Equal(t, local.PartPostgres, stack.Started)
	require.Nil(t, stack.Broker)
	dsn := stack.Postgres.DSN("postgres")
	require.Equal(t, "logical", query[string](t, dsn, `show wal_level`))
	require.Equal(t, "on", query[string](t, dsn, `show fsync`))
	require.Equal(t, "127.0.0.1", query[string](t, dsn, `show listen_addresses`))

	found, err := local.Find(dir)
	require.NoError(t, err)
	require.Equal(t, dsn, found.Postgres.DSN("postgres"))
	status := found.Status(t.Context())
	require.Len(t, status, 1)
	require.Equal(t, local.StateRunning, status[0].State)
	require.Equal(t, stack.Postgres.PID(), status[0].PID)
	require.FileExists(t, status[0].Log)

	pid := found.Postgres.PID()
	require.NoError(t, local.Down(t.Context(), dir, local.RemoveData))
	requireGone(t, pid)
	require.NoDirExists(t, dir)
	require.Empty(t, processesOf(t, dir))
	require.ErrorIs(t, local.Down(t.Context(), dir, local.RemoveData), tenant.ErrNotFound)
	_, err = local.Find(dir)
	require.ErrorIs(t, err, tenant.ErrNotFound)
	require.Contains(t, tenant.Hints(err), "start one: `tenantctl local up`")
	require.NoDirExists(t, dir, "looking for a stack makes no folder")
}

func TestUpAgain(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	first := up(t, local.Options{Dir: dir})
	second := up(t, local.Options{Dir: dir})
	require.Zero(t, second.Started)
	require.Equal(t, first.Postgres.PID(), second.Postgres.PID())
	require.Equal(t, first.Postgres.DSN("x"), second.Postgres.DSN("x"))
}

func TestStacksSideBySide(t *testing.T) {
	t.Parallel()
	stacks := make([]*local.Stack, 3)
	var group errgroup.Group
	for i := range stacks {
		dir := stateDir(t)
		group.Go(func() error {
			var err error
			stacks[i], err = local.Up(t.Context(), local.Options{Dir: dir})
			return err
		})
		t.Cleanup(func() { require.NoError(t, local.Down(context.Background(), dir, local.RemoveData)) })
	}
	require.NoError(t, group.Wait())
	for i, stack := range stacks {
		exec(t, stack.Postgres, `create table mine as select `+strconv.Itoa(i)+` as number`)
	}
	for i, stack := range stacks {
		require.Equal(t, int32(i), query[int32](t, stack.Postgres.DSN("postgres"), `select number from mine`))
	}
}

func TestUpAtOnce(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	stacks := make([]*local.Stack, 4)
	var group errgroup.Group
	for i := range stacks {
		group.Go(func() error {
			var err error
			stacks[i], err = local.Up(t.Context(), local.Options{Dir: dir})
			return err
		})
	}
	require.NoError(t, group.Wait())
	t.Cleanup(func() { require.NoError(t, local.Down(context.Background(), dir, local.RemoveData)) })
	started := 0
	for _, stack := range stacks {
		require.Equal(t, stacks[0].Postgres.PID(), stack.Postgres.PID())
		if stack.Started != 0 {
			started++
		}
	}
	require.Equal(t, 1, started)
}

func TestUpAfterKill(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	stack := up(t, local.Options{Dir: dir})
	exec(t, stack.Postgres, `create table kept as select 1 as number`)
	require.NoError(t, syscall.Kill(stack.Postgres.PID(), syscall.SIGKILL))
	require.Eventually(t, func() bool { return stack.Postgres.PID() == 0 }, waitLimit, tick)
	require.Equal(t, local.StateStopped, stack.Status(t.Context())[0].State)

	again := up(t, local.Options{Dir: dir})
	require.Equal(t, local.PartPostgres, again.Started)
	require.Equal(t, stack.Postgres.Port, again.Postgres.Port)
	require.Equal(t, int32(1), query[int32](t, again.Postgres.DSN("postgres"), `select number from kept`))
}

// After a power cut the lock file names a pid that another program has by now, and the port may be taken.
func TestUpAfterPowerCut(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	stack := up(t, local.Options{Dir: dir})
	exec(t, stack.Postgres, `create table kept as select 1 as number`)
	lockFile := filepath.Join(stack.Postgres.DataDir, "postmaster.pid")
	content, err := os.ReadFile(lockFile)
	require.NoError(t, err)
	require.NoError(t, local.Down(t.Context(), dir, local.KeepData))
	_, rest, _ := strings.Cut(string(content), "\n")
	require.NoError(t, os.WriteFile(lockFile, []byte(strconv.Itoa(os.Getpid())+"\n"+rest), 0o600))
	listener, err := net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(stack.Postgres.Port))
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()

	again := up(t, local.Options{Dir: dir})
	require.NotEqual(t, stack.Postgres.Port, again.Postgres.Port)
	require.Equal(t, int32(1), query[int32](t, again.Postgres.DSN("postgres"), `select number from kept`))
}

func TestSettings(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	settings := map[string]string{"work_mem": "7MB", "wal_level": "replica", "max_wal_senders": "3"}
	stack := up(t, local.Options{Dir: dir, Settings: settings})
	require.Equal(t, "7MB", query[string](t, stack.Postgres.DSN("postgres"), `show work_mem`))
	require.Equal(t, "replica", query[string](t, stack.Postgres.DSN("postgres"), `show wal_level`))

	_, err := local.Up(t.Context(), local.Options{Dir: dir, Settings: map[string]string{"work_mem": "9MB"}})
	require.ErrorIs(t, err, tenant.ErrConflict)
	up(t, local.Options{Dir: dir, Settings: settings})

	require.NoError(t, local.Down(t.Context(), dir, local.KeepData))
	require.Equal(t, "7MB", query[string](t, up(t, local.Options{Dir: dir}).Postgres.DSN("postgres"), `show work_mem`))
	require.NoError(t, local.Down(t.Context(), dir, local.KeepData))
	other := up(t, local.Options{Dir: dir, Settings: map[string]string{"work_mem": "9MB"}})
	require.Equal(t, "9MB", query[string](t, other.Postgres.DSN("postgres"), `show work_mem`))
}

// A folder may be called anything, and be so deep that no socket's path fits.
func TestFolderNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"it's a \"folder\"", strings.Repeat("deep/", 30)} {
		dir := filepath.Join(stateDir(t), name)
		stack := up(t, local.Options{Dir: dir})
		require.NoError(t, stack.Postgres.Ping(t.Context()))
		require.Equal(t, stack.Postgres.SocketDir, query[string](t, stack.Postgres.DSN("postgres"), `show unix_socket_directories`))
		require.Equal(t, len(dir) > 100, stack.Postgres.SocketDir == "")
		require.NoError(t, local.Down(t.Context(), dir, local.RemoveData))
		require.NoDirExists(t, dir)
	}
}

// Root's own home lets nobody else pass: the servers' files lie elsewhere then, and go all the same.
func TestUnreachableFolder(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root runs servers as another user")
	}
	private := localtest.Folder(t)
	require.NoError(t, os.Chmod(private, 0o700))
	dir := filepath.Join(private, "state")
	stack := up(t, local.Options{Dir: dir})
	home := filepath.Dir(filepath.Dir(stack.Postgres.DataDir))
	require.NotEqual(t, dir, home)
	require.NoError(t, local.Down(t.Context(), dir, local.RemoveData))
	require.NoDirExists(t, dir)
	require.NoDirExists(t, home)
}

func TestFolderOfSomeoneElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	notes := filepath.Join(dir, "notes.txt")
	require.NoError(t, os.WriteFile(notes, []byte("mine"), 0o600))
	_, err := local.Up(t.Context(), local.Options{Dir: dir})
	require.ErrorIs(t, err, tenant.ErrConflict)
	require.ErrorIs(t, local.Down(t.Context(), dir, local.RemoveData), tenant.ErrNotFound)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left beside the notes")
	require.FileExists(t, notes)
}

func TestDataFolderGone(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	stack := up(t, local.Options{Dir: dir})
	require.NoError(t, local.Down(t.Context(), dir, local.KeepData))
	require.NoError(t, os.RemoveAll(filepath.Dir(stack.Postgres.DataDir)))
	_, err := local.Up(t.Context(), local.Options{Dir: dir})
	require.ErrorIs(t, err, tenant.ErrNotFound)
	require.NoError(t, local.Down(t.Context(), dir, local.RemoveData))
	require.NoDirExists(t, dir)
}

func TestDefaultDir(t *testing.T) {
	t.Parallel()
	given := map[string]string{"XDG_STATE_HOME": "/state", "HOME": "/home/someone"}
	env := func(name string) (string, bool) { value, ok := given[name]; return value, ok }
	first, err := local.DefaultDir(env, "/somewhere/shop")
	require.NoError(t, err)
	second, err := local.DefaultDir(env, "/elsewhere/shop")
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	require.Equal(t, "/state/tenantctl", filepath.Dir(first))
	require.True(t, strings.HasPrefix(filepath.Base(first), "shop-"))
	delete(given, "XDG_STATE_HOME")
	first, err = local.DefaultDir(env, "/somewhere/shop")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(first, "/home/someone/.local/state/tenantctl/shop-"))
	delete(given, "HOME")
	_, err = local.DefaultDir(env, "/somewhere/shop")
	require.ErrorIs(t, err, tenant.ErrNotFound)
}
