package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tenantctl/internal/migrate"
	"tenantctl/internal/postgres"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

// mover is a move with everything plugged in: provision looks after the tenant's home, the local stack lends a scratch server.
type mover struct {
	config  migrate.Config
	scratch *scratch
	records *registry.Registry
}

// recordKeeping says whether a command may set the records up.
type recordKeeping int

// The kinds of commands.
const (
	keepsRecords recordKeeping = iota
	readsRecords               // where there are none, the mover has none
)

// mover opens what a move of a tenant needs. It asks the legacy database nothing yet.
func (f *Factory) mover(ctx context.Context, name string, keeping recordKeeping) (*mover, error) {
	file, err := f.Config()
	if err != nil {
		return nil, err
	}
	spec, err := file.Tenant(tenant.Name(name))
	if err != nil {
		return nil, err
	}
	source, err := f.LegacyDSN(spec.Name)
	if err != nil {
		return nil, err
	}
	tools, err := postgres.FindTools()
	if err != nil {
		return nil, err
	}
	target, err := f.InstanceDSN(ctx, spec.Instance)
	if err != nil {
		return nil, err
	}
	open := f.Registry
	if keeping == readsRecords {
		open = f.existing
	}
	records, err := open(ctx)
	if err != nil {
		return nil, err
	}
	home, err := f.Provisioner(ctx, spec.Instance, records, provisionerOptions{})
	if err != nil {
		return nil, err
	}
	lent, err := f.newScratch(target, spec.Name, keeping)
	if err != nil {
		return nil, err
	}
	return &mover{records: records, scratch: lent, config: migrate.Config{
		Spec: spec, Source: source, Target: target, Registry: records, Tenancy: home.Tenancy(spec), Scratch: lent, Tools: tools, Actor: f.actor(),
	}}, nil
}

func (m *mover) name() tenant.Name { return m.config.Spec.Name }

// unfinished is the tenant's move that was begun and neither ended nor rolled back; nil where there is none.
func (m *mover) unfinished(ctx context.Context) (*tenant.Operation, error) {
	last, err := m.last(ctx)
	if err != nil || last == nil || last.State == tenant.OperationDone || last.State == tenant.OperationUndone {
		return nil, err
	}
	return last, nil
}

// resume finds the move to go on with, nil where a new one begins, and has the scratch server ready for what it needs of it.
func (m *mover) resume(ctx context.Context) (*tenant.Operation, error) {
	op, err := m.unfinished(ctx)
	if err != nil {
		return nil, err
	}
	if op == nil || op.Phase == "" || op.Phase == migrate.PhaseInspect {
		m.scratch.warm(ctx)
		return op, nil
	}
	return op, m.scratch.sweep(ctx, scratchDatabase(op.ID))
}

// last is the tenant's newest move; nil where there was none.
func (m *mover) last(ctx context.Context) (*tenant.Operation, error) {
	last, err := m.records.LastOperation(ctx, m.name(), migrate.Kind)
	if errors.Is(err, tenant.ErrNotFound) {
		return nil, nil
	}
	return &last, err
}

// blocked tells whether an unfinished move has stopped the client's writes; nil where it hasn't.
func (m *mover) blocked(ctx context.Context, op *tenant.Operation) (*migrate.BlockedWrites, error) {
	if !migrate.MayBlock(op) {
		return nil, nil
	}
	steps, err := m.records.Steps(ctx, op.ID)
	if err != nil {
		return nil, err
	}
	return migrate.FenceOf(op, steps), nil
}

// scratchDatabase is what migrate calls the scratch database of an operation.
func scratchDatabase(operation string) string {
	return "tenantctl_scratch_" + strings.ReplaceAll(operation, "-", "")
}

// stopsBeforeFence tells whether a run that stops before a phase leaves the client's writes alone.
func stopsBeforeFence(phase string) bool {
	at := slices.Index(migrate.Phases(), phase)
	return at >= 0 && at <= slices.Index(migrate.Phases(), migrate.PhaseFence)
}

// notMoved is the error of a command that needs a move of the tenant.
func notMoved(name tenant.Name) error {
	return tenant.WithHint(fmt.Errorf("there is no move of %s: %w", name, tenant.ErrNotFound), fmt.Sprintf("`tenantctl migrate %s` begins one", name))
}
