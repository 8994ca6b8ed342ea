package cli

import (
	"fmt"
	"strings"

	"tenantctl/internal/tenant"
)

// The kinds of overrides that commands set by hand.
const (
	overrideState = "state" // its value is a tenant.State
	overrideMove  = "move"  // "off": the operator doesn't move the tenant
)

// overridden is the value of an override of a tenant, "" where there is none. A status has them as kind=value, kind=value.
func overridden(s *tenant.Status, kind string) string {
	if s == nil {
		return ""
	}
	for _, pair := range strings.Split(s.Override, ", ") {
		if value, found := strings.CutPrefix(pair, kind+"="); found {
			return value
		}
	}
	return ""
}

// desired is the state that a tenant is to have: what was set by hand, else what is declared.
func (t fleetTenant) desired() tenant.State {
	if byHand := overridden(t.Status, overrideState); byHand != "" {
		return tenant.State(byHand)
	}
	return t.Spec.State
}

// busy is the error for work on a tenant that another process is working on; nil where none is.
func (t fleetTenant) busy() error {
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
