package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"tenantctl/internal/telemetry"
)

// do makes an attempt at a job, and ends it.
func (w *Worker) do(ctx context.Context, kind Kind, c claimed) {
	began := time.Now()
	tenant, unknown := w.tenantOf(c.Role)
	if unknown == nil {
		ctx = telemetry.WithTenant(ctx, string(tenant.Name))
	}
	ctx, span := w.Trace.Start(telemetry.FromParent(ctx, c.Trace), telemetry.Consumer, "work "+c.Kind,
		slog.String("job.queue", w.Queue), slog.String("job.kind", c.Kind), slog.String("job.id", c.ID), slog.Int("job.attempt", c.Attempt))
	defer span.End()
	task := &Task{
		ID: c.ID, Kind: c.Kind, Arguments: c.Arguments, Attempt: c.Attempt, Failures: c.Failures, Tenant: tenant,
		pools: w.Pools, crowded: w.crowded.Load, began: began, slice: w.Slice, checkpoint: c.Checkpoint,
	}
	err := unknown
	if err == nil {
		err = attempt(ctx, kind, task)
	}
	if err == nil && !task.completed() {
		err = task.Complete(ctx, nil)
	}
	w.took(time.Since(began))
	outcome := w.end(context.WithoutCancel(ctx), ctx, c, err, time.Since(began))
	w.Metrics.ended(w.Queue, c, outcome, time.Since(began))
	if outcome != "done" {
		span.Fail(outcome)
	}
}

// attempt calls the handler. One that panics has failed, and takes nobody along.
func attempt(ctx context.Context, kind Kind, task *Task) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return kind.Do(ctx, task)
}

// end tells the queue what came of an attempt that didn't complete.
func (w *Worker) end(ctx, work context.Context, c claimed, err error, took time.Duration) (outcome string) {
	if err == nil {
		w.Log.InfoContext(ctx, "job done", "queue", w.Queue, "kind", c.Kind, "job", c.ID, "attempt", c.Attempt, "duration", took)
		return "done"
	}
	cause := context.Cause(work)
	var e ending
	// What was used counts: a job that gave way stands as far behind as it took.
	used := max(took.Seconds(), 0.001)
	switch permanently := (*permanent)(nil); {
	case errors.Is(cause, errCanceled):
		outcome, e = "canceled", ending{state: Canceled}
	case errors.Is(err, ErrLost) && w.canceled(ctx, c):
		outcome, e = "canceled", ending{state: Canceled}
	case errors.Is(err, ErrLost) || errors.Is(cause, ErrLost):
		return "lost"
	case errors.Is(err, ErrYield):
		outcome, e = "yielded", ending{state: New, cost: &used}
	case errors.Is(cause, errEnding):
		outcome, e = "put back", ending{state: New}
	case errors.As(err, &permanently) || c.Failures+1 >= w.Attempts:
		outcome, e = "failed", ending{state: Failed, problem: text(err), failures: 1}
	default:
		outcome, e = "retried", ending{state: Scheduled, wait: w.backoff(c.Failures), problem: text(err), failures: 1}
	}
	if e.problem != "" {
		w.Log.WarnContext(ctx, "job "+outcome, "queue", w.Queue, "kind", c.Kind, "job", c.ID, "role", c.Role, "attempt", c.Attempt, "error", err)
	}
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	if err := w.queue.giveBack(ctx, c, e); err != nil {
		// Its lease ends by itself.
		w.Log.WarnContext(ctx, "give a job back", "queue", w.Queue, "job", c.ID, "error", err)
	}
	return outcome
}

// canceled tells whether the job is still this attempt's, but was canceled.
func (w *Worker) canceled(ctx context.Context, c claimed) bool {
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	var is bool
	err := w.queue.pool.QueryRow(ctx, `select cancel from jobs.job where id = $1::uuid and attempt = $2 and state = 'running'`, c.ID, c.Attempt).Scan(&is)
	return err == nil && is
}

// backoff is how long a job waits after a failure: twice as long as after the one before, and up to a quarter more, at random.
func (w *Worker) backoff(failures int) time.Duration {
	wait := min(w.Pause<<min(failures, 20), longestPause)
	return wait + rand.N(wait/4+1) //nolint:gosec // spreads out, hides nothing
}

const longestError = 2000

func text(err error) string {
	s := err.Error()
	if len(s) > longestError {
		return s[:longestError]
	}
	return s
}
