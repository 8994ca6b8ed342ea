package bus_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/scope"
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

// hearer is a handler of facts that fails at what it is told to.
type hearer struct {
	mu    sync.Mutex
	fails map[string][]error // by id, one after the other
	heard []string
	first bool
}

func (h *hearer) begun() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.first
}

func (h *hearer) hear(_ context.Context, f bus.Fact) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if errs := h.fails[f.ID]; len(errs) > 0 {
		h.fails[f.ID] = errs[1:]
		return errs[0]
	}
	if f.ID == "first" {
		h.first = true
		return nil
	}
	h.heard = append(h.heard, f.ID)
	return nil
}

func (h *hearer) has(ids ...string) func() bool {
	return func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return slices.Equal(h.heard, ids)
	}
}

// What is told while nobody listens is heard later; facts that can't be handled are parked, with the reason, and can be replayed; a
// database that is away keeps the others waiting, in order, and parks nothing.
func TestFactsAreHeardOrParked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	broker := b.broker(t)
	facts := broker.Facts()
	defer facts.Close()
	failed, away := errors.New("no room for it"), scope.ErrUnavailable
	h := &hearer{fails: map[string][]error{"2": {bus.Permanent(errors.New("what is this?"))}, "3": {away, away, away}, "4": {failed, failed}, "5": {failed}}}
	l := &bus.Listener{Broker: broker, Queue: "fleet-test", Types: []string{"tenant.moved"}, Attempts: 2, Handle: h.hear, Log: slog.New(slog.DiscardHandler)}
	tell := func(ids ...string) {
		for _, id := range ids {
			require.NoError(t, facts.Send(t.Context(), []bus.Fact{{ID: id, Type: "tenant.moved", Body: []byte("{}"), At: time.Now()}}))
		}
	}
	stop := start(t, l.Run)
	require.Eventually(t, func() bool { // its queue is there
		tell("first")
		return h.begun()
	}, patience, 5*tick)
	stop()
	tell("1", "2", "3", "4", "5", "6")
	start(t, l.Run)
	require.Eventually(t, h.has("1", "3", "5", "6"), patience, tick)
	parked := b.parked(t, 2)
	require.Equal(t, []string{"2", "4"}, []string{parked[0].ID, parked[1].ID})
	require.Equal(t, "what is this?", parked[0].Reason)
	require.Equal(t, "no room for it", parked[1].Reason)
	for _, p := range parked {
		require.Equal(t, "fleet-test tenant.moved", p.Queue+" "+p.Type)
		require.WithinDuration(t, time.Now(), p.Since, time.Minute)
	}
	done, err := broker.Replay(t.Context(), func(p bus.Parked) bool { return p.ID == "4" })
	require.NoError(t, err)
	require.Len(t, done, 1)
	require.Eventually(t, h.has("1", "3", "5", "6", "4"), patience, tick)
	b.parked(t, 1)
}
