package bus_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/tenant"
)

// heard is whose messages a consumer handled, in order.
type heard struct {
	mutex sync.Mutex
	names []tenant.Name
}

func (h *heard) note(name tenant.Name) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.names = append(h.names, name)
}

func (h *heard) count(name tenant.Name) (n int) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	for _, other := range h.names {
		if other == name {
			n++
		}
	}
	return n
}

// ahead is how many of a tenant's were handled before the nth of another's.
func (h *heard) ahead(of tenant.Name, nth int, name tenant.Name) (n int) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	for _, other := range h.names {
		if other == of {
			nth--
		}
		if nth == 0 {
			break
		}
		if other == name {
			n++
		}
	}
	return n
}

// flood publishes many events of a tenant at once.
func (b *bundle) flood(t *testing.T, name tenant.Name, n int) {
	t.Helper()
	role := b.Prefix + "t_" + name.Ident() + "__shop"
	b.Exec(t, fmt.Sprintf(`insert into bus.outbox (id, role, type, version, payload) select gen_random_uuid(), '%s', '%s', 1, to_jsonb(i) from generate_series(1, %d) i`, role, placed, n))
}

func everything(tenant.Name, string) bool { return true }

// Whoever comes into a flood is served in turn: the bound is in what was handled before, whatever the machine's speed.
func TestAFloodOfEventsWaitsForItself(t *testing.T) {
	t.Parallel()
	b := setup(t, "noisy", "quiet", "other")
	const flood, turn = 3000, 250
	b.flood(t, "noisy", flood)
	b.mustPublish(t, "other", 0) // behind all of the flood
	order := &heard{}
	b.consumer(t, func(c *bus.Consumer) {
		c.Workers = 1
		c.Handle = func(_ context.Context, _ scope.Tx, m bus.Message) error { order.note(m.Tenant); return nil }
	})
	b.relay(t, func(o *bus.RelayOptions) { o.Paced = everything })
	require.Eventually(t, func() bool { return order.count("other") == 1 }, patience, tick)
	require.Less(t, order.ahead("other", 1, "noisy"), turn, "the flood was there first, and yet nobody waits for all of it")
	require.Eventually(t, func() bool { return order.count("noisy") > 100 }, patience, tick)
	for i := range 3 {
		b.mustPublish(t, "quiet", i)
		before := order.count("noisy")
		require.Eventually(t, func() bool { return order.count("quiet") == i+1 }, patience, time.Millisecond)
		require.Less(t, order.ahead("quiet", i+1, "noisy")-before, turn, "what came in the midst of the flood was handled in its turn")
		require.Less(t, order.count("noisy"), flood, "it is still a flood")
	}
	require.Eventually(t, func() bool { return order.count("noisy") == flood }, patience, tick)
}

// A handler that is slow for one tenant, or fails for it, holds nobody else up, however many workers there are.
func TestASlowTenantHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	b := setup(t, "slow", "failing", "a", "b", "c", "d")
	b.flood(t, "slow", 300)
	b.flood(t, "failing", 50)
	order, over := &heard{}, make(chan struct{})
	defer close(over)
	b.consumer(t, func(c *bus.Consumer) {
		c.Workers = 2
		c.Attempts = 2
		c.Handle = func(_ context.Context, _ scope.Tx, m bus.Message) error {
			switch m.Tenant {
			case "slow":
				<-over // for as long as the test takes
			case "failing":
				return errors.New("it always does")
			}
			order.note(m.Tenant)
			return nil
		}
	})
	b.relay(t, func(o *bus.RelayOptions) { o.Paced = everything })
	for i := range 10 {
		for _, name := range []tenant.Name{"a", "b", "c", "d"} {
			b.mustPublish(t, name, i)
		}
	}
	require.Eventually(t, func() bool {
		return order.count("a") == 10 && order.count("b") == 10 && order.count("c") == 10 && order.count("d") == 10
	}, patience, tick)
	require.NotEqual(t, "0", b.Text(t, `select count(*)::text from bus.outbox where sent_at is null and role like '%slow%'`), "what nobody has room for waits in the outbox")
}
