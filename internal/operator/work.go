package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/postgres"
	"tenantctl/internal/provision"
	"tenantctl/internal/registry"
	"tenantctl/internal/telemetry"
	"tenantctl/internal/tenant"
)

const (
	notYet       = time.Second // until the replica is likely to have what the fleet follows
	lockedPause  = 2 * time.Second
	firstPause   = time.Second
	longestPause = 5 * time.Minute
)

// work does a job. What came of it is in the records; the error is one of the control database itself.
func (o *Operator) work(ctx context.Context, j job) error {
	l, done, err := o.inForce(ctx)
	defer done()
	if err != nil {
		return err
	}
	v, err := o.viewOf(ctx, l, j.Tenant)
	if err == nil && j.Task == TaskRollout {
		v.targets, err = v.Targets(ctx)
	}
	if err != nil {
		return err
	}
	if v.paused[""] || v.paused[j.Tenant] {
		return nil
	}
	t := reconcile.Tenant{}
	if j.Task != TaskRollout {
		if len(v.fleet) == 0 {
			return nil // isn't declared any more
		}
		t = v.fleet[0]
	}
	defer o.awake()
	return o.carryOut(ctx, v, t, j.Task)
}

// inForce is this replica's file while the fleet follows it; else the job is for another replica, or for nobody just now. The
// function is called when the job is done with it.
func (o *Operator) inForce(ctx context.Context) (*loaded, func(), error) {
	l, done := o.use()
	g, err := o.Store.Generation(ctx)
	if err == nil && (l == nil || l.hash != g.Hash || g.Held != "") {
		err = again(notYet)
	}
	return l, done, err
}

// carryOut does a task and records what came of it. It is a trace of its own, which all lines about it bear.
func (o *Operator) carryOut(ctx context.Context, v *view, t reconcile.Tenant, task Task) error {
	began := time.Now()
	if t.Name != "" {
		ctx = telemetry.WithTenant(ctx, string(t.Name))
	}
	ctx, span := o.Trace.Start(ctx, telemetry.Internal, "reconcile "+string(task), slog.String("tenantctl.task", string(task)), slog.String("tenantctl.declared", v.declared(t, task)))
	defer span.End()
	message, err := o.do(ctx, v, t, task)
	result, err := o.settle(ctx, v, t, task, message, err)
	took := time.Since(began)
	span.Set(slog.String("tenantctl.result", string(result)))
	switch {
	case err != nil:
		span.Fail("records")
	case result == Failed || result == Refused:
		span.Fail(string(result))
	case result == Settled:
		o.Log.InfoContext(ctx, "as declared", "task", task, "duration", took)
	}
	o.Metrics.job(task, string(result), took)
	return err
}

func (o *Operator) do(ctx context.Context, v *view, t reconcile.Tenant, task Task) (message string, err error) {
	switch task {
	case TaskMove:
		return o.move(ctx, v, t)
	case TaskRollout:
		return "", o.rollout(ctx, v)
	case TaskRemove:
		return o.remove(ctx, v, t)
	}
	return "", o.bring(ctx, v, t)
}

// errWait is work whose time hasn't come.
type errWait struct {
	message string
	until   time.Duration // from now
}

func (e errWait) Error() string { return e.message }

// settle records what came of a task, unless another process has taken it over.
func (o *Operator) settle(ctx context.Context, v *view, t reconcile.Tenant, task Task, message string, cause error) (Result, error) {
	ctx = context.WithoutCancel(ctx)
	r, pause := o.judge(ctx, v, t, task, message, cause)
	if r.Result == "" {
		return Waiting, nil // goes on elsewhere
	}
	return r.Result, o.Store.save(ctx, outcome{r, pause})
}

// judge says what came of a task, and for how long it is left alone; a record without a result where another process has taken it
// over.
func (o *Operator) judge(ctx context.Context, v *view, t reconcile.Tenant, task Task, message string, cause error) (Record, time.Duration) {
	r := Record{Tenant: t.Name, Task: task, Declared: v.declared(t, task), Result: Settled, Message: message}
	var wait errWait
	before := v.records[key{t.Name, task}]
	if before.Declared != r.Declared {
		before = Record{}
	}
	pause := time.Duration(0)
	switch {
	case cause == nil:
	case errors.As(cause, &wait):
		r.Result, r.Message, pause = Waiting, wait.message, max(wait.until, time.Millisecond)
	case errors.Is(cause, tenant.ErrLeaseLost), errors.Is(cause, tenant.ErrInterrupted), errors.Is(cause, context.Canceled):
		r.Result = ""
	case errors.Is(cause, tenant.ErrLocked):
		r.Result, r.Message, pause = Waiting, cause.Error(), lockedPause
	case terminal(cause):
		r.Result, r.Message, r.Attempts = Refused, cause.Error(), before.Attempts+1
	default:
		r.Result, r.Message, r.Attempts = Failed, cause.Error(), before.Attempts+1
		pause = backoff(r.Attempts)
	}
	if r.Result == Refused || r.Result == Failed {
		o.Log.ErrorContext(ctx, "not as declared", "task", task, "result", r.Result, "attempts", r.Attempts, "error", cause)
		if before.Message != r.Message {
			o.tell(ctx, "operator."+string(r.Result), t.Name, fmt.Sprintf("%s: %s", task, r.Message))
		}
	}
	return r, pause
}

