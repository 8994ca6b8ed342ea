package config

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/tenant"
)

func TestStarter(t *testing.T) {
	t.Parallel()
	made, err := Starter(StarterOptions{
		Instance: "shared-1", Services: []string{"auth", "core"},
		Tenants: []StarterTenant{{Name: "client-x", LegacyVariable: "OLD_X", Mapping: "mappings/client-x.yaml"}, {Name: "client-y", LegacyVariable: "OLD_Y"}, {Name: "true"}},
	})
	require.NoError(t, err)
	require.NoError(t, compiledSchema(t).Validate(plainValue(t, string(made))))
	f := parse(t, string(made))
	in, err := f.Instance("shared-1")
	require.NoError(t, err)
	require.Equal(t, "${SHARED_1_DSN}", in.DSN.String())
	require.Len(t, f.Streams(), 2)
	require.Equal(t, []tenant.Name{"client-x", "client-y", "true"}, f.Tenants())
	dsn, err := f.LegacyDSN("client-y")
	require.NoError(t, err)
	require.Equal(t, "${OLD_Y}", dsn.String())
	spec, err := f.Tenant("client-x")
	require.NoError(t, err)
	require.Equal(t, "fleet/mappings/client-x.yaml", spec.Mapping)
	require.NotContains(t, string(made), "$schema")
}

func TestSmallestStarterUsesTheLocalStack(t *testing.T) {
	t.Parallel()
	made, err := Starter(StarterOptions{Schema: "https://example.com/tenants.schema.json"})
	require.NoError(t, err)
	require.Regexp(t, `^# yaml-language-server: \$schema=https://example\.com/tenants\.schema\.json\n# The fleet`, string(made))
	f := parse(t, string(made))
	require.True(t, f.Instances()[0].Local)
	require.Empty(t, f.Tenants())
	require.Contains(t, string(made), "# client-x:")
}

func TestStarterRefuses(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]StarterOptions{
		"tenant":   {Tenants: []StarterTenant{{Name: "Client X"}}},
		"instance": {Instance: "Shared_1"},
		"variable": {Instance: "a", DSNVariable: "NOT-A-NAME"},
		"legacy":   {Tenants: []StarterTenant{{Name: "a", LegacyVariable: "X}\n  b: {"}}},
		"service":  {Services: []string{"a b"}},
		"twice":    {Tenants: []StarterTenant{{Name: "a"}, {Name: "a"}}},
	} {
		_, err := Starter(opts)
		require.ErrorIs(t, err, tenant.ErrInvalid, name)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"tenantsPerCell", "rolePrefix", "dsn", "dsnFile"}
	for word, want := range map[string]string{
		"tenants_per_cell": "tenantsPerCell", "TenantsPerCel": "tenantsPerCell", "roleprefix": "rolePrefix", "dns": "dsn", "dsn-file": "dsnFile",
		"shade": "", "": "", "dsnfilename": "",
	} {
		require.Equal(t, want, nearest(word, known), word)
	}
	require.Equal(t, 0, distance("abc", "abc"))
	require.Equal(t, 1, distance("abc", "acb"))
	require.Equal(t, 2, distance("abc", "cb"))
	require.Equal(t, 3, distance("", "abc"))
}
