package bus_test

import (
	"context"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/bus"
)

// Facts reach the queues that are bound to them, are dropped where nobody wants them, and go on after the connection was lost.
func TestFactsAreSent(t *testing.T) {
	t.Parallel()
	url := localtest.Broker(t).URL()
	namespace := strings.TrimSuffix(localtest.Prefix(t), "_")
	b, err := bus.Open(bus.Options{URL: url, Namespace: namespace})
	require.NoError(t, err)
	facts := b.Facts()
	defer facts.Close()
	fact := func(id, kind string) bus.Fact {
		return bus.Fact{ID: id, Type: kind, ContentType: "application/cloudevents+json", Body: []byte(`{"id":"` + id + `"}`), At: time.Now()}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, facts.Send(ctx, []bus.Fact{fact("1", "tenant.provisioned")}), "nobody wants it")
	connection, err := amqp.Dial(url)
	require.NoError(t, err)
	defer connection.Close()
	ch, err := connection.Channel()
	require.NoError(t, err)
	queue, err := ch.QueueDeclare(namespace+".test", false, true, false, false, nil)
	require.NoError(t, err)
	require.NoError(t, ch.QueueBind(queue.Name, "tenant.*", namespace+".fleet", false, nil))
	require.NoError(t, facts.Send(ctx, []bus.Fact{fact("2", "tenant.moved"), fact("3", "rollout.started"), fact("4", "tenant.moved")}))
	facts.Close()
	require.NoError(t, facts.Send(ctx, []bus.Fact{fact("5", "tenant.moved")}))
	var got []string
	for {
		m, more, err := ch.Get(queue.Name, true)
		require.NoError(t, err)
		if !more {
			break
		}
		require.Equal(t, "tenant.moved", m.Type)
		require.Equal(t, uint8(amqp.Persistent), m.DeliveryMode)
		got = append(got, m.MessageId)
	}
	require.Equal(t, []string{"2", "4", "5"}, got)
	require.NoError(t, ch.ExchangeDelete(namespace+".fleet", false, false))
}
