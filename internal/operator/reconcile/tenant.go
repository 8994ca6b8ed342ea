package reconcile

import (
	"fmt"

	"tenantctl/internal/config"
	"tenantctl/internal/tenant"
)

// The kinds of overrides that are set by hand.
const (
	OverrideState = "state" // its value is a tenant.State
	OverrideMove  = "move"  // "off": the operator doesn't move the tenant
	OverridePause = "pause" // "on": the operator leaves the tenant alone; of the tenant "", the whole fleet
)

// Tenant is a tenant as it is declared and as it was last seen; either may be missing.
type Tenant struct {
	Name     tenant.Name
	Declared bool
	Spec     tenant.Spec    // from the record where it isn't declared
	Status   *tenant.Status // nil: nothing was made yet
}

// State is what the tenant is, or what it is to become.
func (t Tenant) State() tenant.State {
	if t.Status != nil {
		return t.Status.State
	}
	return t.Spec.State
}

// Desired is the state that a tenant is to have: what was set by hand, else what is declared.
func (t Tenant) Desired() tenant.State {
	if byHand := t.Status.Overridden(OverrideState); byHand != "" {
		return tenant.State(byHand)
	}
	return t.Spec.State
}

// Busy is the error for work on a tenant that another process is working on; nil where none is.
func (t Tenant) Busy() error {
	if t.Status == nil || t.Status.Operation == nil {
		return nil
	}
	op := t.Status.Operation
	if op.State != tenant.OperationRunning || op.Runner == "" {
		return nil
	}
	return tenant.WithHint(fmt.Errorf("tenant %s: %s is under way by %s: %w", t.Name, op.Kind, op.Runner, tenant.ErrLocked),
		fmt.Sprintf("wait for it: `tenantctl status %s`", t.Name))
}

// Operation is the tenant's newest operation that isn't finished; nil where there is none.
func (t Tenant) Operation() *tenant.Operation {
	if t.Status == nil {
		return nil
	}
	return t.Status.Operation
}

// Fleet joins what is declared with what is recorded, both in order of names.
func Fleet(file *config.File, statuses []tenant.Status) ([]Tenant, error) {
	names := file.Tenants()
	fleet := make([]Tenant, 0, max(len(names), len(statuses)))
	for len(names) > 0 || len(statuses) > 0 {
		switch {
		case len(statuses) == 0 || len(names) > 0 && names[0] < statuses[0].Name:
			spec, err := file.Tenant(names[0])
			if err != nil {
				return nil, err
			}
			fleet = append(fleet, Tenant{Name: spec.Name, Declared: true, Spec: spec})
			names = names[1:]
		case len(names) == 0 || statuses[0].Name < names[0]:
			fleet = append(fleet, Tenant{Name: statuses[0].Name, Spec: RecordedSpec(&statuses[0]), Status: &statuses[0]})
			statuses = statuses[1:]
		default:
			spec, err := file.Tenant(names[0])
			if err != nil {
				return nil, err
			}
			fleet = append(fleet, Tenant{Name: spec.Name, Declared: true, Spec: spec, Status: &statuses[0]})
			names, statuses = names[1:], statuses[1:]
		}
	}
	return fleet, nil
}

// RecordedSpec is what a tenant that is no longer declared was last declared as, so far as the records know.
func RecordedSpec(s *tenant.Status) tenant.Spec {
	return tenant.Spec{
		Name: s.Name, Instance: s.Instance, Schema: s.Schema, Ring: s.Ring, State: s.State,
		Services: s.Services, Limits: s.Limits, Upstream: s.Upstream,
	}
}
