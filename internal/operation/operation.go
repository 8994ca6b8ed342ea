package operation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tenantctl/internal/operation/pause"
	"tenantctl/internal/tenant"
)

// Step is one idempotent piece of work: run again after a crash at any point within it, it ends the same.
type Step struct {
	// Name is the phase that people see and the journal's key within the operation.
	Name string
	// Describe says in a line what the step will do.
	Describe string
	// SQL is what it will run, for --plan; nil where it runs none of note.
	SQL []string
	// Estimate is how long it should take; 0 where unknown or at once.
	Estimate time.Duration
	// Run does it.
	Run func(ctx context.Context) error
	// Always runs the step again although the journal has it as done: for what lives only as long as the process.
	Always bool
}

// Journal keeps what was done. The registry implements it.
type Journal interface {
	// StepsDone names the steps of an operation that ended well.
	StepsDone(ctx context.Context, operation string) (map[string]bool, error)
	// StepStarted records an attempt and makes the step the operation's phase; it returns the attempt's number, from 1.
	StepStarted(ctx context.Context, operation, step string) (attempt int, err error)
	// StepEnded records the attempt's end; a nil cause is success.
	StepEnded(ctx context.Context, operation, step string, attempt int, cause error) error
}

// Lease is the right to work on something, held by one process at a time.
type Lease interface {
	// Check asks whether the lease is still ours; tenant.ErrLeaseLost if another took it.
	Check(ctx context.Context) error
}

// Runner runs Steps in order.
type Runner struct {
	Journal Journal
	Lease   Lease
	// Observe is told of each step as it begins and ends; nil is allowed.
	Observe func(StepEvent)
	// Drain, once closed, lets the running step end in good order and starts no other; nil never does.
	Drain <-chan struct{}
	// StopBefore names the step before which to stop with tenant.ErrStopped; "" runs all.
	StopBefore string
}

// StepState is how an attempt at a step stands.
type StepState string

// The states that a Runner reports.
const (
	StepStarted StepState = "started"
	StepDone    StepState = "done"
	StepFailed  StepState = "failed"
	StepSkipped StepState = "skipped" // done by an earlier run
)

// StepEvent tells of a step.
type StepEvent struct {
	Step    string
	State   StepState
	Attempt int
	Err     error
	Elapsed time.Duration
}

const cleanupTimeout = 10 * time.Second

// Run runs what of the steps the journal doesn't have as done. It stops at the first error, which it returns.
func (r Runner) Run(ctx context.Context, operationID string, steps []Step) error {
	if r.StopBefore != "" && !slices.ContainsFunc(steps, func(s Step) bool { return s.Name == r.StopBefore }) {
		// A misspelled name must not run everything.
		return fmt.Errorf("stop before %q: there is no such step: %w", r.StopBefore, tenant.ErrInvalid)
	}
	done, err := r.Journal.StepsDone(ctx, operationID)
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	for _, step := range steps {
		if r.StopBefore != "" && step.Name == r.StopBefore {
			return fmt.Errorf("before %s: %w", step.Name, tenant.ErrStopped)
		}
		if done[step.Name] && !step.Always {
			r.observe(StepEvent{Step: step.Name, State: StepSkipped})
			continue
		}
		if err := r.step(ctx, operationID, step); err != nil {
			return err
		}
	}
	return nil
}

func (r Runner) step(ctx context.Context, operationID string, step Step) error {
	if ctx.Err() != nil {
		return fmt.Errorf("before %s: %w", step.Name, context.Cause(ctx))
	}
	select {
	case <-r.Drain:
		return fmt.Errorf("before %s: %w", step.Name, tenant.ErrInterrupted)
	default:
	}
	if err := r.Lease.Check(ctx); err != nil {
		return fmt.Errorf("before %s: %w", step.Name, err)
	}
	attempt, err := r.Journal.StepStarted(ctx, operationID, step.Name)
	if err != nil {
		return fmt.Errorf("journal the start of %s: %w", step.Name, err)
	}
	pause.Point(ctx, pause.StepStarted)
	r.observe(StepEvent{Step: step.Name, State: StepStarted, Attempt: attempt})
	began := time.Now()
	cause := whyEnded(ctx, step.Run(ctx))
	pause.Point(ctx, pause.StepRan)

	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	journalErr := r.Journal.StepEnded(cleanup, operationID, step.Name, attempt, cause)
	if cause != nil {
		r.observe(StepEvent{Step: step.Name, State: StepFailed, Attempt: attempt, Err: cause, Elapsed: time.Since(began)})
		return errors.Join(fmt.Errorf("%s: %w", step.Name, cause), journalErr)
	}
	if journalErr != nil {
		return fmt.Errorf("journal the end of %s: %w", step.Name, journalErr)
	}
	r.observe(StepEvent{Step: step.Name, State: StepDone, Attempt: attempt, Elapsed: time.Since(began)})
	pause.Point(ctx, pause.StepEnded)
	return nil
}

// whyEnded adds to a step's error that the lease was lost, where that is what canceled the step: the step itself sees only that
// its context ended, and whoever records the failure must know that the operation is another process's now.
func whyEnded(ctx context.Context, err error) error {
	if lost := context.Cause(ctx); err != nil && errors.Is(lost, tenant.ErrLeaseLost) && !errors.Is(err, tenant.ErrLeaseLost) {
		return fmt.Errorf("%w: %w", lost, err)
	}
	return err
}

func (r Runner) observe(e StepEvent) {
	if r.Observe != nil {
		r.Observe(e)
	}
}
