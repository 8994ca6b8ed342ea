package operator

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/operator"
	"tenantctl/internal/platform/bus"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

// witness hears what operators tell at the broker.
type witness struct {
	mu    sync.Mutex
	seen  map[int64]bool
	first map[tenant.Name][]int64 // by tenant, in the order of first arrivals
}

func (w *witness) hear(_ context.Context, f bus.Fact) error {
	var e operator.CloudEvent
	if err := json.Unmarshal(f.Body, &e); err != nil {
		return err
	}
	id, err := strconv.ParseInt(e.ID, 10, 64)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.seen[id] {
		w.seen[id] = true
		w.first[tenant.Name(e.Subject)] = append(w.first[tenant.Name(e.Subject)], id)
	}
	return nil
}

func (w *witness) has(id int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[id]
}

// The broker is killed while tenants are made, and is away until it has started again: what happened meanwhile is told then, all of
// it, each tenant's in order.
func TestTheBrokerIsAway(t *testing.T) {
	t.Parallel()
	theBrokerIsAway(t, 0)
}

func theBrokerIsAway(t *testing.T, away time.Duration) {
	t.Helper()
	url := localtest.Broker(t).URL()
	s := setup(t, localtest.Database(t))
	s.broker, s.env = "broker: { url: \"${AMQP_URL}\" }\n", []string{"AMQP_URL=" + url}
	b, err := bus.Open(bus.Options{URL: url})
	require.NoError(t, err)
	w := &witness{seen: map[int64]bool{}, first: map[tenant.Name][]int64{}}
	ctx, cancel := context.WithCancel(context.Background())
	l := bus.Listener{Broker: b, Queue: "witness", Types: []string{"#"}, Handle: w.hear, Log: slog.New(slog.DiscardHandler)}
	ended := make(chan struct{})
	go func() { defer close(ended); l.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	s.declare(many(2))
	s.start()
	s.becomes("2", active)
	newest := func() int64 {
		id, err := strconv.ParseInt(s.ask(`select max(id) from tenantctl.event`), 10, 64)
		require.NoError(t, err)
		return id
	}
	begun := newest()
	require.Eventually(t, func() bool { return w.has(begun) }, patience, 20*time.Millisecond, "the first events")
	time.Sleep(queueKept)
	s.declare(many(8))
	localtest.KeepBrokerAway(t, away)
	s.becomes("8", active)
	s.settle(patience)
	last := newest()
	require.Eventually(t, func() bool { return w.has(last) }, patience, 50*time.Millisecond, "the newest event")
	records, err := registry.Open(ctx, s.control)
	require.NoError(t, err)
	defer records.Close()
	all, err := records.Events(ctx, begun, registry.EventFilter{Limit: 1 << 20})
	require.NoError(t, err)
	for _, e := range all {
		require.True(t, w.has(e.ID) || e.ID > last, "event %d %s of %s never came", e.ID, e.Type, e.Tenant)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, ids := range w.first {
		require.IsIncreasing(t, ids, name)
	}
	require.Greater(t, len(all), 12, "events while the broker was away")
}

// queueKept is after what time a RabbitMQ that is killed knows a quorum queue again (docs/limits.md).
const queueKept = 2 * time.Second

const active = `select count(*) from tenantctl.tenant where state = 'active'`
