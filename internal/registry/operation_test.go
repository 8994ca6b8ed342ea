package registry

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tenantctl/internal/tenant"
)

func TestBeginResumesTheUnfinishedOne(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	first, resumed, err := r.Begin(ctx, "client-x", "migrate", "ann", "contract 7", map[string]string{"mode": "offline"})
	require.NoError(t, err)
	require.False(t, resumed)
	require.Equal(t, tenant.OperationRunning, first.State)
	require.JSONEq(t, `{"mode": "offline"}`, string(first.Detail))
	require.NoError(t, r.SaveDetail(ctx, first.ID, map[string]string{"mode": "offline", "fence": "0/1A"}))
	require.NoError(t, r.Finish(ctx, first.ID, tenant.OperationFailed, errors.New("disk full")))

	again, resumed, err := r.Begin(ctx, "client-x", "migrate", "bob", "", map[string]string{"mode": "ignored"})
	require.NoError(t, err)
	require.True(t, resumed)
	require.Equal(t, first.ID, again.ID)
	require.Equal(t, tenant.OperationRunning, again.State)
	require.Equal(t, "bob", again.Actor)
	require.Equal(t, "contract 7", again.Reason)
	require.Empty(t, again.Error)
	require.JSONEq(t, `{"mode": "offline", "fence": "0/1A"}`, string(again.Detail))

	other, resumed, err := r.Begin(ctx, "client-x", "archive", "ann", "", nil)
	require.NoError(t, err)
	require.False(t, resumed)
	require.NotEqual(t, first.ID, other.ID)
	require.Nil(t, other.Detail)

	require.NoError(t, r.Finish(ctx, again.ID, tenant.OperationDone, nil))
	next, resumed, err := r.Begin(ctx, "client-x", "migrate", "ann", "", nil)
	require.NoError(t, err)
	require.False(t, resumed)
	require.NotEqual(t, first.ID, next.ID)
	last, err := r.LastOperation(ctx, "client-x", "migrate")
	require.NoError(t, err)
	require.Equal(t, next.ID, last.ID)
	require.Equal(t, []string{
		"operation.started", "operation.failed", "operation.resumed", "operation.started", "operation.done", "operation.started",
	}, types(t, r))
}

func TestOperationsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	for _, name := range []tenant.Name{"a", "b"} {
		for _, kind := range []string{"provision", "migrate"} {
			op, _, err := r.Begin(ctx, name, kind, actor, "", nil)
			require.NoError(t, err)
			if kind == "provision" {
				require.NoError(t, r.Finish(ctx, op.ID, tenant.OperationDone, nil))
			}
		}
	}
	for _, test := range []struct {
		filter OperationFilter
		want   []string
	}{
		{OperationFilter{}, []string{"b migrate", "b provision", "a migrate", "a provision"}},
		{OperationFilter{Limit: 1}, []string{"b migrate"}},
		{OperationFilter{Tenant: "a"}, []string{"a migrate", "a provision"}},
		{OperationFilter{Kind: "provision"}, []string{"b provision", "a provision"}},
		{OperationFilter{Unfinished: true}, []string{"b migrate", "a migrate"}},
	} {
		operations, err := r.Operations(ctx, test.filter)
		require.NoError(t, err)
		var got []string
		for _, op := range operations {
			got = append(got, fmt.Sprintf("%s %s", op.Tenant, op.Kind))
		}
		require.Equal(t, test.want, got, "%+v", test.filter)
	}
}

func TestBeginAtOnceGivesOneOperation(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	ids := make([]string, 8)
	var group sync.WaitGroup
	for i := range ids {
		group.Go(func() {
			op, _, err := r.Begin(ctx, "client-x", "migrate", actor, "", nil)
			require.NoError(t, err)
			ids[i] = op.ID
		})
	}
	group.Wait()
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
}

