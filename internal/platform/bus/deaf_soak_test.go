//go:build soak

package bus_test

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/bus"
)

// RabbitMQ is killed as soon as a consumer's queue is there. Whether the queue comes back deaf or not, everything is handled once,
// by those who were there before; it does in most runs.
func TestSoakAQueueThatComesBackDeafIsMadeAnew(t *testing.T) {
	b := setup(t, "a")
	b.relay(t)
	b.mustPublish(t, "a", 0)
	b.consumer(t, func(c *bus.Consumer) { c.Delays = []time.Duration{100 * time.Millisecond} })
	require.Eventually(t, func() bool {
		there := false
		b.channel(t, func(ch *amqp.Channel) {
			_, err := ch.QueueDeclarePassive(b.namespace+".shop", true, false, false, false, nil)
			there = err == nil
		})
		return there
	}, patience, time.Millisecond)
	localtest.RestartBroker(t)
	began := time.Now()
	b.mustPublish(t, "a", 1)
	require.Equal(t, 2, b.settled(t, "a"))
	t.Logf("%s after the restart everything was handled", time.Since(began).Round(time.Second))
}
