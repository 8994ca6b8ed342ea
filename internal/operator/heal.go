package operator

import (
	"context"
	"time"

	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/tenant"
)

const lookAtOnce = 100

// heal looks at the instances now and then: what somebody changed there by hand is put back where it is ours.
func (o *Operator) heal(ctx context.Context) {
	for ctx.Err() == nil {
		began := time.Now()
		if err := o.healOnce(ctx); err != nil && ctx.Err() == nil {
			o.Log.WarnContext(ctx, "look at the instances", "error", err)
		}
		pause(ctx, max(o.Heal-time.Since(began), tick))
	}
}

// healOnce looks at every tenant once, some at a time. An instance that can't be reached keeps nobody else from being looked at.
func (o *Operator) healOnce(ctx context.Context) error {
	l, done := o.use()
	defer done()
	g, err := o.Store.Generation(ctx)
	if err != nil || l == nil || l.hash != g.Hash || g.Held != "" {
		return err
	}
	v, err := o.view(ctx, l)
	if err != nil || v.paused[""] {
		return err
	}
	byInstance := map[string][]reconcile.Tenant{}
	for _, t := range v.fleet {
		if t.Declared && t.Status != nil && t.Desired() != tenant.Deleted && t.Busy() == nil && !v.paused[t.Name] {
			byInstance[t.Spec.Instance] = append(byInstance[t.Spec.Instance], t)
		}
	}
	for instance, tenants := range byInstance {
		for len(tenants) > 0 && ctx.Err() == nil {
			n := min(len(tenants), lookAtOnce)
			if err := o.healSome(ctx, v, tenants[:n]); err != nil {
				o.Log.WarnContext(ctx, "look at an instance", "instance", instance, "error", err)
				break
			}
			tenants = tenants[n:]
		}
	}
	return ctx.Err()
}

func (o *Operator) healSome(ctx context.Context, v *view, tenants []reconcile.Tenant) error {
	seen, err := reconcile.See(ctx, v.home, tenants)
	if err != nil {
		return err
	}
	var jobs []errand
	for _, t := range tenants {
		plan := reconcile.Decide(t, seen[t.Name])
		switch {
		case plan.Blocked != nil:
			if _, err := o.settle(ctx, v, t, TaskTenant, "", plan.Blocked); err != nil {
				return err
			}
		case len(plan.Steps) > 0 && !plan.Moves():
			jobs = append(jobs, job{Task: TaskTenant, Tenant: t.Name})
		}
	}
	_, err = o.queue.put(ctx, jobs)
	return err
}
