package upgrade

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"tenantctl/internal/config"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// Revert takes exactly those tenants back that a rollout touched, wave by wave in reverse order, each to where it stood before. It
// refuses before anything is touched where a file has no way down, or where tenants went on since. Run again it goes on.
func (u *Upgrader) Revert(ctx context.Context, id string) (Report, error) {
	return u.underLease(ctx, id, func(ctx context.Context, r *Rollout) error {
		if r.State == RolledBack {
			return fmt.Errorf("rollout %s is rolled back already: %w", r.ID, tenant.ErrConflict)
		}
		u.Targets = r.Targets
		touched, back, err := u.touched(ctx, r)
		if err != nil {
			return err
		}
		if err := u.checkServed(ctx, origins(touched)); err != nil {
			return err
		}
		if r.State == Reverting {
			if err := u.noteBack(ctx, r, back); err != nil {
				return err
			}
		}
		r.State, r.Error = Reverting, ""
		if err := u.Store.save(ctx, r); err != nil {
			return err
		}
		if err := u.publish(ctx, "rollout.reverting", fmt.Sprintf("rollout %s goes back, %d tenants", r.ID, len(touched))); err != nil {
			return err
		}
		return u.settleBack(ctx, r, u.back(ctx, r, touched))
	})
}

// noteBack writes down those that an earlier run took back and had no time to write down.
func (u *Upgrader) noteBack(ctx context.Context, r *Rollout, back []*Outcome) error {
	var outcomes []Outcome
	for _, o := range back {
		if o.Result == Upgraded || o.Result == Failed || o.Result == Deferred {
			o.Result, o.Failure, o.Attempts = Reverted, nil, 0
			outcomes = append(outcomes, *o)
		}
	}
	if len(outcomes) == 0 {
		return nil
	}
	return (&recorder{Upgrader: u, rollout: r.ID}).write(ctx, outcomes)
}

// touched are the tenants that have what the rollout brought, last first, and those that are where they were before it.
func (u *Upgrader) touched(ctx context.Context, r *Rollout) (touched, back []*Outcome, err error) {
	if err := u.checkTargets(); err != nil {
		return nil, nil, err
	}
	all, err := u.Store.Outcomes(ctx, r.ID)
	if err != nil {
		return nil, nil, err
	}
	stands, err := u.observe(ctx, membersOfAll(all))
	if err != nil {
		return nil, nil, err
	}
	var beyond []string
	var errs []error
	for i := range slices.Backward(all) {
		o := &all[i]
		switch u.stateOf(r, o, stands[o.Tenant]) {
		case wentOn:
			beyond = append(beyond, string(o.Tenant))
		case changed:
			touched = append(touched, o)
			errs = append(errs, u.reversible(o, stands[o.Tenant]))
		case none:
			back = append(back, o)
		}
	}
	if len(beyond) > 0 {
		return nil, nil, tenant.WithHint(fmt.Errorf("%s changed since rollout %s, %s for one: %w", counted(len(beyond), "tenant was", "tenants were"), r.ID, beyond[0], tenant.ErrConflict),
			"roll back the later rollout first: `tenantctl rollouts`")
	}
	return touched, back, distinct(errs)
}

func membersOfAll(outcomes []Outcome) []Member {
	members := make([]Member, 0, len(outcomes))
	for _, o := range outcomes {
		if o.Result != Skipped {
			members = append(members, o.Member)
		}
	}
	return members
}

// change is what a rollout did to a tenant, as the tenant's schema tells.
type change string

const (
	none    change = "none"
	changed change = "changed"
	wentOn  change = "went on" // by something that came later
)

func (u *Upgrader) stateOf(r *Rollout, o *Outcome, stands map[string]stream.Stand) change {
	what := none
	for _, target := range u.Targets {
		before, concerned := o.Before[target.Service]
		stand := stands[target.Service]
		if !concerned || !stand.Table || same(before, stand.Version) {
			continue
		}
		switch {
		case stand.Version != nil && stand.Version.Number > target.Version:
			return wentOn
		case stand.Recorded == nil || stand.Recorded.Mark != r.ID:
			if stand.Version == nil || !stand.Version.Dirty { // a dirty version isn't recorded yet
				return wentOn
			}
		}
		what = changed
	}
	return what
}

func same(before *uint64, now *tenant.Version) bool {
	if before == nil || now == nil {
		return before == nil && now == nil
	}
	return *before == now.Number && !now.Dirty
}

// reversible refuses where a file on the way has no way down.
func (u *Upgrader) reversible(o *Outcome, stands map[string]stream.Stand) error {
	var errs []error
	for _, target := range u.Targets {
		if stand := stands[target.Service]; stand.Version != nil && !same(o.Before[target.Service], stand.Version) {
			errs = append(errs, u.streams[target.Service].CheckReversible(stand.Version.Number, o.Before[target.Service]))
		}
	}
	return distinct(errs)
}

// distinct joins errors that say different things.
func distinct(errs []error) error {
	var kept []error
	for _, err := range errs {
		if err != nil && !slices.ContainsFunc(kept, func(k error) bool { return k.Error() == err.Error() }) {
			kept = append(kept, err)
		}
	}
	return errors.Join(kept...)
}

// back runs the waves in reverse order. A tenant that can't go back doesn't keep the others from it.
func (u *Upgrader) back(ctx context.Context, r *Rollout, touched []*Outcome) error {
	for _, wave := range slices.Backward(r.Waves) {
		var tenants []*Outcome
		for _, t := range touched {
			if t.Wave == wave.Number {
				t.Result, t.Attempts = Pending, 0
				tenants = append(tenants, t)
			}
		}
		if len(tenants) == 0 {
			continue
		}
		if u.draining() {
			return tenant.ErrInterrupted
		}
		wave.Size = len(tenants)
		u.Observer.WaveBegan(wave, len(r.Waves))
		unbounded := newBudget(config.Budget{Failures: math.MaxInt32, Percent: 100}, math.MaxInt32/100)
		err := u.runTenants(ctx, r, backward, wave.Parallel, unbounded, tenants)
		u.Observer.WaveEnded(wave)
		if err != nil {
			return err
		}
	}
	return nil
}

// settleBack records how a way back ended. Tenants that the rollout never touched stay as they are recorded.
func (u *Upgrader) settleBack(ctx context.Context, r *Rollout, cause error) error {
	if errors.Is(cause, tenant.ErrLeaseLost) {
		return cause
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if cause == nil {
		left, _, err := u.touched(ctx, r)
		switch {
		case err != nil:
			cause = err
		case len(left) > 0:
			cause = tenant.WithHint(fmt.Errorf("%s back where it was before rollout %s: %w", counted(len(left), "tenant isn't", "tenants aren't"), r.ID, tenant.ErrPartial),
				fmt.Sprintf("`tenantctl upgrade --rollback %s` tries them again", r.ID))
		}
	}
	r.State = RolledBack
	if cause != nil {
		r.State, r.Error = Reverting, cause.Error()
	}
	err := u.Store.save(ctx, r)
	return errors.Join(cause, err, u.publish(ctx, "rollout.reverted", fmt.Sprintf("rollout %s is %s", r.ID, r.State)))
}
