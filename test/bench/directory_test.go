package bench_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

const (
	directoryTenants = 10_000
	// A service has to be there soon after it was started, hear of a change while the gateway's clients wait for it, and not be large by what
	// it only knows.
	directoryOpen = 5.0  // seconds
	directoryHear = 0.25 // seconds
	directoryKeep = 5.0  // kB for each tenant
)

// BenchmarkDirectory is what a service's copy of the records takes with 10,000 tenants: to read it, to hear of a change, to look a tenant up,
// and in memory.
func BenchmarkDirectory(b *testing.B) {
	for b.Loop() {
		records, err := registry.Open(b.Context(), localtest.Database(b))
		require.NoError(b, err)
		count := scaled(b, directoryTenants)
		enroll(b, records, count)
		before := heap()
		began := time.Now()
		d, err := scope.OpenDirectory(b.Context(), records, nil, nil)
		require.NoError(b, err)
		opened := time.Since(began)
		kept := float64(heap()-before) / 1024 / float64(count)

		const rounds = 100
		all := d.All()
		require.Len(b, all, count)
		began = time.Now()
		for range rounds {
			for i := range all {
				if _, err := d.Tenant(all[i].Name); err != nil {
					b.Fatal(err)
				}
			}
		}
		looked := time.Since(began) / time.Duration(rounds*count)
		heard := hear(b, records, d, count)
		fmt.Printf("\n  %d tenants: read in %v, %.1f kB each, a look-up in %v, a change heard of after %v\n", count, opened.Round(time.Millisecond), kept, looked, heard.Round(time.Microsecond))
		announce(b, "directory-open-s", opened.Seconds(), directoryOpen)
		announce(b, "directory-hear-s", heard.Seconds(), directoryHear)
		announce(b, "directory-kB", kept, directoryKeep)
		records.Close()
	}
}

// enroll writes tenants into the records.
func enroll(b *testing.B, records *registry.Registry, count int) {
	b.Helper()
	var group errgroup.Group
	group.SetLimit(4)
	for i := range count {
		group.Go(func() error {
			name := tenant.Name(fmt.Sprintf("t%d", i))
			return records.UpsertTenant(b.Context(), tenant.Spec{
				Name: name, Instance: "shared-1", Schema: "tenant_" + name.Ident(), Ring: "general", Services: []string{"users", "auth", "core"},
			}, "bench")
		})
	}
	require.NoError(b, group.Wait())
}

// hear is the median time from a change of a route, committed, until a directory tells of it.
func hear(b *testing.B, records *registry.Registry, d *scope.Directory, count int) time.Duration {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	told, done := make(chan int64, 1), make(chan struct{})
	d.Subscribe(func(changed scope.Tenant) { told <- changed.Epoch })
	go func() { defer close(done); d.Run(ctx) }()
	var times []time.Duration
	for i := range 21 {
		epoch, err := records.SetRoute(b.Context(), tenant.Name(fmt.Sprintf("t%d", i%count)), tenant.RouteHold, "bench")
		require.NoError(b, err)
		began := time.Now()
		require.Equal(b, epoch, <-told)
		times = append(times, time.Since(began))
	}
	stop()
	<-done
	return median(times)
}

// heap is what is in use after a collection, in bytes.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
