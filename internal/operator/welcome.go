package operator

import (
	"cmp"
	"context"
	"errors"
	"hash/fnv"
	"log/slog"
	"maps"
	"slices"
	"time"

	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/provision"
	"tenantctl/internal/registry"
	"tenantctl/internal/telemetry"
	"tenantctl/internal/tenant"
)

const (
	// shares is among how many jobs an instance's new tenants are divided, where there are many: enough for the workers of several
	// replicas, few enough for what a job asks once to be asked seldom.
	shares = 16
	// few new tenants have a job each.
	few = 8
	// atOnce bounds what a job takes; the rest is the next one's.
	atOnce = 100
)

// share is the work on one part of an instance's new tenants: those whose names fall on it. What it takes to be the only one who
// works on a tenant, and to know what there is of it, it does for all of them at once.
type share struct {
	Instance string `json:"instance" river:"unique"`
	Share    uint32 `json:"share"    river:"unique"`
}

// Kind implements river.JobArgs.
func (share) Kind() string { return "operator-new" }

// queue is the one of tenants' other jobs: the same workers do both.
func (share) queue() Task { return TaskTenant }

func shareOf(name tenant.Name) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // never fails
	return h.Sum32() % shares
}

// welcome are the jobs for an instance's new tenants.
func welcome(instance string, names []tenant.Name) (jobs []errand) {
	if len(names) < few {
		for _, name := range names {
			jobs = append(jobs, job{Task: TaskTenant, Tenant: name})
		}
		return jobs
	}
	sizes := map[uint32]int{}
	for _, name := range names {
		sizes[shareOf(name)]++
	}
	// The largest go first, so that the workers come to an end at about the same time.
	order := slices.SortedFunc(maps.Keys(sizes), func(a, b uint32) int { return cmp.Or(cmp.Compare(sizes[b], sizes[a]), cmp.Compare(a, b)) })
	for _, s := range order {
		jobs = append(jobs, share{instance, s})
	}
	return jobs
}

// welcomeShare makes the new tenants of a share. It looks at them anew, as any job does.
func (o *Operator) welcomeShare(ctx context.Context, s share) error {
	l, done, err := o.inForce(ctx)
	defer done()
	if err != nil {
		return err
	}
	names := slices.DeleteFunc(slices.Clone(l.file.Tenants()), func(name tenant.Name) bool { return shareOf(name) != s.Share })
	v, err := o.viewOf(ctx, l, names...)
	if err != nil || v.paused[""] {
		return err
	}
	newcomers := slices.DeleteFunc(v.fleet, func(t reconcile.Tenant) bool {
		return !v.isNew(t) || t.Spec.Instance != s.Instance || v.paused[t.Name] || v.task(t) != TaskTenant || !v.open(t, TaskTenant, &scanned{})
	})
	if len(newcomers) == 0 {
		return nil
	}
	defer o.awake()
	return o.welcomeAll(ctx, v, s.Instance, newcomers[:min(len(newcomers), atOnce)])
}

// welcomeAll makes new tenants of one instance. Whoever's lease another process has, is gone about by itself.
func (o *Operator) welcomeAll(ctx context.Context, v *view, instance string, newcomers []reconcile.Tenant) error {
	ours, locked, letGo, err := o.takeAll(ctx, newcomers)
	if err != nil {
		return err
	}
	err = o.makeAll(ctx, v, instance, ours)
	letGo()
	for _, t := range locked {
		err = errors.Join(err, o.carryOut(ctx, v, t, TaskTenant))
	}
	return err
}

// leased is a tenant whose lease this replica has.
type leased struct {
	reconcile.Tenant
	token int64
}

// takeAll takes the leases of tenants that nobody works on, until letGo is called.
func (o *Operator) takeAll(ctx context.Context, tenants []reconcile.Tenant) (ours []leased, locked []reconcile.Tenant, letGo func(), err error) {
	holds, err := o.session(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	var names []tenant.Name
	tenants = slices.DeleteFunc(slices.Clone(tenants), func(t reconcile.Tenant) bool { return !o.begin(t.Name) })
	for _, t := range tenants {
		names = append(names, t.Name)
	}
	end := func(names []tenant.Name) {
		for _, name := range names {
			o.end(name)
		}
	}
	tokens, err := holds.Take(ctx, names)
	if err != nil {
		o.dropSession(ctx, holds)
		end(names)
		return nil, nil, nil, err
	}
	var taken []tenant.Name
	for _, t := range tenants {
		if token, free := tokens[t.Name]; free {
			ours, taken = append(ours, leased{t, token}), append(taken, t.Name)
			continue
		}
		locked = append(locked, t)
		o.end(t.Name)
	}
	return ours, locked, func() {
		_ = holds.Release(context.WithoutCancel(ctx), taken) // its session ends with the process
		end(taken)
	}, nil
}

// makeAll provisions tenants one after the other, until all are made or the replica is to end.
func (o *Operator) makeAll(ctx context.Context, v *view, instance string, tenants []leased) error {
	wanted := make([]provision.Leased, len(tenants))
	byName := make(map[tenant.Name]reconcile.Plan, len(tenants))
	for i, t := range tenants {
		plan := reconcile.Decide(t.Tenant, reconcile.Seen{})
		byName[t.Name] = plan
		wanted[i] = provision.Leased{Spec: plan.Spec, Fence: provision.Fence{Lease: registry.LeaseName(t.Name), Token: t.token}}
	}
	var outcomes []outcome
	note := func(t reconcile.Tenant, took time.Duration, cause error) {
		r, pause := o.judge(telemetry.WithTenant(ctx, string(t.Name)), v, t, TaskTenant, "", cause)
		if r.Result == "" { // goes on elsewhere
			o.Metrics.job(TaskTenant, string(Waiting), took)
			return
		}
		outcomes = append(outcomes, outcome{r, pause})
		o.Metrics.job(TaskTenant, string(r.Result), took)
	}
	ctx, span := o.Trace.Start(ctx, telemetry.Internal, "reconcile new tenants", slog.String("tenantctl.instance", instance), slog.Int("tenantctl.tenants", len(tenants)))
	defer span.End()
	home, err := v.home(ctx, instance)
	if err == nil {
		n := 0
		err = home.ProvisionEach(ctx, wanted, func(made provision.Outcome) bool {
			if made.Err == nil {
				_, made.Err = reconcile.Settle(ctx, home, o.Records, byName[made.Tenant], o.Actor)
			}
			note(tenants[n].Tenant, made.Elapsed, made.Err)
			n++
			return !o.drained()
		})
	}
	if err != nil { // the instance itself
		span.Fail("instance")
		for _, t := range tenants {
			note(t.Tenant, 0, err)
		}
	}
	return o.Store.save(context.WithoutCancel(ctx), outcomes...)
}

// drained tells whether the replica is about to end.
func (o *Operator) drained() bool {
	select {
	case <-o.drain:
		return true
	default:
		return false
	}
}
