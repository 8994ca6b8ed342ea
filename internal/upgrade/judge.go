package upgrade

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tenantctl/internal/tenant"
)

// gateError is a gate that doesn't let the next wave begin.
type gateError struct {
	gate    string
	verdict Verdict
	message string
}

func (e *gateError) Error() string {
	if e.verdict == Inconclusive {
		return fmt.Sprintf("gate %s can't tell: %s", e.gate, e.message)
	}
	return fmt.Sprintf("gate %s failed: %s", e.gate, e.message)
}

func (e *gateError) Unwrap() error { return tenant.ErrStopped }

// gates asks every gate about a wave that has ended, and records what each said. The first that fails stops the rollout; where
// none fails, the first that can't tell pauses it.
func (u *Upgrader) gates(ctx context.Context, r *Rollout, wave Wave, began time.Time) error {
	p, err := u.passage(ctx, r, wave, began)
	if err != nil {
		return err
	}
	var doubt *gateError
	for _, gate := range u.Gates {
		j, err := gate.Judge(ctx, p)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			j = Judgement{Verdict: Inconclusive, Message: err.Error()}
		}
		j.Gate, j.At = gate.Name(), time.Now()
		if err := u.Store.saveJudgement(ctx, r.ID, wave.Number, j); err != nil {
			return err
		}
		u.Observer.Judged(wave, j)
		said := &gateError{gate: j.Gate, verdict: j.Verdict, message: j.Message}
		switch {
		case j.Verdict == Pass:
		case u.AcceptGate != "":
			if err := u.accept(ctx, r, wave, j); err != nil {
				return err
			}
		case j.Verdict == Fail:
			return withGateHint(r, said)
		case doubt == nil:
			doubt = said
		}
	}
	u.AcceptGate = "" // for one wave
	if doubt != nil {
		return withGateHint(r, doubt)
	}
	return nil
}

func withGateHint(r *Rollout, err *gateError) error {
	return tenant.WithHint(fmt.Errorf("rollout %s: %w", r.ID, err),
		fmt.Sprintf("look again and go on: `tenantctl upgrade --resume`; go on all the same: `--resume --accept-gate REASON`; go back: `tenantctl upgrade --rollback %s`", r.ID))
}

// accept records that a person lets the rollout go on whatever a gate said.
func (u *Upgrader) accept(ctx context.Context, r *Rollout, wave Wave, said Judgement) error {
	accepted := Judgement{Gate: said.Gate, Verdict: Accepted, Message: fmt.Sprintf("%s accepted by %s: %s", said.Verdict, u.Actor, u.AcceptGate), At: time.Now()}
	if err := u.Store.saveJudgement(ctx, r.ID, wave.Number, accepted); err != nil {
		return err
	}
	u.Observer.Judged(wave, accepted)
	return u.publish(ctx, "rollout.gate_accepted", fmt.Sprintf("rollout %s, wave %d: gate %s, %s", r.ID, wave.Number, said.Gate, accepted.Message))
}

// watch has gates look at how things are before a wave.
func (u *Upgrader) watch(ctx context.Context, targets []Target) {
	for _, gate := range u.Gates {
		if w, watches := gate.(Watcher); watches {
			w.Watch(ctx, targets)
		}
	}
}

func (u *Upgrader) passage(ctx context.Context, r *Rollout, wave Wave, began time.Time) (Passage, error) {
	outcomes, err := u.Store.Outcomes(ctx, r.ID)
	if err != nil {
		return Passage{}, err
	}
	p := Passage{Rollout: r.ID, Wave: wave, Targets: r.Targets, Began: began, Ended: time.Now().Add(-wave.Bake)}
	said, err := u.Store.Judgements(ctx, r.ID)
	if err != nil {
		return Passage{}, err
	}
	for _, j := range said {
		if j.Wave == wave.Number {
			p.Said = append(p.Said, j.Judgement)
		}
	}
	var instances []string
	for _, o := range outcomes {
		if o.Wave == wave.Number && !slices.Contains(instances, o.Instance) {
			instances = append(instances, o.Instance)
		}
		switch o.Result { //nolint:exhaustive // the others neither tell anything nor are still to come
		case Upgraded:
			p.Upgraded = append(p.Upgraded, o)
		case Pending:
			p.Waiting = append(p.Waiting, o)
		}
	}
	for _, name := range instances {
		instance, err := u.Instance(ctx, name)
		if err != nil {
			return Passage{}, err
		}
		p.Instances = append(p.Instances, instance)
	}
	return p, nil
}
