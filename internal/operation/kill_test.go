package operation_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/operation"
	"tenantctl/internal/operation/pause"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

const (
	childDSN = "OPERATION_TEST_DSN"
	killAt   = "TENANTCTL_KILL_AT"
)

var childSteps = []string{"plan", "copy", "verify"}

// A process that is killed at any point of any step leaves what the next one finishes.
func TestKilledAtEachPoint(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "operation.test")
	out, err := exec.Command("go", "test", "-c", "-tags", "pausepoints", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	for _, point := range []pause.Name{pause.StepStarted, pause.StepRan, pause.StepEnded} {
		for visit := range childSteps {
			at := fmt.Sprintf("%s:%d", point, visit+1)
			t.Run(at, func(t *testing.T) {
				t.Parallel()
				dsn := localtest.Database(t)
				require.Equal(t, syscall.SIGKILL, run(t, binary, dsn, at), "it wasn't killed")
				records, err := registry.Open(t.Context(), dsn)
				require.NoError(t, err)
				defer records.Close()
				op, err := records.LastOperation(t.Context(), "client-x", "migrate")
				require.NoError(t, err)
				require.Equal(t, tenant.OperationRunning, op.State)
				require.Equal(t, childSteps[visit], op.Phase)

				require.Zero(t, run(t, binary, dsn, ""))
				again, err := records.Operation(t.Context(), op.ID)
				require.NoError(t, err)
				require.Equal(t, tenant.OperationDone, again.State)
				steps, err := records.Steps(t.Context(), op.ID)
				require.NoError(t, err)
				attempts := len(childSteps)
				if point != pause.StepEnded {
					attempts++ // the step that wasn't known to be done
				}
				require.Len(t, steps, attempts)
				for i, step := range steps {
					require.Equal(t, step.State == "done", attempts == len(childSteps) || i != visit, "%+v", step)
				}
			})
		}
	}
}

// run runs the child and returns the signal that ended it, 0 for a good end.
func run(t *testing.T, binary, dsn, at string) syscall.Signal {
	t.Helper()
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), childDSN+"="+dsn, killAt+"="+at)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
		return 0
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	require.True(t, ok && status.Signaled(), "%s: %s", exit, out)
	return status.Signal()
}

// runChild is one run of the operation, as a command would do it.
func runChild(dsn string) int {
	if err := work(context.Background(), dsn); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func work(ctx context.Context, dsn string) error {
	records, err := registry.Open(ctx, dsn)
	if err != nil {
		return err
	}
	defer records.Close()
	lease, err := records.Acquire(ctx, registry.LeaseName("client-x"), registry.ThisProcess())
	if err != nil {
		return err
	}
	op, _, err := records.Begin(ctx, "client-x", "migrate", "ann", "", nil)
	if err != nil {
		return err
	}
	var steps []operation.Step
	for _, name := range childSteps {
		steps = append(steps, operation.Step{Name: name, Run: func(context.Context) error { return nil }})
	}
	if err := (operation.Runner{Journal: records, Lease: lease}).Run(ctx, op.ID, steps); err != nil {
		return err
	}
	return errors.Join(records.Finish(ctx, op.ID, tenant.OperationDone, nil), lease.Release(ctx))
}
