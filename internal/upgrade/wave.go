package upgrade

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

// passage of tenants through a wave, or back.
type waveRun struct {
	*Upgrader
	rollout  string
	way      direction
	parallel int
	budget   *budget
	recorder *recorder
	holds    *registry.Holds
	stands   standing

	mutex    sync.Mutex
	deferred []*Outcome // to be tried once more at the end
	last     bool       // this is the end
}

// errSpent ends a wave whose budget is spent.
type errSpent struct{ why string }

func (e errSpent) Error() string { return e.why }

// runTenants works on tenants of one wave, which are all pending, with so many at once on each instance. Those that locks
// deferred are tried once more at the end.
func (u *Upgrader) runTenants(ctx context.Context, r *Rollout, way direction, parallel int, b *budget, tenants []*Outcome) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &waveRun{Upgrader: u, rollout: r.ID, way: way, parallel: parallel, budget: b, recorder: u.newRecorder(ctx, r.ID, cancel)}
	defer func() { err = errors.Join(err, w.recorder.close()) }()
	if w.holds, err = u.Registry.OpenHolds(ctx, registry.ThisProcess()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.holds.Close(ctx)) }()
	if w.stands, err = u.observe(ctx, membersOf(tenants)); err != nil {
		return err
	}
	tenants = w.settle(tenants)
	if err := w.pass(ctx, tenants); err != nil {
		return err
	}
	if len(w.deferred) > 0 && b.spent() == "" {
		again := w.deferred
		w.deferred, w.last = nil, true
		slices.SortFunc(again, func(a, b *Outcome) int { return w.order(a, b) })
		if w.stands, err = u.observe(ctx, membersOf(again)); err != nil {
			return err
		}
		err = w.pass(ctx, again)
	}
	return err
}

func membersOf(tenants []*Outcome) []Member {
	members := make([]Member, len(tenants))
	for i, t := range tenants {
		members[i] = t.Member
	}
	return members
}

func (w *waveRun) order(a, b *Outcome) int {
	if w.way == backward {
		a, b = b, a
	}
	return slices.Compare([]string{string(a.Tenant)}, []string{string(b.Tenant)})
}

// settle takes out the tenants that are where they should be already: those that an earlier run of this rollout brought there
// and had no time to write down, and those that somebody else did.
func (w *waveRun) settle(tenants []*Outcome) []*Outcome {
	if w.way == backward {
		return tenants
	}
	var rest []*Outcome
	for _, t := range tenants {
		outcome, concerned := w.judge(t.Member, w.stands[t.Tenant])
		if concerned && outcome.Result == Pending {
			rest = append(rest, t)
			continue
		}
		t.Result, t.Note, t.Failure, t.err = outcome.Result, outcome.Note, nil, nil
		if w.dropped(t) {
			t.Note = droppedNote
		}
		if !concerned {
			t.Result = Unchanged
			t.now = map[string]tenant.Version{}
			for service, stand := range w.stands[t.Tenant] {
				if stand.Recorded != nil && stand.Recorded.Mark == w.rollout {
					t.Result = Upgraded
				}
				t.now[service] = *stand.Version
			}
		}
		w.end(t)
	}
	return rest
}

const droppedNote = "its schema was dropped meanwhile"

// dropped tells that a tenant had tables when the rollout was planned, and has none now.
func (w *waveRun) dropped(t *Outcome) bool {
	for service := range t.Before {
		if !w.stands[t.Tenant][service].Table {
			return true
		}
	}
	return false
}

// end counts and records an outcome.
func (w *waveRun) end(t *Outcome) {
	w.budget.count(t.Result)
	w.recorder.add(*t)
	t.Attempts = 0 // the record adds up
}

// pass works on tenants, instance by instance side by side.
func (w *waveRun) pass(ctx context.Context, tenants []*Outcome) error {
	grouped := map[string][]*Outcome{}
	for _, t := range tenants {
		grouped[t.Instance] = append(grouped[t.Instance], t)
	}
	group, ctx := errgroup.WithContext(ctx)
	for name, here := range grouped {
		group.Go(func() error { return w.onInstance(ctx, name, here) })
	}
	err := group.Wait()
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	if why := w.budget.spent(); why != "" && err == nil {
		err = errSpent{why}
	}
	if err == nil && w.draining() && w.unfinished(tenants) {
		err = tenant.ErrInterrupted
	}
	return err
}

func (w *waveRun) unfinished(tenants []*Outcome) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return len(w.deferred) > 0 || slices.ContainsFunc(tenants, func(t *Outcome) bool { return t.Result == Pending })
}

// onInstance has workers take tenants in their order.
func (w *waveRun) onInstance(ctx context.Context, name string, tenants []*Outcome) error {
	instance, err := w.Instance(ctx, name)
	if err != nil {
		return err
	}
	if err := instance.Prepare(ctx); err != nil {
		return fmt.Errorf("instance %q: %w", name, err)
	}
	queue := &queue{tenants: tenants, holds: w.holds, registry: w.Registry, batch: w.parallel}
	throttle, turn := newThrottle(w.parallel), newTurn()
	group, ctx := errgroup.WithContext(ctx)
	for range min(w.parallel, len(tenants)) {
		group.Go(func() error {
			s := &session{instance: instance, rollout: w.rollout, turn: turn}
			defer s.close(ctx)
			return w.work(ctx, s, queue, throttle)
		})
	}
	return errors.Join(group.Wait(), queue.release(ctx))
}

