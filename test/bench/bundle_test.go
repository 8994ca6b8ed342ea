package bench_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
)

// bundle is a legacy server and a shared one, both on disk and as durable as PostgreSQL is by default.
type bundle struct {
	b              *testing.B
	source, target *local.Postgres
	tools          postgres.Tools
	databases      int // that were made on the shared server
}

func setup(b *testing.B) *bundle {
	b.Helper()
	tools, err := postgres.FindTools()
	require.NoError(b, err)
	return &bundle{b: b, source: newServer(b), target: newServer(b), tools: tools}
}

func newServer(b *testing.B) *local.Postgres {
	b.Helper()
	durable := map[string]string{"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
	return localtest.NewServer(b, durable, localtest.ServerOptions{OnDisk: true})
}

// script runs statements as the superuser.
func (u *bundle) script(dsn, sql string) {
	u.b.Helper()
	ctx := context.Background()
	conn, err := postgres.Connect(ctx, dsn, postgres.Options{Application: "bench"})
	require.NoError(u.b, err)
	defer func() { _ = conn.Close(ctx) }()
	require.NoError(u.b, postgres.Script(ctx, conn, sql))
}

// admin runs one statement on a server that no transaction may hold.
func (u *bundle) admin(server *local.Postgres, sql string) {
	u.b.Helper()
	ctx := context.Background()
	conn, err := postgres.Connect(ctx, server.DSN("postgres"), postgres.Options{Application: "bench"})
	require.NoError(u.b, err)
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql)
	require.NoError(u.b, err, sql)
}

// legacy makes a database on the legacy server, settled: vacuumed, analyzed, nothing left to write.
func (u *bundle) legacy(name, sql string) (dsn string) {
	u.b.Helper()
	u.admin(u.source, "create database "+name)
	dsn = u.source.DSN(name)
	u.script(dsn, sql)
	_, err := u.tools.Run(context.Background(), "psql", dsn, "--no-psqlrc", "--quiet", "--command=vacuum (freeze, analyze)")
	require.NoError(u.b, err)
	return dsn
}

// pgbench makes pgbench's tables at the scale of this run.
func (u *bundle) pgbench(name string) (dsn string) {
	u.b.Helper()
	u.admin(u.source, "create database "+name)
	dsn = u.source.DSN(name)
	u.run(exec.Command(filepath.Join(u.tools.Bin, "pgbench"), "--initialize", "--quiet", "--foreign-keys", "--scale="+itoa(scale(u.b)), dsn))
	return dsn
}

// fresh makes an empty database on the shared server, and lets both servers write what they still have to. Where files are counted
// in thousands it isn't dropped before the end: docs/benchmarks.md has what that would cost the next turn.
func (u *bundle) fresh() (dsn string, drop func()) {
	u.b.Helper()
	u.databases++
	name := "fresh_" + itoa(u.databases)
	u.admin(u.target, "create database "+name)
	u.settle()
	return u.target.DSN(name), func() { u.admin(u.target, "drop database "+name+" with (force)") }
}

// settle leaves neither the servers nor the kernel anything to write that comes of an earlier turn, so that nobody's fsync waits for it.
func (u *bundle) settle() {
	u.b.Helper()
	u.admin(u.source, "checkpoint")
	u.admin(u.target, "checkpoint")
	syscall.Sync()
}

// usage is what a process took.
type usage struct {
	elapsed time.Duration
	cpu     time.Duration // of the process itself, hardly touched by what else the machine does
	memory  int64         // bytes, at its highest
}

// run runs a program to its end; its output is shown if it fails.
func (u *bundle) run(cmd *exec.Cmd) usage {
	u.b.Helper()
	began := time.Now()
	out, err := cmd.CombinedOutput()
	elapsed := time.Since(began)
	require.NoError(u.b, err, "%s", out)
	rusage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	require.True(u.b, ok)
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return usage{elapsed: elapsed, cpu: cpu, memory: rusage.Maxrss << 10} // kB on Linux
}

// folder is a new folder on disk that a server's user can reach.
func folder(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp("", "tenantctl-bench-")
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, os.RemoveAll(dir)) })
	require.NoError(b, os.Chmod(dir, 0o711)) //nolint:gosec // the server's user passes through it
	return dir
}
