package bench_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/provision"
	"tenantctl/internal/provision/bench"
	"tenantctl/internal/registry"
	"tenantctl/internal/stream"
)

// BenchmarkProvision is provisioning of many tenants against one psql that replays the same definitions, roles and grants.
func BenchmarkProvision(b *testing.B) {
	for b.Loop() {
		s, err := core.Stream()
		require.NoError(b, err)
		server := newServer(b)
		prefix := localtest.PrefixOn(b, server) // dropped after the database, when nothing holds on to the roles
		dsn := localtest.DatabaseAs(b, localtest.DatabaseOptions{Admin: true, Server: server})
		records, err := registry.Open(b.Context(), dsn)
		require.NoError(b, err)
		result, err := bench.Run(b.Context(), bench.Options{
			Provision: provision.Options{
				Instance: "shared-1", DSN: dsn, RolePrefix: prefix, Streams: []*stream.Stream{s}, CredentialsDir: b.TempDir(), Records: records,
			},
			Tenants: scaled(b, 1000), Dir: b.TempDir(),
		})
		records.Close()
		require.NoError(b, err)
		fmt.Printf("\n  provision: %.2f s, psql: %.2f s, %d tenants each\n", result.Ours.Seconds(), result.Psql.Seconds(), result.Tenants)
		announce(b, "provision/psql", result.Ratio(), 1.0)
	}
}
