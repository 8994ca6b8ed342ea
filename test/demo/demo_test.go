package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/config"
	"tenantctl/internal/migrate/mapping"
	"tenantctl/internal/tenant"
)

// What the demo plays with is right, and declares each client that it has a database for.
func TestTheFleetOfTheDemo(t *testing.T) {
	t.Parallel()
	file, err := config.Load("../../tenants.yaml")
	require.NoError(t, err)
	mappings := map[string]*mapping.Mapping{}
	for _, c := range clients() {
		spec, err := file.Tenant(tenant.Name(c.name))
		require.NoError(t, err)
		require.Equal(t, c.schema(), spec.Schema)
		mappings[c.name], err = mapping.Load(spec.Mapping)
		require.NoError(t, err, "%s", filepath.Base(spec.Mapping))
	}
	require.Greater(t, len(mappings["client-y"].Lift), len(mappings["client-x"].Lift), "client-y has tables of its own")
	require.Equal(t, mappings["client-x"].Tables[1], mappings["client-y"].Tables[1], "and has the rest in common")
}
