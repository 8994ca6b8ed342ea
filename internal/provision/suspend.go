package provision

import (
	"context"
	"fmt"

	"tenantctl/internal/tenant"
)

// Suspend takes a tenant's service away: no login may become its roles any more, so that PostgreSQL itself refuses, whatever
// the services do. Its data stay as they are. A transaction that runs at that moment may end.
func (p *Provisioner) Suspend(ctx context.Context, spec tenant.Spec, reason string) (Outcome, error) {
	return p.switchState(ctx, spec, tenant.Suspended, reason)
}

// Resume gives a suspended tenant its service back.
func (p *Provisioner) Resume(ctx context.Context, spec tenant.Spec, reason string) (Outcome, error) {
	return p.switchState(ctx, spec, tenant.Active, reason)
}

func (p *Provisioner) switchState(ctx context.Context, spec tenant.Spec, state tenant.State, reason string) (Outcome, error) {
	spec.State = state
	observed, err := p.observe(ctx, []tenant.Spec{spec})
	if err != nil {
		return Outcome{}, err
	}
	if _, there := observed.schemas[spec.Schema]; !there {
		return Outcome{}, tenant.WithHint(fmt.Errorf("tenant %q has no schema on instance %q: %w", spec.Name, spec.Instance, tenant.ErrNotFound),
			fmt.Sprintf("`tenantctl provision %s` makes it", spec.Name))
	}
	outcome, err := p.Provision(ctx, spec)
	if err != nil || p.Records == nil {
		return outcome, err
	}
	return outcome, p.Records.SetState(ctx, spec.Name, state, p.Actor, reason)
}
