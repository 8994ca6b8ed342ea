//go:build soak

package bus_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
)

// Whoever consumed before RabbitMQ was restarted consumes after it, time and again, whether it was killed or told to end, and also where
// it goes again before anybody has noticed.
func TestSoakConsumingResumesAfterEachRestart(t *testing.T) {
	b := setup(t, "a")
	b.relay(t)
	b.relay(t)
	b.consumer(t)
	b.consumer(t)
	restarts := []func(){
		func() { localtest.RestartBroker(t) },
		func() {
			localtest.RabbitMQCtl(t, "stop_app")
			localtest.RabbitMQCtl(t, "start_app")
		},
		func() {
			localtest.RestartBroker(t)
			localtest.RabbitMQCtl(t, "stop_app")
			time.Sleep(3 * time.Second) // sessions begin and fail meanwhile
			localtest.RabbitMQCtl(t, "start_app")
		},
	}
	const rounds = 9
	var longest time.Duration
	for round := range rounds {
		b.mustPublish(t, "a", round)
		restarts[round%len(restarts)]()
		began := time.Now()
		b.mustPublish(t, "a", round)
		require.Equal(t, 2*(round+1), b.settled(t, "a"), "round %d", round)
		longest = max(longest, time.Since(began))
	}
	t.Logf("%d restarts; after one it took up to %s until what waited was handled", rounds, longest.Round(time.Millisecond))
}
