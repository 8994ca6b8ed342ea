package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

// leaseName is the lease of the replica that leads.
const leaseName = "operator"

const (
	tick        = time.Second
	restFactor  = 4 // the leader rests for so many times as long as it looked
	rescanPause = 200 * time.Millisecond
	busyPause   = time.Second // at most, while jobs are at work and nothing is new
)

// lead leads whenever no other replica does, until ctx is over.
func (o *Operator) lead(ctx context.Context) {
	for ctx.Err() == nil {
		if err := o.leadOnce(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, tenant.ErrLocked) {
			o.Log.WarnContext(ctx, "lead", "error", err)
		}
		pause(ctx, tick)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// leadOnce leads until the lease is lost, something breaks, or others should.
func (o *Operator) leadOnce(ctx context.Context) error {
	if may, err := o.mayLead(ctx); err != nil || !may {
		return err
	}
	lease, err := o.Records.Acquire(ctx, leaseName, registry.ThisProcess())
	if err != nil {
		return err
	}
	defer func() { _ = lease.Release(ctx) }() // its session ends with the process
	held, cancel := lease.Context(ctx)
	defer cancel()
	o.setLeads(true)
	defer o.setLeads(false)
	o.Log.InfoContext(ctx, "leads", "id", o.id)
	return o.reign(held)
}

func (o *Operator) setLeads(leads bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.leads = leads
	o.Metrics.leads.Set(oneIf(leads))
}

// mayLead tells whether this replica's file is what the fleet follows, or may become that: it was of one mind with it before its
// file changed, or nobody who runs has what the fleet follows. A replica that was given another file from the start may not.
func (o *Operator) mayLead(ctx context.Context) (bool, error) {
	mine, done := o.use()
	defer done()
	if mine == nil {
		return false, nil
	}
	g, err := o.Store.Generation(ctx)
	if err != nil {
		return false, err
	}
	o.mu.Lock()
	agreed := o.agreed
	o.mu.Unlock()
	if g.Number == 0 || g.Hash == mine.hash || agreed == g.Hash {
		return true, nil
	}
	replicas, err := o.Store.Replicas(ctx)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(replicas, func(r Replica) bool { return r.ID != o.id && r.Hash == g.Hash }), nil
}

// reign looks at the fleet when something happened, and now and then, and heals beside it.
func (o *Operator) reign(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel()
	beside.Go(func() { o.listen(ctx) })
	beside.Go(func() { o.heal(ctx) })
	for _, s := range o.Sinks {
		beside.Go(func() { o.deliver(ctx, s) })
	}
	o.awake()
	next := time.Now() // of a look that nothing asked for
	rest := rescanPause
	for {
		asked := false
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-o.wake:
			asked = true
		case <-time.After(tick):
			rest = rescanPause
		}
		if taken, err := o.queue.rescue(ctx); err != nil {
			return err
		} else if taken > 0 {
			o.Log.InfoContext(ctx, "took jobs of a dead replica over", "jobs", taken)
		}
		if may, err := o.mayLead(ctx); err != nil || !may {
			return err
		}
		if !asked && time.Now().Before(next) {
			continue
		}
		began := time.Now()
		found, err := o.scan(ctx)
		if err != nil {
			return err
		}
		took := time.Since(began)
		o.Metrics.scan.Observe(took.Seconds())
		next = time.Now().Add(min(o.Resync, found.next))
		if found.twice > 0 { // what was put twice may be at work on what was declared before
			next = time.Now().Add(tick)
		}
		rest = found.rest(rest)
		pause(ctx, max(restFactor*took, rest))
	}
}

// rest is how long the leader rests after a look. Each thing that jobs do wakes it, and as long as all that is due is in the queue
// already, it would look in vain, at the cost of those jobs.
func (s *scanned) rest(before time.Duration) time.Duration {
	if s.twice > 0 && s.twice == len(s.jobs) {
		return min(2*before, busyPause)
	}
	return rescanPause
}

// listen wakes the leader when something happens to a tenant.
func (o *Operator) listen(ctx context.Context) {
	for ctx.Err() == nil {
		if err := o.Records.Watch(ctx, o.awake); err != nil {
			o.Log.WarnContext(ctx, "watch events", "error", err)
		}
		pause(ctx, tick)
	}
}

// scanned is what a look at the fleet came to.
type scanned struct {
	jobs  []errand
	twice int
	next  time.Duration // until something is due by itself
}

// scan settles what the fleet follows, and puts into the queue whatever isn't as declared.
func (o *Operator) scan(ctx context.Context) (scanned, error) {
	l, done := o.use()
	defer done()
	if l == nil {
		return scanned{next: o.Resync}, nil
	}
	v, err := o.view(ctx, l)
	if err != nil {
		return scanned{}, err
	}
	if follows, err := o.settleGeneration(ctx, l, v.fleet); err != nil || !follows {
		return scanned{next: o.Resync}, err
	}
	found := v.due()
	v.count(o.Metrics)
	found.twice, err = o.queue.put(ctx, found.jobs)
	return found, err
}

// settleGeneration makes this replica's file what the fleet follows, and tells whether work may go on.
func (o *Operator) settleGeneration(ctx context.Context, l *loaded, fleet []reconcile.Tenant) (bool, error) {
	g, err := o.Store.Generation(ctx)
	if err != nil {
		return false, err
	}
	if g.Hash == l.hash {
		return g.Held == "", nil
	}
	next := Generation{Number: g.Number + 1, Hash: l.hash, File: o.File, Actor: o.Actor, Tenants: l.file.Tenants()}
	before, err := o.Store.accepted(ctx)
	if err != nil {
		return false, err
	}
	removals, of := removed(fleet, before)
	if tooMany(len(removals), of, o.RemovalShare) {
		next.Removals = removals
		next.Held = fmt.Sprintf("it takes the service of %d of %d tenants away", len(removals), of)
	}
	if err := o.Store.publish(ctx, next); err != nil {
		return false, err
	}
	if next.Held != "" {
		message := fmt.Sprintf("tenants.yaml %s waits to be accepted, since %s: `tenantctl operator accept %s`", next.Token(), next.Held, next.Token())
		o.Log.ErrorContext(ctx, "a change waits to be accepted", "generation", next.Number, "why", next.Held, "token", next.Token())
		o.tell(ctx, "operator.change_held", "", message)
		return false, nil
	}
	o.Log.InfoContext(ctx, "follows a new file", "generation", next.Number, "hash", short(next.Hash))
	o.tell(ctx, "operator.file_followed", "", fmt.Sprintf("the fleet follows tenants.yaml %s, generation %d", short(next.Hash), next.Number))
	return true, nil
}

// removed are the tenants in service that a new file takes out of service or doesn't declare any more, and how many are in service.
func removed(fleet []reconcile.Tenant, before Generation) (removals []tenant.Name, of int) {
	was := make(map[tenant.Name]bool, len(before.Tenants))
	for _, name := range before.Tenants {
		was[name] = true
	}
	for _, t := range fleet {
		if t.Status == nil || t.Status.State != tenant.Active {
			continue
		}
		if t.Declared || was[t.Name] {
			of++
		}
		if t.Declared && t.Desired() != tenant.Active || !t.Declared && was[t.Name] {
			removals = append(removals, t.Name)
		}
	}
	return removals, of
}

// fewest is how many tenants a change may always take out of service, less one: a small fleet has to be worked with, too.
const fewest = 2

func tooMany(n, of, percent int) bool { return n >= fewest && n*100 > percent*of }
