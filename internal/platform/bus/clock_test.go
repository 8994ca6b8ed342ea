package bus_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
)

// The server's clock goes an hour ahead while nobody takes an event, and two hours back: it is neither given up nor put off by that.
// Then it goes years ahead, and what was in a queue that is lost is still there to be sent again, once.
func TestTheServersClockIsSet(t *testing.T) {
	t.Parallel()
	server, clock := localtest.NewClockedServer(t, nil, 0)
	b := setupOn(t, server, "a")
	stopRelay := b.relay(t)
	b.mustPublish(t, "a", 1)
	returned := func(more string) {
		require.Eventually(t, func() bool {
			return b.Text(t, `select (count(*) = 1)::text from bus.outbox where sent_at is null and returned >= `+more) == "true"
		}, patience, tick)
	}
	returned("1")
	clock.Set(time.Hour)
	returned("3")
	clock.Set(-time.Hour)
	stopConsumer := b.consumer(t)
	stopRelay() // another looks at once for what the clock has put off, and this one within a minute
	stopRelay = b.relay(t)
	require.Equal(t, 1, b.settled(t, "a"))
	b.parked(t, 0)

	stopConsumer()
	b.mustPublish(t, "a", 2)
	require.Eventually(t, func() bool { return b.Text(t, `select count(*)::text from bus.outbox where sent_at is null`) == "0" }, patience, tick)
	b.deleteQueue(t, "shop")
	clock.Set(3 * 365 * 24 * time.Hour)
	stopRelay()
	b.relay(t)
	b.mustPublish(t, "a", 3) // it tidies before it sends
	// Those of the lost queue wait with it, or soon will.
	require.Eventually(t, func() bool {
		return b.Text(t, `select (count(*) > 0)::text from bus.outbox where returned > 0`) == "true"
	}, patience, tick)
	b.consumer(t)
	require.Equal(t, 3, b.settled(t, "a"))
	b.parked(t, 0)
}
