package operation_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/operation"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

func TestMain(m *testing.M) {
	if dsn := os.Getenv(childDSN); dsn != "" {
		os.Exit(runChild(dsn))
	}
	localtest.Main(m)
}

// bundle is a runner over real records, and what it did.
type bundle struct {
	ctx      context.Context
	records  *registry.Registry
	lease    *registry.Lease
	id       string
	runner   operation.Runner
	ran      []string // steps, as they ran
	observed []string // events, as they were told
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{ctx: t.Context()}
	var err error
	b.records, err = registry.Open(b.ctx, localtest.Database(t))
	require.NoError(t, err)
	t.Cleanup(b.records.Close)
	b.lease, err = b.records.Acquire(b.ctx, registry.LeaseName("client-x"), "test")
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.lease.Release(context.Background()) })
	op, _, err := b.records.Begin(b.ctx, "client-x", "migrate", "ann", "", nil)
	require.NoError(t, err)
	b.id = op.ID
	b.runner = operation.Runner{Journal: b.records, Lease: b.lease, Observe: func(e operation.StepEvent) {
		b.observed = append(b.observed, fmt.Sprintf("%s %s %d", e.Step, e.State, e.Attempt))
	}}
	return b
}

// step is a step that notes that it ran and ends with err.
func (b *bundle) step(name string, err error) operation.Step {
	return operation.Step{Name: name, Run: func(context.Context) error {
		b.ran = append(b.ran, name)
		return err
	}}
}

func (b *bundle) phase(t *testing.T) string {
	t.Helper()
	op, err := b.records.Operation(b.ctx, b.id)
	require.NoError(t, err)
	return op.Phase
}

func TestRunGoesOnWhereItFailed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	full := errors.New("disk full")
	err := b.runner.Run(b.ctx, b.id, []operation.Step{b.step("plan", nil), b.step("copy", full), b.step("verify", nil)})
	require.ErrorIs(t, err, full)
	require.EqualError(t, err, "copy: disk full")
	require.Equal(t, []string{"plan", "copy"}, b.ran)
	require.Equal(t, []string{"plan started 1", "plan done 1", "copy started 1", "copy failed 1"}, b.observed)
	require.Equal(t, "copy", b.phase(t))

	b.ran, b.observed = nil, nil
	steps := []operation.Step{b.step("plan", nil), b.step("copy", nil), b.step("verify", nil)}
	require.NoError(t, b.runner.Run(b.ctx, b.id, steps))
	require.Equal(t, []string{"copy", "verify"}, b.ran)
	require.Equal(t, []string{"plan skipped 0", "copy started 2", "copy done 2", "verify started 1", "verify done 1"}, b.observed)

	b.ran = nil
	steps[0].Always = true
	require.NoError(t, b.runner.Run(b.ctx, b.id, steps))
	require.Equal(t, []string{"plan"}, b.ran, "only what lives as long as its process runs again")
}

func TestRunWithoutAnObserver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.runner.Observe = nil
	require.NoError(t, b.runner.Run(b.ctx, b.id, []operation.Step{b.step("plan", nil)}))
}

func TestRunStopsBefore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	steps := []operation.Step{b.step("plan", nil), b.step("copy", nil)}
	b.runner.StopBefore = "copy"
	for range 2 {
		err := b.runner.Run(b.ctx, b.id, steps)
		require.ErrorIs(t, err, tenant.ErrStopped)
		require.ErrorContains(t, err, "before copy")
	}
	b.runner.StopBefore = "copies"
	require.ErrorIs(t, b.runner.Run(b.ctx, b.id, steps), tenant.ErrInvalid)
	require.Equal(t, []string{"plan"}, b.ran, "a misspelled step ran everything")
	b.runner.StopBefore = ""
	require.NoError(t, b.runner.Run(b.ctx, b.id, steps))
	require.Equal(t, []string{"plan", "copy"}, b.ran)
}

func TestRunDrains(t *testing.T) {
	t.Parallel()
	b := setup(t)
	drain := make(chan struct{})
	b.runner.Drain = drain
	copying := b.step("copy", nil)
	copying.Run = func(context.Context) error { close(drain); return nil }
	err := b.runner.Run(b.ctx, b.id, []operation.Step{copying, b.step("verify", nil)})
	require.ErrorIs(t, err, tenant.ErrInterrupted)
	require.Empty(t, b.ran, "a step began after the drain")
	done, err := b.records.StepsDone(b.ctx, b.id)
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"copy": true}, done)
}

