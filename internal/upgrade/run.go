package upgrade

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tenantctl/internal/operation/pause"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

// Report is a rollout with all that is known of it.
type Report struct {
	Rollout    Rollout         `json:"rollout"`
	Tenants    []Outcome       `json:"tenants"`
	Judgements []WaveJudgement `json:"judgements,omitempty"`
}

// CountWave counts the tenants of a wave that are through and those that failed.
func (r Report) CountWave(wave int) (done, failed int) {
	for _, t := range r.Tenants {
		if t.Wave != wave {
			continue
		}
		switch t.Result {
		case Upgraded, Unchanged, Reverted, Skipped:
			done++
		case Failed, Deferred:
			failed++
		case Pending:
		}
	}
	return done, failed
}

// BeginOptions say what else is recorded of a rollout.
type BeginOptions struct {
	Reason string
	// Whole tells that the whole fleet was meant: new tenants get its versions, and those made meanwhile come along.
	Whole bool
	// Supersede begins it in the place of one that isn't finished.
	Supersede bool
}

// Begin records a rollout. Where another one isn't finished, it is tenant.ErrConflict, unless that one is to be superseded; so is
// one to versions that a running service can't work with.
func (u *Upgrader) Begin(ctx context.Context, p Proposal, opts BeginOptions) (Rollout, error) {
	if err := u.CheckServed(ctx, p); err != nil {
		return Rollout{}, err
	}
	lease, err := u.lease(ctx)
	if err != nil {
		return Rollout{}, err
	}
	defer func() { _ = lease.Release(ctx) }() // its session ends with the process
	last, err := u.Store.Last(ctx)
	if err != nil && !errors.Is(err, tenant.ErrNotFound) {
		return Rollout{}, err
	}
	if err == nil && last.State.Unfinished() {
		if !opts.Supersede || last.State == Reverting {
			return Rollout{}, tenant.WithHint(fmt.Errorf("rollout %s is %s: %w", last.ID, last.State, tenant.ErrConflict),
				fmt.Sprintf("go on with it: `tenantctl upgrade --resume`; undo it: `tenantctl upgrade --rollback %s`; or begin this one in its place: --supersede", last.ID))
		}
		last.State = Superseded
		if err := u.Store.save(ctx, &last); err != nil {
			return Rollout{}, err
		}
	}
	r := Rollout{Whole: opts.Whole, Targets: p.Targets, Waves: p.Waves, Actor: u.Actor, Reason: opts.Reason}
	if err := u.Store.create(ctx, &r, p.Tenants); err != nil {
		return Rollout{}, err
	}
	return r, u.publish(ctx, "rollout.started", fmt.Sprintf("rollout %s of %s: %d tenants in %d waves", r.ID, TargetsText(r.Targets), p.Pending(), len(p.Waves)))
}

// TargetsText names targets for people: core 6, auth 3.
func TargetsText(targets []Target) string {
	text := ""
	for i, t := range targets {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%s %d", t.Service, t.Version)
	}
	return text
}

func (u *Upgrader) lease(ctx context.Context) (*registry.Lease, error) {
	lease, err := u.Registry.Acquire(ctx, leaseName, registry.ThisProcess())
	if err != nil {
		return nil, fmt.Errorf("another rollout is under way: %w", err)
	}
	return lease, nil
}

// Run brings a recorded rollout to its end, or on from where it stopped. Tenants that failed are tried again. The error is
// tenant.ErrPartial where tenants failed, tenant.ErrStopped where a gate stopped it, tenant.ErrInterrupted where it was drained.
func (u *Upgrader) Run(ctx context.Context, id string) (Report, error) {
	return u.underLease(ctx, id, func(ctx context.Context, r *Rollout) error {
		if !r.State.Unfinished() && r.State != Partial || r.State == Reverting {
			return tenant.WithHint(fmt.Errorf("rollout %s is %s: there is nothing to resume: %w", r.ID, r.State, tenant.ErrConflict), nextAfter(r))
		}
		r.State, r.Error = Running, ""
		if err := u.Store.save(ctx, r); err != nil {
			return err
		}
		return u.settle(ctx, r, u.waves(ctx, r))
	})
}

