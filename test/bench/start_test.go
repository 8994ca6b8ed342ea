package bench_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
)

// attempts are enough for a median of what takes milliseconds.
const attempts = 21

// BenchmarkVersion is what every command costs before it does anything.
func BenchmarkVersion(b *testing.B) {
	program := binary(b)
	for b.Loop() {
		times := make([]time.Duration, attempts)
		for i := range times {
			began := time.Now()
			require.NoError(b, exec.Command(program, "version").Run())
			times[i] = time.Since(began)
		}
		within(b, "version", median(times), 30*time.Millisecond)
	}
}

// BenchmarkStatus is status of 10,000 tenants, from the start of the process to its end.
func BenchmarkStatus(b *testing.B) {
	const tenants = 10_000
	for b.Loop() {
		p := newProduct(setup(b))
		target, drop := p.fresh()
		p.file("tenants.yaml", fleet(tenants, localtest.PrefixOn(b, p.target)))
		p.tenantctl("", target, "provision", "t-00000")
		p.script(target, fmt.Sprintf(recordFleet, tenants-1))
		p.admin(p.target, "checkpoint")
		times, cpu := make([]time.Duration, attempts), make([]time.Duration, attempts)
		for i := range times {
			used := p.tenantctl("", target, "status")
			times[i], cpu[i] = used.elapsed, used.cpu
		}
		fmt.Printf("\n  CPU of status: %d ms", median(cpu).Milliseconds())
		within(b, "status-10000", median(times), 300*time.Millisecond)
		drop()
	}
}

// within prints a time and its bar.
func within(b *testing.B, name string, elapsed, bar time.Duration) {
	b.Helper()
	missed := ""
	if elapsed > bar {
		missed = " MISSED"
	}
	fmt.Printf("\n%s %d ms (bar %d ms)%s\n", name, elapsed.Milliseconds(), bar.Milliseconds(), missed)
	b.ReportMetric(float64(elapsed.Milliseconds()), name+"-ms")
}

func fleet(tenants int, prefix string) string {
	var text strings.Builder
	text.WriteString("version: 1\ninstances:\n  shared-1: { dsn: \"${SHARED_1_DSN}\", rolePrefix: " + prefix + " }\ntenants:\n")
	for i := range tenants {
		fmt.Fprintf(&text, "  t-%05d: { legacy: { dsn: \"${T_%05[1]d_DSN}\" } }\n", i)
	}
	return text.String()
}

// recordFleet records tenants as provisioned, a few with a move that failed.
const recordFleet = `
	insert into tenantctl.tenant (name, instance, schema, ring, limits, versions, legacy)
	select 't-' || lpad(i::text, 5, '0'), 'shared-1', 'tenant_t_' || lpad(i::text, 5, '0'), 'general',
		'{"statementTimeout":30000000000,"requestsPerSecond":200,"jobs":4,"weight":1}', '{"core":{"number":6}}', true
	from generate_series(1, %d) i;
	insert into tenantctl.route (tenant, target, epoch, actor)
		select name, 'legacy', row_number() over () + 10, 'me' from tenantctl.tenant where name <> 't-00000';
	insert into tenantctl.seat (tenant, instance, cell) select name, instance, 1 from tenantctl.tenant where name <> 't-00000';
	insert into tenantctl.operation (kind, tenant, state, phase, actor)
		select 'migrate', name, 'failed', 'inspect', 'me' from tenantctl.tenant order by name limit 100;
	analyze tenantctl.tenant, tenantctl.route, tenantctl.seat, tenantctl.operation`