// A step that is interrupted is in the journal as failed, although its context is over.
func TestRunJournalsAnInterruptedStep(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, cancel := context.WithCancel(b.ctx)
	copying := operation.Step{Name: "copy", Run: func(ctx context.Context) error {
		cancel()
		return ctx.Err()
	}}
	err := b.runner.Run(ctx, b.id, []operation.Step{copying, b.step("verify", nil)})
	require.ErrorIs(t, err, context.Canceled)
	steps, err := b.records.Steps(b.ctx, b.id)
	require.NoError(t, err)
	require.Len(t, steps, 1)
	require.Equal(t, "failed", steps[0].State)
	require.Equal(t, "context canceled", steps[0].Error)
	require.Error(t, b.runner.Run(ctx, b.id, []operation.Step{b.step("copy", nil)}))
	require.Empty(t, b.ran, "a step began although the context was over")
}

func TestRunNeedsItsLease(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.step("plan", nil)
	first.Run = func(ctx context.Context) error { return b.lease.Release(ctx) }
	require.NoError(t, b.runner.Run(b.ctx, b.id, []operation.Step{first}))
	err := b.runner.Run(b.ctx, b.id, []operation.Step{first, b.step("copy", nil)})
	require.ErrorIs(t, err, tenant.ErrLeaseLost)
	require.ErrorContains(t, err, "before copy")
	require.Empty(t, b.ran)
	require.Equal(t, "plan", b.phase(t), "a step that never ran became the phase")
}

// A step that is canceled because the lease was lost says so: whoever records the failure must leave the operation alone.
func TestLostLeaseIsTheReason(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, cancel := context.WithCancelCause(b.ctx)
	copying := operation.Step{Name: "copy", Run: func(ctx context.Context) error {
		cancel(fmt.Errorf("taken over: %w", tenant.ErrLeaseLost))
		<-ctx.Done()
		return ctx.Err()
	}}
	err := b.runner.Run(ctx, b.id, []operation.Step{copying})
	require.ErrorIs(t, err, tenant.ErrLeaseLost)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "copy: taken over: lease lost")
	require.NoError(t, b.records.Finish(b.ctx, b.id, tenant.OperationFailed, err))
	op, err := b.records.Operation(b.ctx, b.id)
	require.NoError(t, err)
	require.Equal(t, tenant.OperationRunning, op.State)
	require.ErrorIs(t, b.runner.Run(ctx, b.id, []operation.Step{copying}), context.Canceled)
}

// deafJournal can't be written to at one place.
type deafJournal struct {
	operation.Journal
	start, end error
}

func (j deafJournal) StepStarted(ctx context.Context, id, step string) (int, error) {
	if j.start != nil {
		return 0, j.start
	}
	return j.Journal.StepStarted(ctx, id, step)
}

func (j deafJournal) StepEnded(ctx context.Context, id, step string, attempt int, cause error) error {
	if j.end != nil {
		return j.end
	}
	return j.Journal.StepEnded(ctx, id, step, attempt, cause)
}

// What isn't in the journal wasn't done: the step runs again.
func TestRunStopsWhenTheJournalFails(t *testing.T) {
	t.Parallel()
	b := setup(t)
	gone, full := errors.New("server gone"), errors.New("disk full")
	b.runner.Journal = deafJournal{Journal: b.records, start: gone}
	err := b.runner.Run(b.ctx, b.id, []operation.Step{b.step("copy", nil)})
	require.ErrorIs(t, err, gone)
	require.Empty(t, b.ran, "a step ran without being journalled")

	b.runner.Journal = deafJournal{Journal: b.records, end: gone}
	err = b.runner.Run(b.ctx, b.id, []operation.Step{b.step("copy", nil), b.step("verify", nil)})
	require.EqualError(t, err, "journal the end of copy: server gone")
	err = b.runner.Run(b.ctx, b.id, []operation.Step{b.step("copy", full)})
	require.ErrorIs(t, err, full)
	require.ErrorIs(t, err, gone)

	b.runner.Journal = b.records
	require.NoError(t, b.runner.Run(b.ctx, b.id, []operation.Step{b.step("copy", nil), b.step("verify", nil)}))
	require.Equal(t, []string{"copy", "copy", "copy", "verify"}, b.ran)
}
