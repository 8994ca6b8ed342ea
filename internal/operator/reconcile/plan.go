package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"tenantctl/internal/provision"
	"tenantctl/internal/tenant"
)

// The actions of a plan.
const (
	ActionCreate  = "create"
	ActionChange  = "change" // drift, or a changed declaration
	ActionSuspend = "suspend"
	ActionResume  = "resume"
	ActionArchive = "archive"
	ActionDelete  = "delete" // told, never done by apply
	ActionBlocked = "blocked"
)

// Plan is what has to be done for one tenant.
type Plan struct {
	Tenant   tenant.Name      `json:"tenant"`
	Instance string           `json:"instance"`
	Schema   string           `json:"schema"`
	Actions  []string         `json:"actions"`
	From     tenant.State     `json:"from,omitempty"` // state; empty: it isn't there
	To       tenant.State     `json:"to"`
	Steps    []provision.Step `json:"steps,omitempty"`
	Foreign  []string         `json:"foreign,omitempty"`
	Note     string           `json:"note,omitempty"`

	Spec    tenant.Spec `json:"-"` // as it is to be, overrides included
	Blocked error       `json:"-"` // why it can't be planned
}

// Pending tells whether applying would do something.
func (p Plan) Pending() bool {
	return slices.ContainsFunc(p.Actions, func(action string) bool { return action != ActionDelete && action != ActionBlocked })
}

// Seen is what the instance says of a tenant.
type Seen struct {
	Plan provision.Plan
	Err  error // concerns this tenant alone: something of others is in its place
}

// Homes opens the provisioner of an instance.
type Homes func(ctx context.Context, instance string) (*provision.Provisioner, error)

// See asks the instances. What stands in one tenant's way doesn't keep the others from being planned.
func See(ctx context.Context, homes Homes, fleet []Tenant) (map[tenant.Name]Seen, error) {
	var specs []tenant.Spec
	for _, t := range fleet {
		spec := t.Spec
		spec.State = t.Desired()
		if t.Declared && spec.State != tenant.Deleted {
			specs = append(specs, spec)
		}
	}
	found := make(map[tenant.Name]Seen, len(specs))
	instances, grouped := ByInstance(specs)
	for _, instance := range instances {
		p, err := homes(ctx, instance)
		if err != nil {
			return nil, err
		}
		if err := see(ctx, p, grouped[instance], found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// see looks at tenants of one instance; where one of them is in the way of a look at all, at each by itself.
func see(ctx context.Context, p *provision.Provisioner, specs []tenant.Spec, found map[tenant.Name]Seen) error {
	plans, err := p.Plan(ctx, specs...)
	for _, plan := range plans {
		found[plan.Tenant] = Seen{Plan: plan}
	}
	if err == nil {
		return nil
	}
	for _, spec := range specs {
		plans, err := p.Plan(ctx, spec)
		if err != nil && !errors.Is(err, tenant.ErrConflict) && !errors.Is(err, tenant.ErrRefused) {
			return err
		}
		found[spec.Name] = Seen{Err: err}
		if err == nil {
			found[spec.Name] = Seen{Plan: plans[0]}
		}
	}
	return nil
}

// ByInstance sorts tenants by where they live, in the order in which instances first appear.
func ByInstance(specs []tenant.Spec) (instances []string, grouped map[string][]tenant.Spec) {
	grouped = map[string][]tenant.Spec{}
	for _, spec := range specs {
		if !slices.Contains(instances, spec.Instance) {
			instances = append(instances, spec.Instance)
		}
		grouped[spec.Instance] = append(grouped[spec.Instance], spec)
	}
	return instances, grouped
}

// Decide decides what is to be done, from what is declared, recorded and seen. It asks nobody.
func Decide(t Tenant, seen Seen) Plan {
	made := Plan{Tenant: t.Name, Instance: t.Spec.Instance, Schema: t.Spec.Schema, To: t.Desired(), Spec: t.Spec, Steps: seen.Plan.Steps, Foreign: seen.Plan.Foreign}
	made.Spec.State = made.To
	if t.Status != nil {
		made.From = t.Status.State
	}
	if made.To != t.Spec.State {
		made.Note = fmt.Sprintf("%s by hand, declared as %s; `tenantctl resume %s` lifts that", made.To, t.Spec.State, t.Name)
	}
	switch {
	case made.To == tenant.Deleted:
		if t.Status == nil {
			return made
		}
		made.Actions, made.Note = []string{ActionDelete}, fmt.Sprintf("declared deleted; apply never removes data: `tenantctl delete %s`", t.Name)
		return made
	case seen.Err != nil:
		made.Actions, made.Note, made.Blocked = []string{ActionBlocked}, seen.Err.Error(), seen.Err
		return made
	case t.Status == nil:
		made.Actions = append(made.Actions, ActionCreate)
	}
	made.Actions = append(made.Actions, stateActions(made.From, made.To)...)
	if t.Status != nil && (len(seen.Plan.Steps) > 0 || t.changed()) {
		made.Actions = append(made.Actions, ActionChange)
	}
	return made
}

// stateActions leads from one state to another. A tenant that isn't there is made in the state that it is to have.
func stateActions(from, to tenant.State) []string {
	if from == to {
		return nil
	}
	switch to {
	case tenant.Suspended:
		return []string{ActionSuspend}
	case tenant.Archived:
		return []string{ActionArchive}
	case tenant.Active:
		if from != "" {
			return []string{ActionResume}
		}
	}
	return nil
}

// changed tells whether the records hold something else than tenants.yaml.
func (t Tenant) changed() bool {
	s := t.Status
	return s.Ring != t.Spec.Ring || s.Limits != t.Spec.Limits || s.Upstream != t.Spec.Upstream || !slices.Equal(s.Services, t.Spec.Services)
}
