package jobs_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/jobs"
	"tenantctl/internal/tenant"
)

// Whoever floods the queue has its own jobs wait, not those of others.
func TestAFloodWaitsForItself(t *testing.T) {
	t.Parallel()
	b := setup(t, "flood", "quiet")
	b.submit(t, "flood", 60, jobs.Request{Kind: "k"})
	late := b.submit(t, "quiet", 2, jobs.Request{Kind: "k"})
	order := &record{}
	b.worker(t, func(o *jobs.Options) { o.Slots = 1 }, order.kind("k", jobs.Short))
	b.becomes(t, "quiet", late[1], jobs.Done)
	done := order.of()
	require.LessOrEqual(t, slices.Index(done, tenant.Name("quiet")), 1, "%v", done)
	require.Eventually(t, func() bool { return len(order.of()) == 62 }, patience, tick, "and all of them are done")
}

// In a queue in which everybody has enough to do each gets by its weight.
func TestWeights(t *testing.T) {
	t.Parallel()
	b := setup(t, "one", "three")
	b.known.limit("three", tenant.Limits{Jobs: 100, Weight: 3})
	b.submit(t, "one", 60, jobs.Request{Kind: "k"})
	b.submit(t, "three", 60, jobs.Request{Kind: "k"})
	order := &record{}
	b.worker(t, func(o *jobs.Options) { o.Slots = 1 }, order.kind("k", jobs.Short))
	require.Eventually(t, func() bool { return len(order.of()) == 120 }, patience, tick)
	threes := 0
	for _, name := range order.of()[:40] {
		if name == "three" {
			threes++
		}
	}
	require.InDelta(t, 30, threes, 2)
}

// A job counts by what it costs.
func TestCosts(t *testing.T) {
	t.Parallel()
	b := setup(t, "dear", "cheap")
	b.submit(t, "dear", 20, jobs.Request{Kind: "k", Cost: 4})
	b.submit(t, "cheap", 40, jobs.Request{Kind: "k", Cost: 1})
	order := &record{}
	b.worker(t, func(o *jobs.Options) { o.Slots = 1 }, order.kind("k", jobs.Short))
	require.Eventually(t, func() bool { return len(order.of()) == 60 }, patience, tick)
	cheap := 0
	for _, name := range order.of()[:25] {
		if name == "cheap" {
			cheap++
		}
	}
	require.InDelta(t, 20, cheap, 2)
}

// Whoever asked for much before isn't punished for it, and whoever asked for nothing has no credit.
func TestThePastIsThePast(t *testing.T) {
	t.Parallel()
	b := setup(t, "old", "new")
	order := &record{}
	b.worker(t, func(o *jobs.Options) { o.Slots = 1 }, order.kind("k", jobs.Short))
	b.submit(t, "old", 40, jobs.Request{Kind: "k"})
	require.Eventually(t, func() bool { return len(order.of()) == 40 }, patience, tick)
	b.known.set("old", tenant.Suspended) // both lines are filled before anything is taken
	b.known.set("new", tenant.Suspended)
	require.Eventually(t, func() bool { return b.Text(t, `select count(*)::text from jobs.share where open`) == "0" }, patience, tick)
	b.submit(t, "old", 10, jobs.Request{Kind: "k"})
	b.submit(t, "new", 10, jobs.Request{Kind: "k"})
	b.known.set("old", tenant.Active)
	b.known.set("new", tenant.Active)
	require.Eventually(t, func() bool { return len(order.of()) == 60 }, patience, tick)
	after := order.of()[40:]
	olds := 0
	for _, name := range after[:10] {
		if name == "old" {
			olds++
		}
	}
	require.InDelta(t, 5, olds, 2, "%v", after)
}

// No tenant has more running than its limit, over all workers; the slots that it leaves are others'.
func TestLimits(t *testing.T) {
	t.Parallel()
	b := setup(t, "a", "b")
	b.known.limit("a", tenant.Limits{Jobs: 2, Weight: 1})
	var now, most atomic.Int32
	kind := jobs.Kind{Name: "k", Length: jobs.Short, Do: func(_ context.Context, task *jobs.Task) error {
		if task.Tenant.Name == "a" {
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			defer now.Add(-1)
		}
		time.Sleep(5 * time.Millisecond)
		return nil
	}}
	for range 2 {
		b.worker(t, nil, kind)
	}
	all := b.submit(t, "a", 60, jobs.Request{Kind: "k"})
	others := b.submit(t, "b", 30, jobs.Request{Kind: "k"})
	for _, id := range others {
		b.becomes(t, "b", id, jobs.Done)
	}
	for _, id := range all {
		b.becomes(t, "a", id, jobs.Done)
	}
	require.Equal(t, int32(2), most.Load())
}

// The line is as long as there are tenants at work: many wait as fairly as two.
func TestManyTenants(t *testing.T) {
	t.Parallel()
	var names []tenant.Name
	for i := range 12 {
		names = append(names, tenant.Name(fmt.Sprintf("t-%02d", i)))
	}
	b := setup(t, names...)
	for _, name := range names {
		b.submit(t, name, 20, jobs.Request{Kind: "k"})
	}
	order := &record{}
	b.worker(t, func(o *jobs.Options) { o.Slots = 4 }, order.kind("k", jobs.Short))
	require.Eventually(t, func() bool { return len(order.of()) == 240 }, patience, tick)
	first := map[tenant.Name]int{}
	for _, name := range order.of()[:120] {
		first[name]++
	}
	for _, name := range names {
		require.InDelta(t, 10, first[name], 3, name)
	}
}
