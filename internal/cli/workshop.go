package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tenantctl/internal/cli/progress"
	"tenantctl/internal/config"
	"tenantctl/internal/migrate"
	"tenantctl/internal/operator"
	"tenantctl/internal/provision"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

// workshop is what the operator works with: the same that commands are plugged together from.
type workshop struct {
	*Factory
	file    *config.File
	records *registry.Registry
	home    provisionerOptions
}

func (f *Factory) workshop(records *registry.Registry, home provisionerOptions) func(*config.File) operator.Workshop {
	return func(file *config.File) operator.Workshop {
		made := f.with(file, records)
		made.as = asOperator
		return &workshop{Factory: made, file: file, records: records, home: home}
	}
}

// Home implements operator.Workshop.
func (w *workshop) Home(ctx context.Context, instance string) (*provision.Provisioner, error) {
	return w.Provisioner(ctx, instance, w.records, w.home)
}

// Targets implements operator.Workshop.
func (w *workshop) Targets(context.Context) ([]upgrade.Target, error) {
	if len(w.file.Streams()) == 0 {
		return nil, nil
	}
	_, targets, err := upgradeTargets(w.file, nil, 0)
	return targets, err
}

const asOperator = "operator of "

const byOperator = "declared in tenants.yaml"

// Move implements operator.Workshop. What it opens is closed again: moves are few and far between.
func (w *workshop) Move(ctx context.Context, name tenant.Name, stopBefore string, drain <-chan struct{}) error {
	f := w.with(w.file, w.records)
	defer f.Close(ctx)
	m, err := f.mover(ctx, string(name), keepsRecords)
	if err != nil {
		return err
	}
	if _, err := m.resume(ctx); err != nil {
		return err
	}
	m.config.Jobs, m.config.StopBefore, m.config.Drain, m.config.Reason = defaultJobs, stopBefore, drain, byOperator
	_, err = migrate.Run(ctx, m.config)
	if errors.Is(err, tenant.ErrStopped) {
		return nil // where it was told to
	}
	return err
}

// Complete implements operator.Workshop.
func (w *workshop) Complete(ctx context.Context, name tenant.Name) error {
	f := w.with(w.file, w.records)
	defer f.Close(ctx)
	m, err := f.mover(ctx, string(name), keepsRecords)
	if err != nil {
		return err
	}
	m.config.Reason = byOperator
	_, err = migrate.Complete(ctx, m.config)
	return err
}

// Rollout implements operator.Workshop.
func (w *workshop) Rollout(ctx context.Context, paused func(tenant.Name) bool, drain <-chan struct{}) error {
	f := w.with(w.file, w.records)
	defer f.Close(ctx)
	patience := upgrade.DefaultPatience()
	opts := &upgradeOptions{
		Factory: f, Selection: selection{All: true}, Reason: byOperator,
		LockTimeout: patience.LongestLock, StatementTimeout: patience.Statement, ConcurrentWait: patience.Concurrent,
	}
	show := progress.NewRollout(f.Streams, progress.None)
	defer show.Close()
	u, err := f.upgrader(ctx, opts, show)
	if err != nil {
		return err
	}
	u.Drain = drain
	members := u.Members
	u.Members = func(ctx context.Context) ([]upgrade.Member, error) {
		all, err := members(ctx)
		return slices.DeleteFunc(all, func(m upgrade.Member) bool { return paused(m.Tenant) }), err
	}
	last, err := u.Store.Last(ctx)
	if err == nil {
		goesOn, refused := goOn(last)
		if refused != nil {
			return refused
		}
		if goesOn {
			_, err := u.Run(ctx, last.ID)
			return err
		}
	} else if !errors.Is(err, tenant.ErrNotFound) {
		return err
	}
	latest, err := u.Store.LatestOf(ctx)
	if err != nil {
		return err
	}
	open, decided := undecided(u.Targets, latest)
	if len(open) > 0 {
		u.Targets = open
		if begun, err := f.beginRollout(ctx, u); begun || err != nil {
			return err
		}
	}
	return decided
}

// undecided are the versions that a rollout may bring. What somebody took back, or what ended without some tenants, isn't begun again
// before another version is wanted: the error says so.
func undecided(targets []upgrade.Target, latest map[string]upgrade.Latest) (open []upgrade.Target, decided error) {
	var said []string
	for _, target := range targets {
		last, was := latest[target.Service]
		ended := last.State == upgrade.RolledBack || last.State == upgrade.Partial && last.Whole
		if was && ended && last.Version == target.Version {
			said = append(said, fmt.Sprintf("%s %d isn't brought again, since rollout %s is %s", target.Service, target.Version, last.Rollout, last.State))
			continue
		}
		open = append(open, target)
	}
	if len(said) == 0 {
		return open, nil
	}
	return open, tenant.WithHint(fmt.Errorf("%s: %w", strings.Join(said, "; "), tenant.ErrRefused),
		"declare another version, or go on by hand: `tenantctl upgrade --all`")
}

// goOn tells whether the last rollout is to be gone on with. What a person stopped, a gate or the budget is a person's to decide on.
func goOn(last upgrade.Rollout) (bool, error) {
	interrupted := last.State == upgrade.Stopped && strings.Contains(last.Error, tenant.ErrInterrupted.Error())
	switch {
	case last.State == upgrade.Running || interrupted:
		return true, nil
	case last.State.Unfinished():
		return false, tenant.WithHint(fmt.Errorf("rollout %s is %s: %s: %w", last.ID, last.State, last.Error, tenant.ErrStopped),
			fmt.Sprintf("go on with it: `tenantctl upgrade --resume`; or undo it: `tenantctl upgrade --rollback %s`", last.ID))
	}
	return false, nil
}

// beginRollout begins a rollout of the whole fleet that the data doesn't forbid, and runs it; begun is false where it has nothing to do.
func (f *Factory) beginRollout(ctx context.Context, u *upgrade.Upgrader) (begun bool, err error) {
	members, err := u.Members(ctx)
	if err != nil {
		return false, err
	}
	proposal, err := u.Plan(ctx, members)
	if err != nil || proposal.Empty() {
		return false, err
	}
	plan := rolloutPlan{Proposal: proposal}
	if plan.Preflight, err = f.preflight(ctx, u, proposal); err != nil {
		return false, err
	}
	if err := f.refuseHopeless(u, plan); err != nil {
		return false, err
	}
	rollout, err := u.Begin(ctx, proposal, upgrade.BeginOptions{Reason: byOperator, Whole: true})
	if err != nil {
		return false, err
	}
	_, err = u.Run(ctx, rollout.ID)
	return true, err
}