func nextAfter(r *Rollout) string {
	if r.State == Reverting {
		return fmt.Sprintf("`tenantctl upgrade --rollback %s` goes on with going back", r.ID)
	}
	return "`tenantctl upgrade --all` begins a new one where tenants are behind"
}

// underLease does something with a rollout as its only process, and reports on it whatever came of it.
func (u *Upgrader) underLease(ctx context.Context, id string, do func(context.Context, *Rollout) error) (Report, error) {
	lease, err := u.lease(ctx)
	if err != nil {
		return Report{}, err
	}
	defer func() { _ = lease.Release(ctx) }() // its session ends with the process
	held, cancel := lease.Context(ctx)
	defer cancel()
	r, err := u.Store.Rollout(held, id)
	if err != nil {
		return Report{}, err
	}
	err = do(held, &r)
	if cause := context.Cause(held); err != nil && errors.Is(cause, tenant.ErrLeaseLost) {
		err = errors.Join(cause, err)
	}
	report, reportErr := u.Store.Report(context.WithoutCancel(ctx), r.ID)
	return report, errors.Join(err, reportErr)
}

// Report is all that is recorded of a rollout.
func (s *Store) Report(ctx context.Context, id string) (report Report, err error) {
	if report.Rollout, err = s.Rollout(ctx, id); err != nil {
		return report, err
	}
	if report.Tenants, err = s.Outcomes(ctx, id); err != nil {
		return report, err
	}
	report.Judgements, err = s.Judgements(ctx, id)
	return report, err
}

const cleanupTimeout = 10 * time.Second

