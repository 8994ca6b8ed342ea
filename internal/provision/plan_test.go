package provision

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

var update = flag.Bool("update", false, "write the golden files anew")

// declaredSeen is what there is of a tenant that is as declared, for a test to spoil.
func declaredSeen() *seen {
	mark := "tenantctl:ctl:client-x"
	owner := grant{To: "p_tenantctl_owner__core", May: "SELECT"}
	dml := func(role string) []grant {
		return []grant{owner, {role, "SELECT"}, {role, "INSERT"}, {role, "UPDATE"}, {role, "DELETE"}}
	}
	return &seen{
		schemas: map[string]schemaSeen{"tenant_client_x": {Name: "tenant_client_x", Owner: "p_tenantctl_admin", Mark: mark, Grants: []grant{
			{"p_tenantctl_owner__core", "USAGE"}, {"p_tenantctl_owner__core", "CREATE"}, {"p_t_client_x__core", "USAGE"},
		}}},
		roles: map[string]roleSeen{"p_t_client_x__core": {
			Name: "p_t_client_x__core", Mark: mark, MemberOf: []string{"p_tenantctl_tenants"}, Members: []string{"p_tenantctl_c1__core", "p_tenantctl_admin"},
		}},
		objects: []objectSeen{
			{Schema: "tenant_client_x", Class: "table", Word: "table", Name: "orders", Identity: "tenant_client_x.orders", Owner: "p_tenantctl_owner__core", Grants: dml("p_t_client_x__core")},
			{Schema: "tenant_client_x", Class: "table", Word: "view", Name: "totals", Identity: "tenant_client_x.totals", Owner: "p_tenantctl_owner__core", Grants: dml("p_t_client_x__core")},
			{Schema: "tenant_client_x", Class: "sequence", Word: "sequence", Name: "orders_id_seq", Identity: "tenant_client_x.orders_id_seq", Owner: "p_tenantctl_owner__core", Follows: true, Hidden: true},
			{Schema: "tenant_client_x", Class: "table", Word: "table", Name: "schema_migrations_core", Identity: "tenant_client_x.schema_migrations_core", Owner: "p_tenantctl_owner__core"},
		},
		versions: map[string]map[string]tenant.Version{"tenant_client_x": {"core": {Number: 1}}},
	}
}

// TestGoldenPlans compares the SQL of plans with testdata/*.sql.
func TestGoldenPlans(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spoil func(spec *tenant.Spec, s *seen)
		cell  string
	}{
		"as-declared": {func(*tenant.Spec, *seen) {}, "c1"},
		"fresh":       {func(_ *tenant.Spec, s *seen) { *s = seen{} }, "c1"},
		"no-cell-yet": {func(_ *tenant.Spec, s *seen) { *s = seen{} }, ""},
		"lift":        {func(spec *tenant.Spec, s *seen) { *s, spec.Services, spec.Legacy = seen{}, nil, true }, "c7"},
		"suspended":   {func(spec *tenant.Spec, _ *seen) { spec.State = tenant.Suspended }, "c1"},
		"drift": {func(_ *tenant.Spec, s *seen) {
			s.objects[0].Grants = append(s.objects[0].Grants[:2], grant{"", "SELECT"}, grant{"p_tenantctl_owner__billing", "REFERENCES"})
			s.objects[1].Grants = append(s.objects[1].Grants[:2], grant{"analyst", "TRUNCATE"})
			role := s.roles["p_t_client_x__core"]
			role.MemberOf, role.Members, role.OrdinaryPower = []string{"neighbor"}, []string{"guest"}, true
			s.roles["p_t_client_x__core"] = role
		}, "c1"},
		"service-taken-away": {func(spec *tenant.Spec, _ *seen) { spec.Services = nil }, "c1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := tenant.Spec{Name: "client-x", Instance: "shared-1", Schema: "tenant_client_x", State: tenant.Active, Services: []string{"core"}}
			observed := declaredSeen()
			tc.spoil(&spec, observed)
			plan, err := planned(t, spec, observed, tc.cell)
			require.NoError(t, err)
			var out strings.Builder
			for _, step := range plan.Steps {
				out.WriteString("-- " + step.Name + ": " + step.Describe + "\n" + strings.Join(step.SQL, ";\n") + ";\n")
			}
			golden := filepath.Join("testdata", name+".sql")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(out.String()), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), out.String())
		})
	}
}

func planned(t *testing.T, spec tenant.Spec, observed *seen, cell string) (Plan, error) {
	t.Helper()
	p := &Provisioner{names: names{prefix: "p_", control: "ctl"}, streams: map[string]*stream.Stream{"core": {Service: "core"}, "billing": {Service: "billing"}}}
	return p.compare(request{spec: spec}, observed, cell, func(_ tenancy, services []string) (string, error) {
		return "-- the objects of " + strings.Join(services, ", "), nil
	})
}

// TestNobodyElsesObjectsArePlannedFor spoils ownership in every way that a plan must not mend.
func TestNobodyElsesObjectsArePlannedFor(t *testing.T) {
	t.Parallel()
	spec := tenant.Spec{Name: "client-x", Instance: "shared-1", Schema: "tenant_client_x", Services: []string{"core"}}
	observed := declaredSeen()
	observed.objects[1].Owner, observed.objects[1].Grants = "analyst", []grant{{"", "SELECT"}}
	plan, err := planned(t, spec, observed, "c1")
	require.NoError(t, err)
	require.Empty(t, plan.Steps)
	require.Equal(t, []string{"view tenant_client_x.totals of analyst"}, plan.Foreign)

	observed.schemas["tenant_client_x"] = schemaSeen{Name: "tenant_client_x", Mark: "tenantctl:other:client-x"}
	_, err = planned(t, spec, observed, "c1")
	require.ErrorIs(t, err, tenant.ErrConflict)
}