// terminal tells what gives the same answer when it is tried again.
func terminal(err error) bool {
	if postgres.Classify(err) == postgres.Retryable {
		return false
	}
	for _, target := range []error{tenant.ErrConflict, tenant.ErrRefused, tenant.ErrInvalid, tenant.ErrPartial, tenant.ErrStopped} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// backoff doubles from a second, spread by chance so that a fleet that failed at once doesn't come back at once.
func backoff(attempts int) time.Duration {
	d := longestPause
	if attempts < 10 {
		d = min(longestPause, firstPause<<(attempts-1))
	}
	return d/2 + rand.N(d) //nolint:gosec // spreads out, hides nothing
}

// bring provisions a tenant as declared, under its lease, and records its state.
func (o *Operator) bring(ctx context.Context, v *view, t reconcile.Tenant) error {
	return o.underLease(ctx, t.Name, func(ctx context.Context, fence provision.Fence) error {
		home, err := v.home(ctx, t.Spec.Instance)
		if err != nil {
			return err
		}
		return o.bringHome(ctx, home, t, fence)
	})
}

func (o *Operator) bringHome(ctx context.Context, home *provision.Provisioner, t reconcile.Tenant, fence provision.Fence) error {
	plan := reconcile.Decide(t, reconcile.Seen{})
	if _, err := home.ProvisionUnder(ctx, plan.Spec, fence); err != nil {
		return err
	}
	_, err := reconcile.Settle(ctx, home, o.Records, plan, o.Actor)
	return err
}

// underLease does something as the only one who works on a tenant. Leases come from a session that this replica keeps for them;
// only one that a silent process has is asked for by a session of its own, which takes it over.
func (o *Operator) underLease(ctx context.Context, name tenant.Name, do func(context.Context, provision.Fence) error) error {
	if !o.begin(name) {
		return fmt.Errorf("tenant %s: this replica works on it already: %w", name, tenant.ErrLocked)
	}
	defer o.end(name)
	lease := registry.LeaseName(name)
	holds, err := o.session(ctx)
	if err != nil {
		return err
	}
	tokens, err := holds.Take(ctx, []tenant.Name{name})
	if err != nil {
		o.dropSession(ctx, holds)
		return err
	}
	if token, taken := tokens[name]; taken {
		defer func() { _ = holds.Release(ctx, []tenant.Name{name}) }() // its session ends with the process
		return do(ctx, provision.Fence{Lease: lease, Token: token})
	}
	held, err := o.Records.Acquire(ctx, lease, registry.ThisProcess())
	if err != nil {
		return fmt.Errorf("tenant %s: %w", name, err)
	}
	defer func() { _ = held.Release(ctx) }() // its session ends with the process
	ctx, cancel := held.Context(ctx)
	defer cancel()
	return do(ctx, provision.Fence{Lease: lease, Token: held.Token()})
}

// session is the one on which this replica takes leases.
func (o *Operator) session(ctx context.Context) (*registry.Holds, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.holds != nil {
		return o.holds, nil
	}
	holds, err := o.Records.OpenHolds(ctx, registry.ThisProcess())
	if err != nil {
		return nil, err
	}
	o.holds = holds
	return holds, nil
}

// dropSession has the next lease taken on a new session, because this one is gone.
func (o *Operator) dropSession(ctx context.Context, gone *registry.Holds) {
	o.mu.Lock()
	mine := o.holds == gone
	if mine {
		o.holds = nil
	}
	o.mu.Unlock()
	if mine {
		_ = gone.Close(context.WithoutCancel(ctx)) // it is gone already
	}
}

// begin notes that a tenant is worked on: a session may take its own locks twice.
func (o *Operator) begin(name tenant.Name) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.underway[name] {
		return false
	}
	o.underway[name] = true
	return true
}

func (o *Operator) end(name tenant.Name) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.underway, name)
}
