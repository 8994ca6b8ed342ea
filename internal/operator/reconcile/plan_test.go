package reconcile

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/provision"
	"tenantctl/internal/tenant"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	steps := []provision.Step{{Name: "grants", Describe: "grants"}}
	spec := func(state tenant.State) tenant.Spec {
		return tenant.Spec{Name: "a", Instance: "i", Schema: "s", State: state}
	}
	status := func(state tenant.State, override string) *tenant.Status {
		return &tenant.Status{Name: "a", State: state, Override: override}
	}
	for _, test := range []struct {
		name    string
		spec    tenant.Spec
		status  *tenant.Status
		seen    Seen
		actions []string
		to      tenant.State
	}{
		{"new", spec(tenant.Active), nil, Seen{Plan: provision.Plan{Steps: steps}}, []string{"create"}, tenant.Active},
		{"new and suspended", spec(tenant.Suspended), nil, Seen{Plan: provision.Plan{Steps: steps}}, []string{"create", "suspend"}, tenant.Suspended},
		{"as declared", spec(tenant.Active), status(tenant.Active, ""), Seen{}, nil, tenant.Active},
		{"drift", spec(tenant.Active), status(tenant.Active, ""), Seen{Plan: provision.Plan{Steps: steps}}, []string{"change"}, tenant.Active},
		{"suspend", spec(tenant.Suspended), status(tenant.Active, ""), Seen{Plan: provision.Plan{Steps: steps}}, []string{"suspend", "change"}, tenant.Suspended},
		{"resume", spec(tenant.Active), status(tenant.Suspended, ""), Seen{}, []string{"resume"}, tenant.Active},
		{"archive", spec(tenant.Archived), status(tenant.Active, ""), Seen{}, []string{"archive"}, tenant.Archived},
		{"suspended by hand", spec(tenant.Active), status(tenant.Suspended, "state=suspended"), Seen{}, nil, tenant.Suspended},
		{"another override is none of the state", spec(tenant.Active), status(tenant.Active, "move=off"), Seen{}, nil, tenant.Active},
		{"deleted", spec(tenant.Deleted), status(tenant.Active, ""), Seen{}, []string{"delete"}, tenant.Deleted},
		{"deleted and gone", spec(tenant.Deleted), nil, Seen{}, nil, tenant.Deleted},
		{"in the way", spec(tenant.Active), nil, Seen{Err: tenant.ErrConflict}, []string{"blocked"}, tenant.Active},
		{"a new ring", tenant.Spec{Name: "a", State: tenant.Active, Ring: "canary"}, status(tenant.Active, ""), Seen{}, []string{"change"}, tenant.Active},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			made := Decide(Tenant{Name: "a", Declared: true, Spec: test.spec, Status: test.status}, test.seen)
			require.Equal(t, test.actions, made.Actions)
			require.Equal(t, test.to, made.To)
		})
	}
}
