package operator

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/config"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
	"tenantctl/test/fleet"
)

func declared(tb testing.TB, dir string, names []tenant.Name) string {
	tb.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "version: 1\ninstances: { %s: { dsn: '${DSN}' } }\nservices: { core: { migrations: builtin } }\ntenants:\n", fleet.Instance)
	for _, name := range names {
		fmt.Fprintf(&text, "  %s: {}\n", name)
	}
	file := filepath.Join(dir, "tenants.yaml")
	require.NoError(tb, os.WriteFile(file, []byte(text.String()), 0o600))
	return file
}

func benchOptions(f *fleet.Fleet, file string, s *shop) Options {
	return Options{
		Records: f.Records, Control: f.Config.ConnString(), File: file, Load: func() (*config.File, error) { return config.Load(file) },
		Open: func(*config.File) Workshop { return s }, Workers: 4, Moves: 1, Resync: time.Hour, Heal: time.Hour, RemovalShare: 100,
		DiffersAfter: time.Minute, Actor: "operator", Log: slog.New(slog.DiscardHandler),
	}
}

// BenchmarkResync reads the file and compares 10,000 tenants that are as declared with their records: under 5 s and 200 MB.
func BenchmarkResync(b *testing.B) {
	const tenants = 10_000
	f := fleet.New(b, fleet.Options{})
	names := make([]tenant.Name, tenants)
	for i := range names {
		names[i] = tenant.Name(fmt.Sprintf("t-%05d", i))
	}
	file := declared(b, b.TempDir(), names)
	f.Exec(b, fmt.Sprintf(`insert into tenantctl.tenant (name, instance, schema, ring, limits, versions, services)
		select 't-' || lpad(i::text, 5, '0'), '%s', 'tenant_t_' || lpad(i::text, 5, '0'), 'general',
			'{"statementTimeout":30000000000,"requestsPerSecond":200,"jobs":4,"weight":1}', '{"core":{"number":6}}', array['core']
		from generate_series(0, %d) i;
		insert into tenantctl.route (tenant, target, epoch, actor) select name, 'platform', row_number() over () + 10, 'me' from tenantctl.tenant`, fleet.Instance, tenants-1))
	b2 := &bench{Fleet: f}
	opts := benchOptions(f, file, &shop{b: b2})
	o, err := New(context.Background(), opts)
	require.NoError(b, err)
	defer o.pool.Close()
	var after runtime.MemStats
	for b.Loop() {
		o.reload(b.Context())
		found, err := o.scan(b.Context())
		require.NoError(b, err)
		require.Empty(b, found.jobs)
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapSys)/(1<<20), "MB-heap")
}

// BenchmarkNewTenants makes 100 tenants by the operator, and as many by provision: both with four workers.
func BenchmarkNewTenants(b *testing.B) {
	const tenants = 100
	made := func(prefix string) []tenant.Name {
		names := make([]tenant.Name, tenants)
		for i := range names {
			names[i] = tenant.Name(fmt.Sprintf("%s-%d", prefix, i))
		}
		return names
	}
	for b.Loop() {
		f := fleet.New(b, fleet.Options{})
		f.Provision(b, "first") // the template, the roles of all
		byHand := made("p")
		specs := make([]tenant.Spec, tenants)
		for i, name := range byHand {
			specs[i] = f.Spec(name)
		}
		began := time.Now()
		_, err := f.Provisioner.ProvisionAll(b.Context(), specs, nil)
		require.NoError(b, err)
		provision := time.Since(began)
		file := declared(b, b.TempDir(), append(made("o"), "first"))
		ctx, cancel := context.WithCancel(b.Context())
		o, err := New(ctx, benchOptions(f, file, &shop{b: &bench{Fleet: f}}))
		require.NoError(b, err)
		done := make(chan error, 1)
		began = time.Now()
		go func() { done <- o.Run(ctx) }()
		for {
			events, err := f.Records.Events(ctx, 0, registry.EventFilter{Types: []string{"tenant.provisioned"}, Limit: 10_000})
			require.NoError(b, err)
			if len(events) >= 2*tenants+1 {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		operator := time.Since(began)
		cancel()
		require.NoError(b, <-done)
		b.ReportMetric(provision.Seconds(), "s-provision")
		b.ReportMetric(operator.Seconds(), "s-operator")
		b.ReportMetric(operator.Seconds()/provision.Seconds(), "ratio")
	}
}
