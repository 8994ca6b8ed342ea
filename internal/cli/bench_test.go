package cli_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
)

// largeFleet declares tenants and records them as moved, a few with a move that failed.
func largeFleet(t testing.TB, tenants int) (file, dsn string) {
	t.Helper()
	dsn = localtest.Database(t)
	file = filepath.Join(t.TempDir(), "tenants.yaml")
	var text strings.Builder
	text.WriteString("version: 1\ninstances:\n  shared-1: { dsn: \"${SHARED_1_DSN}\", rolePrefix: " + localtest.Prefix(t) + " }\ntenants:\n")
	for i := range tenants {
		fmt.Fprintf(&text, "  t-%05d: { legacy: { dsn: \"${T_%05[1]d_DSN}\" } }\n", i)
	}
	require.NoError(t, os.WriteFile(file, []byte(text.String()), 0o600))
	code, _, errs := run(t, []string{"provision", "t-00000", "-f", file}, "SHARED_1_DSN="+dsn)
	require.Zero(t, code, errs)
	conn, err := postgres.Connect(context.Background(), dsn, postgres.Options{Application: "bench"})
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	require.NoError(t, postgres.Script(context.Background(), conn, fmt.Sprintf(`
		insert into tenantctl.tenant (name, instance, schema, ring, limits, versions, legacy)
		select 't-' || lpad(i::text, 5, '0'), 'shared-1', 'tenant_t_' || lpad(i::text, 5, '0'), 'general',
			'{"statementTimeout":30000000000,"requestsPerSecond":200,"jobs":4,"weight":1}', '{"core":{"number":6}}', true
		from generate_series(1, %d) i;
		insert into tenantctl.route (tenant, target, epoch, actor)
			select name, 'legacy', row_number() over () + 10, 'me' from tenantctl.tenant where name <> 't-00000';
		insert into tenantctl.seat (tenant, instance, cell) select name, instance, 1 from tenantctl.tenant where name <> 't-00000';
		insert into tenantctl.operation (kind, tenant, state, phase, actor)
			select 'migrate', name, 'failed', 'inspect', 'me' from tenantctl.tenant order by name limit 100`, tenants-1)))
	_, err = conn.Exec(context.Background(), "analyze")
	require.NoError(t, err)
	return file, dsn
}

// BenchmarkStatus is status of 10,000 tenants, from reading the file to the last line: 300 ms on two cores.
func BenchmarkStatus(b *testing.B) {
	file, dsn := largeFleet(b, 10_000)
	for _, format := range []string{"table", "json"} {
		b.Run(format, func(b *testing.B) {
			for b.Loop() {
				code, out, errs := run(b, []string{"status", "-f", file, "-o", format}, "SHARED_1_DSN="+dsn)
				require.Zero(b, code, errs)
				require.Greater(b, len(out), 10_000*50)
			}
		})
	}
}

// BenchmarkVersion is what every command costs before it does anything: 30 ms with the start of the process.
func BenchmarkVersion(b *testing.B) {
	for b.Loop() {
		code, _, _ := run(b, []string{"version"})
		require.Zero(b, code)
	}
}