// settle records how a run of a rollout ended; cause is why it ended before its time.
func (u *Upgrader) settle(ctx context.Context, r *Rollout, cause error) error {
	if errors.Is(cause, tenant.ErrLeaseLost) {
		return cause // it is another process's now
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	var gate *gateError
	switch {
	case errors.As(cause, &gate) && gate.verdict == Inconclusive:
		r.State = Paused
	case cause != nil:
		r.State = Stopped
	}
	if cause != nil {
		r.Error = cause.Error()
		err := u.Store.save(ctx, r)
		return errors.Join(cause, err, u.publish(ctx, "rollout.stopped", fmt.Sprintf("rollout %s is %s: %s", r.ID, r.State, r.Error)))
	}
	failed, err := u.unsettled(ctx, r)
	if err != nil {
		return err
	}
	r.State = Done
	if failed > 0 {
		r.State, r.Error = Partial, fmt.Sprintf("%s there", counted(failed, "tenant isn't", "tenants aren't"))
	}
	if err := u.Store.save(ctx, r); err != nil {
		return err
	}
	if err := u.publish(ctx, "rollout.completed", fmt.Sprintf("rollout %s is %s", r.ID, r.State)); err != nil {
		return err
	}
	if failed > 0 {
		return tenant.WithHint(fmt.Errorf("rollout %s: %s: %w", r.ID, r.Error, tenant.ErrPartial),
			fmt.Sprintf("mend what failed and try again: `tenantctl upgrade --resume`; or take all back: `tenantctl upgrade --rollback %s`", r.ID))
	}
	return nil
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// unsettled counts the tenants that failed.
func (u *Upgrader) unsettled(ctx context.Context, r *Rollout) (failed int, err error) {
	outcomes, err := u.Store.Outcomes(ctx, r.ID)
	for _, o := range outcomes {
		if o.Result == Failed || o.Result == Deferred || o.Result == Pending {
			failed++
		}
	}
	return failed, err
}

// waves runs what is left of each wave, in order, and then the waves of those who joined meanwhile.
func (u *Upgrader) waves(ctx context.Context, r *Rollout) error {
	u.Targets = r.Targets
	if err := u.checkTargets(); err != nil {
		return err
	}
	for i := 0; ; i++ {
		if i == len(r.Waves) {
			more, err := u.latecomers(ctx, r)
			if err != nil || !more {
				return err
			}
		}
		if err := u.wave(ctx, r, &r.Waves[i]); err != nil {
			return err
		}
	}
}

// checkTargets refuses a rollout whose files aren't there any more.
func (u *Upgrader) checkTargets() error {
	for _, target := range u.Targets {
		s, known := u.streams[target.Service]
		if !known {
			return fmt.Errorf("service %s isn't declared in tenants.yaml any more: %w", target.Service, tenant.ErrConflict)
		}
		if _, err := s.File(target.Version); err != nil {
			return err
		}
	}
	return nil
}

// wave runs the tenants of a wave that aren't there yet. One that passed before keeps that, whatever is tried again in it.
func (u *Upgrader) wave(ctx context.Context, r *Rollout, wave *Wave) error {
	all, err := u.Store.Outcomes(ctx, r.ID)
	if err != nil {
		return err
	}
	var tenants []*Outcome
	for i := range all {
		if all[i].Wave == wave.Number && !all[i].Result.settled() {
			all[i].Result, all[i].Attempts = Pending, 0
			tenants = append(tenants, &all[i])
		}
	}
	if wave.Passed && len(tenants) == 0 {
		return nil
	}
	if u.draining() {
		return tenant.ErrInterrupted
	}
	// Whoever started meanwhile may be older than what the rollout was begun beside.
	if err := u.checkServed(ctx, aims(r.Targets)); err != nil {
		return err
	}
	r.Wave = max(r.Wave, wave.Number)
	if err := u.Store.save(ctx, r); err != nil {
		return err
	}
	begun := *wave
	begun.Size = len(tenants) // what is left of it
	u.Observer.WaveBegan(begun, len(r.Waves))
	if !wave.Passed {
		u.watch(ctx, r.Targets)
	}
	began := time.Now()
	b := newBudget(u.Rollout.Budget, wave.Size)
	err = u.runTenants(ctx, r, forward, wave.Parallel, b, tenants)
	u.Observer.WaveEnded(*wave)
	if err != nil {
		return u.explain(r, *wave, err)
	}
	pause.Point(ctx, pause.WaveEnded)
	if wave.Passed {
		return nil
	}
	if err := u.bake(ctx, *wave); err != nil {
		return err
	}
	if err := u.gates(ctx, r, *wave, began); err != nil {
		return err
	}
	pause.Point(ctx, pause.GatesJudged)
	wave.Passed = true
	if err := u.Store.save(ctx, r); err != nil {
		return err
	}
	return u.publish(ctx, "rollout.wave_completed", fmt.Sprintf("rollout %s: wave %d of %d (%s) is through", r.ID, wave.Number, len(r.Waves), wave.Ring))
}

// settled tells whether a tenant needs no further work in a rollout.
func (r Result) settled() bool { return r == Upgraded || r == Unchanged || r == Skipped }

func (u *Upgrader) explain(r *Rollout, wave Wave, err error) error {
	var spent errSpent
	if !errors.As(err, &spent) {
		return err
	}
	return tenant.WithHint(fmt.Errorf("rollout %s stopped in wave %d of %d (%s): %s: %w", r.ID, wave.Number, len(r.Waves), wave.Ring, spent.why, tenant.ErrPartial),
		fmt.Sprintf("mend what failed and go on: `tenantctl upgrade --resume`; or go back: `tenantctl upgrade --rollback %s`", r.ID))
}

// latecomers adds a wave of the tenants that were made or came free while a rollout of the whole fleet ran.
func (u *Upgrader) latecomers(ctx context.Context, r *Rollout) (bool, error) {
	if !r.Whole {
		return false, nil
	}
	members, err := u.Members(ctx)
	if err != nil {
		return false, err
	}
	known, err := u.Store.Outcomes(ctx, r.ID)
	if err != nil {
		return false, err
	}
	members = slices.DeleteFunc(members, func(m Member) bool {
		return gone(m) || slices.ContainsFunc(known, func(o Outcome) bool { return o.Tenant == m.Tenant })
	})
	if len(members) == 0 {
		return false, nil
	}
	proposal, err := u.Plan(ctx, members)
	if err != nil || proposal.Empty() {
		return false, err
	}
	waves := layOut(u.Rollout.Rings, proposal.Tenants, len(r.Waves))
	r.Waves = append(r.Waves, waves...)
	late := slices.DeleteFunc(proposal.Tenants, func(o Outcome) bool { return o.Result != Pending })
	return true, u.Store.addWave(ctx, r, late)
}
