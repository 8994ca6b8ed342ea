package bus_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/scope"
)

func TestHowMuchWaitsAtTheBroker(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	b.relay(t)
	stop := b.consumer(t, func(c *bus.Consumer) {
		c.Delays = nil
		c.Handle = func(_ context.Context, _ scope.Tx, m bus.Message) error {
			if decode[string](t, m.Payload) == "hopeless" {
				return bus.Permanent(errors.New("never"))
			}
			return errors.New("not yet")
		}
	})
	b.mustPublish(t, "a", "hopeless")
	b.mustPublish(t, "a", "again")
	becomes := func(want func(d bus.Depth, parked int) bool) {
		t.Helper()
		require.Eventually(t, func() bool {
			depths, parked, err := b.broker(t).Depths(t.Context(), "shop", "nobody")
			require.NoError(t, err)
			require.LessOrEqual(t, len(depths), 1, "who never ran has no queue")
			return len(depths) == 1 && depths[0].Consumer == "shop" && want(depths[0], parked)
		}, patience, 5*tick)
	}
	becomes(func(d bus.Depth, parked int) bool {
		return d.Ready == 0 && d.Again == 1 && d.Takers == 1 && parked == 1
	})
	stop()
	for range 3 {
		b.mustPublish(t, "a", "nobody takes it")
	}
	becomes(func(d bus.Depth, parked int) bool {
		return d.Ready >= 3 && d.Ready+d.Again == 4 && d.Takers == 0 && parked == 1
	})
}
