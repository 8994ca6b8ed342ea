package bench_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/drift"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/provision"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// BenchmarkDrift looks at as many tenants on ever fuller instances: what one costs must not grow with the others.
func BenchmarkDrift(b *testing.B) {
	for b.Loop() {
		f := newEstate(b)
		var least float64
		for _, size := range []int{scaled(b, 100), scaled(b, 1000), scaled(b, 5000)} {
			f.grow(b, size)
			some := f.specs[len(f.specs)-scaled(b, 100):]
			took := f.perTenant(b, some)
			fmt.Printf("\n  %d schemas: %.2f ms for each of %d tenants\n", size, took, len(some))
			if least == 0 {
				least = took
			}
			announce(b, fmt.Sprintf("drift-at-%d/at-%d", size, scaled(b, 100)), took/least, 1.5)
		}
	}
}

// estate is an instance that is filled with tenants of core.
type estate struct {
	p       *provision.Provisioner
	checker *drift.Checker
	specs   []tenant.Spec
}

func newEstate(b *testing.B) *estate {
	b.Helper()
	s, err := core.Stream()
	require.NoError(b, err)
	server := newServer(b)
	prefix := localtest.PrefixOn(b, server)
	opts := provision.Options{
		Instance: "shared-1", DSN: localtest.DatabaseAs(b, localtest.DatabaseOptions{Admin: true, Server: server}), RolePrefix: prefix,
		Streams: []*stream.Stream{s}, CredentialsDir: b.TempDir(), Control: "bench", Parallel: 2,
	}
	f := &estate{}
	f.p, err = provision.Open(b.Context(), opts)
	require.NoError(b, err)
	b.Cleanup(f.p.Close)
	f.checker, err = drift.Open(b.Context(), drift.Options{DSN: opts.DSN, Streams: opts.Streams, Home: driftHome{f.p}})
	require.NoError(b, err)
	b.Cleanup(f.checker.Close)
	return f
}

func (f *estate) grow(b *testing.B, size int) {
	b.Helper()
	var more []tenant.Spec
	for i := len(f.specs); i < size; i++ {
		name := tenant.Name(fmt.Sprintf("t%d", i))
		more = append(more, tenant.Spec{Name: name, Instance: "shared-1", Schema: "tenant_" + name.Ident(), State: tenant.Active, Services: []string{"core"}})
	}
	_, err := f.p.ProvisionAll(b.Context(), more, nil)
	require.NoError(b, err)
	f.specs = append(f.specs, more...)
}

// perTenant is the time of a check in milliseconds; it must find nothing.
func (f *estate) perTenant(b *testing.B, specs []tenant.Spec) float64 {
	b.Helper()
	_, err := f.checker.Check(b.Context(), specs[:1]) // makes the reference, once
	require.NoError(b, err)
	began := time.Now()
	findings, err := f.checker.Check(b.Context(), specs)
	elapsed := time.Since(began)
	require.NoError(b, err)
	for _, found := range findings {
		require.NoError(b, found.Err)
		require.Empty(b, found.Differences)
	}
	return float64(elapsed.Microseconds()) / 1000 / float64(len(specs))
}

// driftHome is what cli plugs in.
type driftHome struct{ *provision.Provisioner }

func (h driftHome) Access(ctx context.Context, specs []tenant.Spec) (map[tenant.Name]drift.AccessSeen, error) {
	seen := map[tenant.Name]drift.AccessSeen{}
	plans, err := h.Plan(ctx, specs...)
	for _, plan := range plans {
		var one drift.AccessSeen
		for _, step := range plan.Steps {
			one.Steps = append(one.Steps, drift.AccessStep{Describe: step.Describe, SQL: strings.Join(step.SQL, ";\n")})
		}
		seen[plan.Tenant] = one
	}
	return seen, err
}

func (h driftHome) Restore(ctx context.Context, spec tenant.Spec) error {
	_, err := h.Provision(ctx, spec)
	return err
}