func TestFinishedStaysFinished(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	states := []tenant.OperationState{tenant.OperationFailed, tenant.OperationStopped, tenant.OperationDone, tenant.OperationUndone}
	for _, from := range states {
		for _, to := range states {
			op, _, err := r.Begin(ctx, tenant.Name(fmt.Sprintf("%s-to-%s", from, to)), "migrate", actor, "", nil)
			require.NoError(t, err)
			require.NoError(t, r.Finish(ctx, op.ID, from, nil))
			err = r.Finish(ctx, op.ID, to, nil)
			allowed := from == to || from == tenant.OperationFailed || from == tenant.OperationStopped ||
				from == tenant.OperationDone && to == tenant.OperationUndone
			if allowed {
				require.NoError(t, err, "%s to %s", from, to)
			} else {
				require.ErrorIs(t, err, tenant.ErrConflict, "%s to %s", from, to)
				to = from
			}
			op, err = r.Operation(ctx, op.ID)
			require.NoError(t, err)
			require.Equal(t, to, op.State)
		}
	}
}

// A process that lost its lease must not mark as failed what another is running.
func TestFinishAfterALostLeaseRecordsNothing(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	op, _, err := r.Begin(ctx, "client-x", "migrate", actor, "", nil)
	require.NoError(t, err)
	require.NoError(t, r.Finish(ctx, op.ID, tenant.OperationFailed, fmt.Errorf("copy: %w", tenant.ErrLeaseLost)))
	op, err = r.Operation(ctx, op.ID)
	require.NoError(t, err)
	require.Equal(t, tenant.OperationRunning, op.State)
}

func TestDeletedTenantLeavesNothingToResume(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	add(t, r, "client-x")
	migrate, _, err := r.Begin(ctx, "client-x", "migrate", actor, "", nil)
	require.NoError(t, err)
	deletion, _, err := r.Begin(ctx, "client-x", "delete", actor, "", nil)
	require.NoError(t, err)
	require.NoError(t, r.DeleteTenant(ctx, "client-x", actor, ""))
	op, err := r.Operation(ctx, migrate.ID)
	require.NoError(t, err)
	require.Equal(t, tenant.OperationUndone, op.State)
	require.NoError(t, r.Finish(ctx, deletion.ID, tenant.OperationDone, nil))
	add(t, r, "client-x")
	_, resumed, err := r.Begin(ctx, "client-x", "migrate", actor, "", nil)
	require.NoError(t, err)
	require.False(t, resumed)
}

func TestUnknownOperation(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	_, lastErr := r.LastOperation(ctx, "client-x", "migrate")
	_, readErr := r.Operation(ctx, "none")
	_, emptyErr := r.Operation(ctx, "")
	_, startErr := r.StepStarted(ctx, "none", "copy")
	_, reportErr := r.Report(ctx, "none", "verify")
	for i, err := range []error{
		lastErr, readErr, emptyErr, startErr, reportErr,
		r.Finish(ctx, "none", tenant.OperationDone, nil),
		r.SaveDetail(ctx, "none", 1),
		r.SaveProgress(ctx, "none", 1),
		r.StepEnded(ctx, "none", "copy", 1, nil),
		r.SaveReport(ctx, "none", "verify", 1),
	} {
		require.ErrorIs(t, err, tenant.ErrNotFound, i)
	}
}

