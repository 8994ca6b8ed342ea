package stream_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/operation/pause"
	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

const (
	childDSN  = "STREAM_TEST_DSN"
	childKind = "STREAM_TEST_KIND"
	childBack = "STREAM_TEST_BACK"
	killAt    = "TENANTCTL_KILL_AT"
)

// killing is a second version after a first one, in which a process dies.
type killing struct {
	up, down string
	messages int  // of the file: marks, and the file itself where it is one message
	judged   bool // a person has to look at it
}

// last is the moment after which nothing is left to do, and nobody knows.
func (k killing) last() string { return fmt.Sprintf("%s:%d", pause.StreamMessageSent, k.messages) }

var firstVersion = `create table t (a int primary key, b int); insert into t values (1, 1), (2, 2);
	create table parts (a int) partition by range (a); create table part partition of parts for values from (0) to (10);
	create index old on t (b); create table steps (n int);
	create procedure work() language plpgsql as $$ begin insert into steps values (1); commit; insert into steps values (2); end $$`

var killings = map[string]killing{
	"transaction":      {up: "alter table t add c int; insert into steps values (1)", down: "alter table t drop c; delete from steps", messages: 1},
	"index":            {up: "create unique index concurrently i on t (b)", down: "drop index concurrently i", messages: 2},
	"index, plain":     {up: "create index i on t (b)", down: "drop index concurrently if exists i", messages: 1},
	"drop":             {up: "drop index concurrently old", down: "create index concurrently old on t (b)", messages: 2},
	"detach":           {up: "alter table parts detach partition part concurrently", down: "alter table part drop constraint if exists part_a_check; alter table parts attach partition part for values from (0) to (10)", messages: 2},
	"rebuild":          {up: "reindex table concurrently t", down: "select 1", messages: 2},
	"procedure":        {up: "call work()", down: "delete from steps", messages: 3, judged: true},
	"two transactions": {up: "insert into steps values (1); commit; insert into steps values (2)", down: "delete from steps", messages: 3, judged: true},
}

func killingStream(t testing.TB, kind string) *stream.Stream {
	k := killings[kind]
	s, err := stream.Read("core", folder(map[string]string{
		"001_x.up.sql": firstVersion, "002_x.up.sql": k.up, "002_x.down.sql": k.down,
	}))
	if t != nil {
		require.NoError(t, err)
	}
	return s
}

// A process that is killed at any moment of a file leaves what the next one finishes, or says that a person has to look at it and
// never that all is well.
func TestKilledAtEachPoint(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "stream.test")
	out, err := exec.Command("go", "test", "-c", "-tags", "pausepoints", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	for kind, k := range killings {
		points := []string{k.last()}
		if k.messages > 1 {
			points = append(points, string(pause.StreamMarkedDirty), string(pause.StreamStatementRan))
		}
		for _, at := range points {
			t.Run(kind+"/"+at, func(t *testing.T) {
				t.Parallel()
				killed(t, binary, kind, at)
			})
		}
	}
}

func killed(t *testing.T, binary, kind, at string) {
	b, k, s := setup(t), killings[kind], killingStream(t, kind)
	b.target.Role = ""
	b.exec(t, "create schema tenant_b")
	other := b.target
	other.Schema = "tenant_b"
	_, err := stream.Apply(b.ctx, b.conn, other, s, 2)
	require.NoError(t, err)
	_, err = stream.Apply(b.ctx, b.conn, b.target, s, 1)
	require.NoError(t, err)

	runKilled(t, binary, b.dsn, kind, at, "")
	b.settles(t)
	result, err := stream.Apply(b.ctx, b.conn, b.target, s, 2)
	if k.judged && at != k.last() {
		require.ErrorIs(t, err, tenant.ErrConflict)
		require.ErrorContains(t, err, `schema "tenant_a" is dirty at version 2 of core: 002_x.up.sql`)
		require.ErrorContains(t, err, "didn't end")
		require.Contains(t, tenant.Hints(err)[0], "compare the schema with that file")
		return
	}
	require.NoError(t, err)
	require.Equal(t, &tenant.Version{Number: 2}, result.To)
	b.alike(t)
	if k.judged {
		return
	}

	// The same on the way back.
	_, err = stream.Revert(b.ctx, b.conn, other, s, new(uint64(1)))
	require.NoError(t, err)
	back := s.Files()[1].Down
	if back.Mode == stream.Transactional {
		at = string(pause.StreamMessageSent)
	} else if kind == "index, plain" {
		at = string(pause.StreamMarkedDirty)
	}
	runKilled(t, binary, b.dsn, kind, at, "back")
	b.settles(t)
	result, err = stream.Revert(b.ctx, b.conn, b.target, s, new(uint64(1)))
	require.NoError(t, err)
	require.Equal(t, &tenant.Version{Number: 1}, result.To)
	b.alike(t)
}

// alike wants the same in tenant_a and tenant_b.
func (b bundle) alike(t *testing.T) {
	t.Helper()
	tools, err := postgres.FindTools()
	require.NoError(t, err)
	out, err := tools.Run(b.ctx, "pg_dump", b.dsn, "--schema=tenant_*", "--restrict-key=x")
	require.NoError(t, err)
	want, got := ofSchema(string(out), "tenant_b"), ofSchema(string(out), "tenant_a")
	require.NotEmpty(t, want)
	if want != got {
		require.Fail(t, "not what a process leaves that isn't killed", firstDifference(want, got))
	}
}

// runKilled runs a child that has to die.
func runKilled(t *testing.T, binary, dsn, kind, at, back string) {
	t.Helper()
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), childDSN+"="+dsn, childKind+"="+kind, childBack+"="+back, killAt+"="+at)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s wasn't reached: %s", at, out)
	status, ok := exit.Sys().(syscall.WaitStatus)
	require.True(t, ok && status.Signaled() && status.Signal() == syscall.SIGKILL, "%s: %s", exit, out)
}

// child is one process that goes one version forward or back.
func child(dsn string) int {
	ctx := context.Background()
	conn, err := postgres.Connect(ctx, dsn, postgres.Options{Application: "child"})
	if err == nil {
		s, target := killingStream(nil, os.Getenv(childKind)), stream.Target{Schema: "tenant_a"}
		if os.Getenv(childBack) == "" {
			_, err = stream.Apply(ctx, conn, target, s, 2)
		} else {
			_, err = stream.Revert(ctx, conn, target, s, new(uint64(1)))
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
