package gate

import (
	"context"
	"net/url"
	"os"
	osexec "os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/internal/upgrade"
)

// pair is a server with a standby.
type pair struct {
	primary string // connection string
	standby *local.Postgres
}

// newPair makes a standby of a server of the test's own. A standby has its primary's passwords, so the primary is given that
// of the server whose place the standby takes.
func newPair(t *testing.T, settings map[string]string) pair {
	t.Helper()
	primary, standby := localtest.NewServer(t, settings, localtest.ServerOptions{}), localtest.NewServer(t, nil, localtest.ServerOptions{})
	address, err := url.Parse(standby.DSN("postgres"))
	require.NoError(t, err)
	password, _ := address.User.Password()
	exec(t, client(t, primary.DSN("postgres"), "test"), `alter role `+local.Superuser+` password `+postgres.Literal(password))
	dsn := primary.DSNAs(local.Superuser, password, "postgres")

	require.NoError(t, standby.Stop(t.Context()))
	info, err := os.Stat(standby.DataDir)
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(standby.DataDir))
	tools, err := postgres.FindServer(15)
	require.NoError(t, err)
	out, err := run(t, filepath.Join(tools.Bin, "pg_basebackup"), "-d", dsn, "-D", standby.DataDir, "-R", "-X", "stream", "-c", "fast")
	require.NoError(t, err, out)
	owner := info.Sys().(*syscall.Stat_t)
	require.NoError(t, filepath.WalkDir(standby.DataDir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(owner.Uid), int(owner.Gid))
	}))
	require.NoError(t, standby.Start(t.Context()))
	return pair{primary: dsn, standby: standby}
}

func run(t *testing.T, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := osexec.CommandContext(ctx, name, args...).CombinedOutput()
	return string(out), err
}

func TestReplication(t *testing.T) {
	t.Parallel()
	p := newPair(t, map[string]string{"max_slot_wal_keep_size": "-1"})
	admin := client(t, p.primary, "admin")
	eventually(t, admin, `select count(*) = 1 from pg_stat_replication where state = 'streaming' and pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) = 0`)
	j, _ := lookAt(t, p.primary, generous())
	require.Equal(t, upgrade.Pass, j.Verdict)
	require.Regexp(t, `its standbys are at most [0-9.ms]+ and [0-9]+ B behind \(limits 1h and 1.0 TB\)`, j.Message)

	j, again := lookAt(t, p.standby.DSN("postgres"), generous())
	require.Equal(t, upgrade.Inconclusive, j.Verdict)
	require.False(t, again)
	require.Contains(t, j.Message, "instance shared-1 is a standby")

	lag(t, p)
	slot(t, p)
}

// lag pauses the standby's replay.
func lag(t *testing.T, p pair) {
	t.Helper()
	admin, replica := client(t, p.primary, "admin"), client(t, p.standby.DSN("postgres"), "admin")
	exec(t, replica, `select pg_wal_replay_pause()`)
	eventually(t, replica, `select pg_get_wal_replay_pause_state() = 'paused'`)
	exec(t, admin, `select pg_logical_emit_message(true, 'test', repeat('x', 4000000))`)
	limits := generous()
	limits.ReplicationBytes = 1 << 20
	j, again := lookAt(t, p.primary, limits)
	require.Equal(t, upgrade.Fail, j.Verdict)
	require.True(t, again)
	require.Regexp(t, `^instance shared-1: standby tenantctl is 3.8 MB behind \(limit 1.0 MB\): wait until it has caught up; `, j.Message)
	require.Greater(t, figure(t, j, "shared-1 replication behind").Value, 3.5*(1<<20))

	// By how long it is behind the primary is told of what commits, and forgets it soon after the last.
	exec(t, replica, `alter system set recovery_min_apply_delay = '1s'`, `select pg_reload_conf()`, `select pg_wal_replay_resume()`)
	limits = generous()
	limits.ReplicationLag = 100 * time.Millisecond
	require.Eventually(t, func() bool {
		exec(t, admin, `select pg_logical_emit_message(true, 'test', 'x')`)
		j, _ = lookAt(t, p.primary, limits)
		return j.Verdict == upgrade.Fail
	}, time.Minute, 20*time.Millisecond, "the standby is a second behind, and nobody sees it")
	require.Regexp(t, `standby tenantctl is [0-9.]+(ms|s) behind \(limit 100ms\): wait`, j.Message)
}

// slot lets a slot that nothing reads keep WAL until it is lost.
func slot(t *testing.T, p pair) {
	t.Helper()
	admin := client(t, p.primary, "admin")
	exec(t, admin, `select pg_create_physical_replication_slot('backup', true)`, `select pg_logical_emit_message(true, 'test', repeat('x', 4000000))`)
	limits := generous()
	limits.SlotWAL = 1 << 20
	j, again := lookAt(t, p.primary, limits)
	require.Equal(t, upgrade.Fail, j.Verdict)
	require.True(t, again)
	require.Regexp(t, `^instance shared-1: replication slot backup keeps [0-9.]+ MB of WAL on the server \(limit 1.0 MB\); nothing reads from it: start its reader, or drop the slot if nobody needs it$`, j.Message)
	j, _ = lookAt(t, p.primary, generous())
	require.Equal(t, upgrade.Pass, j.Verdict, j.Message)

	exec(t, admin, `alter system set max_slot_wal_keep_size = '1MB'`, `select pg_reload_conf()`)
	for range 4 {
		exec(t, admin, `select pg_logical_emit_message(true, 'test', repeat('x', 4000000))`, `select pg_switch_wal()`)
	}
	exec(t, admin, `checkpoint`)
	eventually(t, admin, `select wal_status = 'lost' from pg_replication_slots`)
	j, again = lookAt(t, p.primary, generous())
	require.Equal(t, upgrade.Inconclusive, j.Verdict)
	require.False(t, again)
	require.Contains(t, j.Message, "instance shared-1: replication slot backup has lost WAL that its reader still needed")
}
