package bench_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/provision"
	"tenantctl/internal/provision/bench"
	"tenantctl/internal/registry"
	"tenantctl/internal/stream"
)

func TestMain(m *testing.M) { localtest.Main(m) }

func options(t testing.TB, tenants int) bench.Options {
	t.Helper()
	s, err := core.Stream()
	require.NoError(t, err)
	prefix := localtest.Prefix(t) // dropped after the database, when nothing holds on to the roles
	dsn := localtest.DatabaseAs(t, localtest.DatabaseOptions{Admin: true})
	records, err := registry.Open(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(records.Close)
	return bench.Options{
		Provision: provision.Options{
			Instance: "shared-1", DSN: dsn, RolePrefix: prefix, Streams: []*stream.Stream{s}, CredentialsDir: t.TempDir(), Records: records,
		},
		Tenants: tenants, Dir: t.TempDir(),
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	result, err := bench.Run(t.Context(), options(t, 8))
	require.NoError(t, err)
	require.Positive(t, result.Ours)
	require.Positive(t, result.Psql)
}

// BenchmarkProvision reports our time as a part of psql's.
func BenchmarkProvision(b *testing.B) {
	for b.Loop() {
		result, err := bench.Run(b.Context(), options(b, 1000))
		require.NoError(b, err)
		b.ReportMetric(result.Ratio(), "ours/psql")
		b.ReportMetric(result.Ours.Seconds(), "ours-s")
		b.ReportMetric(result.Psql.Seconds(), "psql-s")
	}
}
