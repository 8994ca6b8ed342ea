package jobs_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/operation/pause"
	"tenantctl/internal/platform/jobs"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/registry"
	"tenantctl/test/fleet"
)

const childVariable = "JOBS_TEST_CHILD"

// childOptions are what a child process needs to be a worker of a fleet.
type childOptions struct {
	Control, Prefix, Queue, Shop string
}

// child works until it is killed.
func child(text string) {
	var opts childOptions
	must(json.Unmarshal([]byte(text), &opts))
	ctx := context.Background()
	records, err := registry.Open(ctx, opts.Control)
	must(err)
	directory, err := scope.OpenDirectory(ctx, records, map[string]string{fleet.Instance: opts.Prefix}, nil)
	must(err)
	pools, err := scope.OpenPools(ctx, scope.PoolOptions{Service: queue, Login: func(context.Context, scope.Cell) (string, error) { return opts.Shop, nil }}, nil)
	must(err)
	worker, err := jobs.NewWorker(jobs.Options{
		Queue: queue, Instance: fleet.Instance, Pools: pools, Tenants: directory, Kinds: []jobs.Kind{inParts()}, Poll: 5 * time.Millisecond,
		Lease: time.Second, DSN: func(context.Context) (string, error) { return opts.Queue, nil },
	})
	must(err)
	worker.Run(ctx)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

const parts = 3

// inParts writes an effect at each of two checkpoints, and the last on completion.
func inParts() jobs.Kind {
	return jobs.Kind{Name: "parts", Length: jobs.Long, Do: func(ctx context.Context, task *jobs.Task) error {
		var part int
		if _, err := task.Resume(&part); err != nil {
			return err
		}
		write := func(ctx context.Context, tx scope.Tx) error {
			_, err := tx.Exec(ctx, `insert into effects (job, part) values ($1::uuid, $2)`, task.ID, part)
			return err
		}
		for ; part < parts-1; part++ {
			if err := task.Checkpoint(ctx, part+1, float64(part+1)/parts, write); err != nil {
				return err
			}
		}
		return task.Complete(ctx, func(ctx context.Context, tx scope.Tx) (any, error) { return part, write(ctx, tx) })
	}}
}

// A worker that is killed at any moment leaves jobs that another does, each part of each once.
func TestKilledAtEveryPausePoint(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "jobs.test")
	out, err := exec.Command("go", "test", "-c", "-tags", "pausepoints", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	for _, kill := range []string{
		string(pause.JobTaken) + ":1", string(pause.JobTaken) + ":30", string(pause.JobWorked) + ":2", string(pause.JobCompleted) + ":2", string(pause.JobCheckpoint) + ":3",
	} {
		t.Run(kill, func(t *testing.T) {
			t.Parallel()
			b := setup(t, "a", "b")
			ids := b.submit(t, "a", 8, jobs.Request{Kind: "parts"})
			other := b.submit(t, "b", 2, jobs.Request{Kind: "parts"})
			killed := b.child(t, program, kill)
			var died *exec.ExitError
			require.ErrorAs(t, killed.Run(), &died)
			require.Equal(t, syscall.SIGKILL, died.Sys().(syscall.WaitStatus).Signal())
			b.worker(t, func(o *jobs.Options) { o.Lease = time.Second }, inParts())
			for _, id := range ids {
				b.becomes(t, "a", id, jobs.Done)
			}
			for _, id := range other {
				b.becomes(t, "b", id, jobs.Done)
			}
			require.Equal(t, "24 0", b.Text(t, `select count(*) || ' ' || count(*) - count(distinct (job, part)) from tenant_a.effects`))
			require.Equal(t, "6 0", b.Text(t, `select count(*) || ' ' || count(*) - count(distinct (job, part)) from tenant_b.effects`))
		})
	}
}

// child is a worker as a process of its own, that ends at a pause point.
func (b *bundle) child(t *testing.T, program, kill string) *exec.Cmd {
	t.Helper()
	login := func(service, cell string) string {
		dsn, err := b.Login(service)(t.Context(), scope.Cell{Instance: fleet.Instance, Cell: cell})
		require.NoError(t, err)
		return dsn
	}
	text, err := json.Marshal(childOptions{Control: b.Config.ConnString(), Prefix: b.Prefix, Queue: login(jobs.Service, "shared"), Shop: login(queue, b.tenant(t, "a").Cell)})
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), childVariable+"="+string(text), "TENANTCTL_KILL_AT="+kill)
	cmd.Stderr = t.Output()
	return cmd
}
