package bus_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
	"tenantctl/test/fleet"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		child(text)
		return
	}
	localtest.Main(m)
}

const (
	patience = 60 * time.Second
	tick     = 20 * time.Millisecond
)

// shop is the service of these tests: what was published in its causes, what came of it in its effects. Nothing there keeps an
// effect from being there twice.
func shop(t testing.TB) *stream.Stream {
	t.Helper()
	s, err := stream.Read("shop", os.DirFS("testdata/shop"))
	require.NoError(t, err)
	return s
}

// bundle is a fleet with a relay's and a consumer's parts, and names of its own on the broker.
type bundle struct {
	*fleet.Fleet
	pools     *scope.Pools
	directory *scope.Directory
	namespace string
	url       string // of the broker; empty: the shared one
	log       *slog.Logger
}

func setup(t *testing.T, tenants ...tenant.Name) *bundle {
	t.Helper()
	return setupOn(t, localtest.Server(t), tenants...)
}

func setupOn(t *testing.T, server *local.Postgres, tenants ...tenant.Name) *bundle {
	t.Helper()
	localtest.Broker(t)
	own, err := bus.Stream()
	require.NoError(t, err)
	f := fleet.New(t, fleet.Options{Streams: []*stream.Stream{shop(t), own}, Server: server})
	f.Provision(t, tenants...)
	return &bundle{
		Fleet: f, pools: f.Pools(t, scope.PoolOptions{}), directory: f.Directory(t), namespace: "test-" + strings.ToLower(t.Name()) + f.Prefix,
		url: localtest.Broker(t).URL(), log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func (b *bundle) broker(t testing.TB) *bus.Broker {
	t.Helper()
	broker, err := bus.Open(bus.Options{URL: b.url, Namespace: b.namespace, Log: b.log})
	require.NoError(t, err)
	return broker
}

// start runs something until t ends, or until it is stopped.
func start(t testing.TB, run func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

func (b *bundle) relay(t testing.TB, change ...func(*bus.RelayOptions)) (stop func()) {
	opts := bus.RelayOptions{
		Broker: b.broker(t), Instance: fleet.Instance, RolePrefix: b.Prefix, Poll: 5 * time.Millisecond, Log: b.log, Metrics: bus.NewMetrics(),
		DSN: func(ctx context.Context) (string, error) {
			return b.Login(bus.Service)(ctx, scope.Cell{Cell: "shared"})
		},
	}
	for _, c := range change {
		c(&opts)
	}
	return start(t, bus.NewRelay(opts).Run)
}

const placed = "order.placed"

// consumer notes each message among the effects of its tenant.
func (b *bundle) consumer(t testing.TB, change ...func(*bus.Consumer)) (stop func()) {
	c := &bus.Consumer{
		Broker: b.broker(t), Queue: "shop", Types: map[string]int{placed: 1}, Pools: b.pools, Tenants: b.directory, Log: b.log, Metrics: bus.NewMetrics(),
		Delays: []time.Duration{100 * time.Millisecond, 300 * time.Millisecond}, Handle: note,
	}
	for _, change := range change {
		change(c)
	}
	return start(t, c.Run)
}

func note(ctx context.Context, tx scope.Tx, m bus.Message) error {
	_, err := tx.Exec(ctx, `insert into effects (id, tenant, payload) values ($1, $2, $3)`, m.ID, string(m.Tenant), string(m.Payload))
	return err
}

// publish writes a cause and its event in one transaction.
func (b *bundle) publish(ctx context.Context, name tenant.Name, payload any) (id string, err error) {
	t, err := b.directory.Tenant(name)
	if err != nil {
		return "", err
	}
	err = b.pools.Tx(ctx, t, func(ctx context.Context, tx scope.Tx) error {
		id, err = bus.Publish(ctx, tx, bus.Event{Type: placed, Version: 1, Payload: payload})
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `insert into causes (id) values ($1)`, id)
		return err
	})
	return id, err
}

func (b *bundle) mustPublish(t testing.TB, name tenant.Name, payload any) string {
	t.Helper()
	id, err := b.publish(t.Context(), name, payload)
	require.NoError(t, err)
	return id
}

// ledger compares causes with effects: what is missing, and what is there too often.
func (b *bundle) ledger(t testing.TB, names ...tenant.Name) (causes, missing, doubled int) {
	t.Helper()
	for _, name := range names {
		schema := pgx.Identifier{"tenant_" + name.Ident()}.Sanitize()
		var c, m, d int
		require.NoError(t, b.Root.QueryRow(context.Background(), fmt.Sprintf(`select (select count(*) from %[1]s.causes),
			(select count(*) from %[1]s.causes c where not exists (select from %[1]s.effects e where e.id = c.id)),
			(select count(*) from %[1]s.effects) - (select count(distinct id) from %[1]s.effects)
			+ (select count(*) from %[1]s.effects e where e.tenant <> '%[2]s' or not exists (select from %[1]s.causes c where c.id = e.id))`, schema, name)).Scan(&c, &m, &d))
		causes, missing, doubled = causes+c, missing+m, doubled+d
	}
	return causes, missing, doubled
}

// settled waits until every cause has its effect, once. However many wait, as long as some come.
func (b *bundle) settled(t testing.TB, names ...tenant.Name) int {
	t.Helper()
	causes, missing, _ := b.ledger(t, names...)
	for least, since := missing, time.Now(); missing > 0; time.Sleep(tick) {
		if causes, missing, _ = b.ledger(t, names...); missing < least {
			least, since = missing, time.Now()
		}
		require.Less(t, time.Since(since), patience, "%d effects are missing, and none comes any more", missing)
	}
	_, _, doubled := b.ledger(t, names...)
	require.Zero(t, doubled, "an effect is there twice, or without its cause")
	return causes
}

// parked waits until so many messages are parked.
func (b *bundle) parked(t testing.TB, n int) []bus.Parked {
	t.Helper()
	var found []bus.Parked
	require.Eventually(t, func() bool {
		var err error
		found, err = b.broker(t).Parked(t.Context())
		require.NoError(t, err)
		return len(found) == n
	}, patience, 5*tick, "wanted %d parked messages, there are %d", n, len(found))
	return found
}

func decode[T any](t testing.TB, raw json.RawMessage) (value T) {
	t.Helper()
	require.NoError(t, json.Unmarshal(raw, &value))
	return value
}
