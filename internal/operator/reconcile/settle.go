package reconcile

import (
	"context"
	"fmt"

	"tenantctl/internal/provision"
	"tenantctl/internal/tenant"
)

// States records what tenants are. *registry.Registry implements it.
type States interface {
	SetState(ctx context.Context, name tenant.Name, state tenant.State, actor, reason string) error
}

// Moves tells whether the tenant's state is to be another one. What is made in its state has it already.
func (p Plan) Moves() bool {
	return p.From != p.To && (p.From != "" || p.To == tenant.Archived)
}

// Settled is what came of a plan whose tenant has been provisioned.
type Settled struct {
	Changed bool   // the state is another one now
	Detail  string // for people
	Archive string // path of the dump
}

const declared = "declared in tenants.yaml"

// Settle ends a plan: it makes the dump of an archived tenant and records the new state. What the instance lets the services do
// was changed before, by provisioning.
func Settle(ctx context.Context, p *provision.Provisioner, states States, plan Plan, actor string) (Settled, error) {
	if !plan.Moves() {
		return Settled{}, nil
	}
	done := Settled{Changed: true}
	if plan.To == tenant.Archived {
		manifest, err := p.Archive(ctx, plan.Spec)
		if err != nil {
			return Settled{}, err
		}
		done.Archive = manifest.File
	}
	if err := states.SetState(ctx, plan.Tenant, plan.To, actor, declared); err != nil {
		return Settled{}, err
	}
	from := string(plan.From)
	if from == "" {
		from = "not there"
	}
	done.Detail = fmt.Sprintf("was %s, is %s", from, plan.To)
	if done.Archive != "" {
		done.Detail += "; kept in " + done.Archive
	}
	return done, nil
}