func TestJournalReplay(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	op, _, err := r.Begin(ctx, "client-x", "migrate", actor, "contract 7", nil)
	require.NoError(t, err)
	step := func(name string, cause error) {
		attempt, err := r.StepStarted(ctx, op.ID, name)
		require.NoError(t, err)
		require.NoError(t, r.StepEnded(ctx, op.ID, name, attempt, cause))
	}
	step("plan", nil)
	step("copy", errors.New("disk full"))
	step("copy", nil)
	died, err := r.StepStarted(ctx, op.ID, "verify") // and no more was heard of it
	require.NoError(t, err)
	done, err := r.StepsDone(ctx, op.ID)
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"plan": true, "copy": true}, done)

	require.NoError(t, r.Forget(ctx, op.ID, "copy", "verify", "never-run"))
	done, err = r.StepsDone(ctx, op.ID)
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"plan": true}, done)

	step("copy", nil)
	again, err := r.StepStarted(ctx, op.ID, "verify")
	require.NoError(t, err)
	require.Equal(t, died+1, again)
	// The process that was thought dead was only stopped, and reports now.
	require.NoError(t, r.StepEnded(ctx, op.ID, "verify", died, nil))
	done, err = r.StepsDone(ctx, op.ID)
	require.NoError(t, err)
	require.NotContains(t, done, "verify", "an older attempt's report counts")

	op, err = r.Operation(ctx, op.ID)
	require.NoError(t, err)
	require.Equal(t, "verify", op.Phase)
	steps, err := r.Steps(ctx, op.ID)
	require.NoError(t, err)
	var seen []string
	for _, s := range steps {
		require.Equal(t, actor, s.Actor)
		require.WithinDuration(t, time.Now(), s.Started, time.Minute)
		require.Equal(t, s.State == "started", s.Ended.IsZero(), s)
		seen = append(seen, fmt.Sprintf("%s %d %s %s", s.Step, s.Attempt, s.State, s.Error))
	}
	require.Equal(t, []string{
		"plan 1 done ", "copy 1 failed disk full", "copy 2 voided ", "verify 1 done ", "copy 3 done ", "verify 2 started ",
	}, seen)

	require.NoError(t, r.Forget(ctx, op.ID))
	done, err = r.StepsDone(ctx, op.ID)
	require.NoError(t, err)
	require.Empty(t, done)
}

// Whatever happens to steps in whatever order, a step is done if, and only if, its newest attempt ended well and nobody voided it.
func TestJournalAgreesWithAModel(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		op, _, err := r.Begin(ctx, tenant.Name(fmt.Sprintf("client-%d", runs)), "migrate", actor, "", nil)
		require.NoError(t, err)
		newest, done := map[string]int{}, map[string]bool{}
		steps := rapid.SampledFrom([]string{"a", "b"})
		for range rapid.IntRange(0, 12).Draw(t, "length") {
			step := steps.Draw(t, "step")
			switch rapid.SampledFrom([]string{"start", "end", "fail", "end late", "void"}).Draw(t, "event") {
			case "start":
				attempt, err := r.StepStarted(ctx, op.ID, step)
				require.NoError(t, err)
				newest[step]++
				require.Equal(t, newest[step], attempt)
				delete(done, step)
			case "end":
				if newest[step] > 0 {
					require.NoError(t, r.StepEnded(ctx, op.ID, step, newest[step], nil))
					done[step] = true
				}
			case "fail":
				if newest[step] > 0 {
					require.NoError(t, r.StepEnded(ctx, op.ID, step, newest[step], errors.New("no")))
					delete(done, step)
				}
			case "end late":
				if newest[step] > 1 {
					require.NoError(t, r.StepEnded(ctx, op.ID, step, newest[step]-1, nil))
				}
			case "void":
				require.NoError(t, r.Forget(ctx, op.ID, step))
				delete(done, step)
			}
		}
		got, err := r.StepsDone(ctx, op.ID)
		require.NoError(t, err)
		require.Equal(t, done, got)
	})
}

func TestReports(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	op, _, err := r.Begin(ctx, "client-x", "migrate", actor, "", nil)
	require.NoError(t, err)
	require.NoError(t, r.SaveReport(ctx, op.ID, "verify", map[string]int{"rows": 1}))
	require.NoError(t, r.SaveReport(ctx, op.ID, "verify", map[string]int{"rows": 2}))
	body, err := r.Report(ctx, op.ID, "verify")
	require.NoError(t, err)
	require.JSONEq(t, `{"rows": 2}`, string(body))
	_, err = r.Report(ctx, op.ID, "plan")
	require.ErrorIs(t, err, tenant.ErrNotFound)
}
