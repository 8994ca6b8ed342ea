package bench_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
	fleets "tenantctl/test/fleet"
)

const (
	eventTenants   = 2000
	eventsASecond  = 100 // of all of them together, one after the other
	eventsOfEach   = 5   // that come at once
	eventKind      = "order.placed"
	eventConsumers = "bench"
)

// BenchmarkEvents is how long an event of one of 2,000 tenants takes from its commit to its effect, how many get through where all
// tenants publish at once, and what broker and services hold meanwhile. Scale is the number of tenants.
func BenchmarkEvents(b *testing.B) {
	for b.Loop() {
		tenants := max(scaled(b, eventTenants), 20)
		e := newEventStage(b, tenants)
		empty := residentAnonymous(b, e.broker)
		stop := e.run()
		seconds := max(scaled(b, 30), 3)
		steady := e.steadily(seconds)
		fmt.Printf("\n  %d tenants, %d events a second: published to handled in %.1f ms, median, and %.1f ms, p99\n",
			tenants, eventsASecond, milliseconds(steady, 0.5), milliseconds(steady, 0.99))
		b.ReportMetric(milliseconds(steady, 0.99), "p99-ms")
		count := tenants * eventsOfEach
		took := e.atOnce(count)
		rate := float64(count) / took.Seconds()
		var own runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&own)
		held := residentAnonymous(b, e.broker)
		fmt.Printf("  %d events at once: %.0f a second; the broker holds %.0f MB (%.0f MB when idle), relay and consumer %.0f MB\n",
			count, rate, held, empty, float64(own.HeapInuse)/megabyte)
		b.ReportMetric(rate, "events/s")
		b.ReportMetric(held, "broker-MB")
		b.ReportMetric(float64(own.HeapInuse)/megabyte, "services-MB")
		stop()
	}
}

// eventStage is a fleet with a bus, and what its consumer has handled.
type eventStage struct {
	*fleets.Fleet
	b         *testing.B
	pools     *scope.Pools
	directory *scope.Directory
	names     []tenant.Name
	broker    int // its process
	namespace string

	mutex sync.Mutex
	took  []time.Duration
}

func newEventStage(b *testing.B, tenants int) *eventStage {
	b.Helper()
	ofCore, err := core.Stream()
	require.NoError(b, err)
	ofBus, err := bus.Stream()
	require.NoError(b, err)
	e := &eventStage{
		b: b, Fleet: fleets.New(b, fleets.Options{Server: newServer(b), Streams: []*stream.Stream{ofCore, ofBus}, TenantsPerCell: 500}), broker: localtest.Broker(b).PID(),
	}
	for i := range tenants {
		e.names = append(e.names, tenant.Name(fmt.Sprintf("t%d", i)))
	}
	e.Provision(b, e.names...)
	e.pools, e.directory = e.Pools(b, scope.PoolOptions{Service: core.Service, MaxConns: 8, Share: 8}), e.Directory(b)
	e.namespace = strings.TrimSuffix("bench-"+e.Prefix, "_")
	return e
}

// run relays and handles until it is stopped.
func (e *eventStage) run() (stop func()) {
	e.b.Helper()
	broker, err := bus.Open(bus.Options{URL: localtest.Broker(e.b).URL(), Namespace: e.namespace})
	require.NoError(e.b, err)
	relay := bus.NewRelay(bus.RelayOptions{
		Broker: broker, Instance: fleets.Instance, RolePrefix: e.Prefix, Paced: func(tenant.Name, string) bool { return true },
		DSN: func(ctx context.Context) (string, error) {
			return e.Login(bus.Service)(ctx, scope.Cell{Cell: "shared"})
		},
	})
	consumer := &bus.Consumer{
		Broker: broker, Queue: eventConsumers, Types: map[string]int{eventKind: 1}, Pools: e.pools, Tenants: e.directory,
		Handle: func(ctx context.Context, tx scope.Tx, m bus.Message) error {
			_, err := tx.Exec(ctx, `insert into customers (code, name) values ($1, 'x')`, m.ID)
			e.mutex.Lock()
			e.took = append(e.took, time.Since(m.Occurred))
			e.mutex.Unlock()
			return err
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	var both sync.WaitGroup
	both.Go(func() { relay.Run(ctx) })
	both.Go(func() { consumer.Run(ctx) })
	return func() { cancel(); both.Wait() }
}

// handled waits for so many events, and gives how long each took.
func (e *eventStage) handled(n int) []time.Duration {
	e.b.Helper()
	var got []time.Duration
	require.Eventually(e.b, func() bool {
		e.mutex.Lock()
		defer e.mutex.Unlock()
		got = slices.Clone(e.took)
		return len(got) >= n
	}, 10*time.Minute, 5*time.Millisecond)
	e.mutex.Lock()
	e.took = nil
	e.mutex.Unlock()
	return got
}

// steadily publishes for some seconds, in turn for the tenants; the first one, for which queues are made, doesn't count.
func (e *eventStage) steadily(seconds int) []time.Duration {
	e.b.Helper()
	e.publish(0)
	e.handled(1)
	ticker := time.NewTicker(time.Second / eventsASecond)
	defer ticker.Stop()
	n := seconds * eventsASecond
	for i := range n {
		<-ticker.C
		e.publish(i)
	}
	return e.handled(n)
}

func (e *eventStage) publish(i int) {
	e.b.Helper()
	t, err := e.directory.Tenant(e.names[i%len(e.names)])
	require.NoError(e.b, err)
	require.NoError(e.b, e.pools.Tx(context.Background(), t, func(ctx context.Context, tx scope.Tx) error {
		_, err := bus.Publish(ctx, tx, bus.Event{Type: eventKind, Version: 1, Payload: map[string]int{"order": i}})
		return err
	}))
}

// atOnce has all tenants publish, and tells how long it takes until all is handled.
func (e *eventStage) atOnce(n int) time.Duration {
	e.b.Helper()
	began := time.Now()
	e.Exec(e.b, fmt.Sprintf(`insert into bus.outbox (id, role, type, version, payload)
		select gen_random_uuid(), 'PREFIX_t_t' || i %% %d || '__core', '%s', 1, jsonb_build_object('order', i) from generate_series(1, %d) i`, len(e.names), eventKind, n))
	e.handled(n)
	return time.Since(began)
}

// milliseconds is a quantile.
func milliseconds(took []time.Duration, q float64) float64 {
	slices.Sort(took)
	return took[int(q*float64(len(took)-1))].Seconds() * 1000
}