// work takes one tenant after the other.
func (w *waveRun) work(ctx context.Context, s *session, q *queue, t *throttle) error {
	for {
		if err := t.enter(ctx); err != nil {
			return err
		}
		if w.draining() || w.budget.spent() != "" {
			t.leave(false)
			return nil
		}
		outcome, free, err := q.next(ctx)
		if err != nil || outcome == nil {
			t.leave(false)
			return err
		}
		blocked := false
		if free {
			blocked, err = w.one(ctx, s, outcome)
			q.done(outcome)
		} else {
			w.busy(outcome)
		}
		t.leave(blocked)
		if err != nil {
			return err
		}
	}
}

// one works on a tenant whose lease we have.
func (w *waveRun) one(ctx context.Context, s *session, outcome *Outcome) (blocked bool, err error) {
	s.next(ctx)
	a := &attempt{Upgrader: w.Upgrader, instance: s.instance, session: s, rollout: w.rollout, way: w.way, outcome: outcome, stands: w.stands[outcome.Tenant]}
	if err := a.run(ctx); err != nil {
		return a.blocked, err
	}
	if outcome.Result == Deferred && !w.last {
		w.later(outcome)
		return a.blocked, nil
	}
	w.end(outcome)
	return a.blocked, nil
}

func (w *waveRun) later(outcome *Outcome) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.deferred = append(w.deferred, outcome)
}

// busy leaves a tenant alone that another process works on: it comes once more at the end of the wave, and then is left out.
func (w *waveRun) busy(outcome *Outcome) {
	if !w.last {
		w.later(outcome)
		return
	}
	what := cmp.Or(outcome.Busy, "work of another process")
	outcome.Result, outcome.Failure, outcome.err = Skipped, nil, nil
	outcome.Note = busyNote(what)
	w.end(outcome)
}

func busyNote(what string) string {
	return fmt.Sprintf("its %s isn't finished; the next upgrade brings it along", what)
}

// queue hands tenants out in their order, and takes their leases some at a time.
type queue struct {
	mutex    sync.Mutex
	tenants  []*Outcome
	holds    *registry.Holds
	registry *registry.Registry
	batch    int
	ready    []*Outcome
	free     map[tenant.Name]int64 // the tokens of leases that are ours
	ended    []tenant.Name         // whose leases can go
}

// next is the next tenant, nil at the end; free tells that its lease is ours.
func (q *queue) next(ctx context.Context) (outcome *Outcome, free bool, err error) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if len(q.ready) == 0 {
		if err := q.fill(ctx); err != nil {
			return nil, false, err
		}
	}
	if len(q.ready) == 0 {
		return nil, false, nil
	}
	outcome, q.ready = q.ready[0], q.ready[1:]
	_, free = q.free[outcome.Tenant]
	return outcome, free, nil
}

// leasesAtOnce is for how many tenants for each worker leases are taken ahead.
const leasesAtOnce = 4

func (q *queue) fill(ctx context.Context) error {
	if err := q.letGo(ctx); err != nil || len(q.tenants) == 0 {
		return err
	}
	n := min(len(q.tenants), q.batch*leasesAtOnce)
	names := make([]tenant.Name, n)
	for i, t := range q.tenants[:n] {
		names[i] = t.Tenant
	}
	free, err := q.holds.Take(ctx, names)
	if err != nil {
		return err
	}
	// A process that died in the middle of its work left no lease, and the tenant half done.
	unfinished, err := q.registry.Unfinished(ctx, names)
	if err != nil {
		return err
	}
	for _, t := range q.tenants[:n] {
		t.Busy = unfinished[t.Tenant]
		if _, ours := free[t.Tenant]; ours && t.Busy != "" {
			q.ended = append(q.ended, t.Tenant)
			delete(free, t.Tenant)
		}
	}
	q.ready, q.tenants, q.free = q.tenants[:n], q.tenants[n:], free
	return nil
}

func (q *queue) letGo(ctx context.Context) error {
	if len(q.ended) == 0 {
		return nil
	}
	ended := q.ended
	q.ended = nil
	return q.holds.Release(ctx, ended)
}

func (q *queue) done(outcome *Outcome) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.ended = append(q.ended, outcome.Tenant)
}

// release lets every lease go that is left.
func (q *queue) release(ctx context.Context) error {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	for _, t := range q.ready {
		if _, ours := q.free[t.Tenant]; ours {
			q.ended = append(q.ended, t.Tenant)
		}
	}
	q.ready = nil
	return q.letGo(ctx)
}

// bake waits after a wave, so that what it broke can show.
func (u *Upgrader) bake(ctx context.Context, wave Wave) error {
	if wave.Bake <= 0 {
		return nil
	}
	u.Observer.Baking(wave, time.Now().Add(wave.Bake))
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-u.Drain:
		return tenant.ErrInterrupted
	case <-time.After(wave.Bake):
		return nil
	}
}
