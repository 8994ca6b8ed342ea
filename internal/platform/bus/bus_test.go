package bus_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/telemetry"
	"tenantctl/internal/tenant"
)

func TestAnEventIsDeliveredIfItsTransactionWasCommitted(t *testing.T) {
	t.Parallel()
	b := setup(t, "a", "b-c")
	b.relay(t)
	b.relay(t) // a second one stands by
	seen := make(chan bus.Message, 100)
	b.consumer(t, func(c *bus.Consumer) {
		c.Handle = func(ctx context.Context, tx scope.Tx, m bus.Message) error {
			seen <- m
			return note(ctx, tx, m)
		}
	})
	a, err := b.directory.Tenant("a")
	require.NoError(t, err)
	undone := errors.New("undone")
	require.ErrorIs(t, b.pools.Tx(t.Context(), a, func(ctx context.Context, tx scope.Tx) error {
		_, err := bus.Publish(ctx, tx, bus.Event{Type: placed, Version: 1, Payload: "never"})
		require.NoError(t, err)
		return undone
	}), undone)
	require.NoError(t, b.pools.Tx(t.Context(), a, func(ctx context.Context, tx scope.Tx) error {
		ctx = telemetry.FromParent(ctx, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		_, err := bus.Publish(ctx, tx, bus.Event{Type: placed, Version: 1, Payload: map[string]int{"order": 7}})
		return err
	}))
	first := <-seen
	require.Equal(t, tenant.Name("a"), first.Tenant)
	require.Equal(t, "shop", first.Source)
	require.Equal(t, placed, first.Type)
	require.Equal(t, 1, first.Version)
	require.Equal(t, 1, first.Attempt)
	require.Regexp(t, "^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$", first.Traceparent)
	require.NotContains(t, first.Traceparent, "b7ad6b7169203331") // it is a span below that one
	require.Equal(t, 7, decode[map[string]int](t, first.Payload)["order"])
	require.WithinDuration(t, time.Now(), first.Occurred, time.Minute)
	// It has no cause in the ledger; what it did is committed a moment after it was seen.
	require.Eventually(t, func() bool { return b.Text(t, `select count(*)::text from tenant_a.effects`) == "1" }, patience, tick)
	b.Exec(t, `truncate tenant_a.effects`)

	for i := range 50 {
		b.mustPublish(t, "b-c", i)
	}
	for i := range 50 {
		m := <-seen
		require.Equal(t, tenant.Name("b-c"), m.Tenant)
		require.Equal(t, i, decode[int](t, m.Payload), "a tenant's events come in their order")
	}
	require.Equal(t, 50, b.settled(t, "a", "b-c"))
}

func TestWhatIsDueLaterComesLater(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	b.relay(t)
	seen := make(chan bus.Message, 10)
	b.consumer(t, func(c *bus.Consumer) {
		c.Handle = func(_ context.Context, _ scope.Tx, m bus.Message) error { seen <- m; return nil }
	})
	a, err := b.directory.Tenant("a")
	require.NoError(t, err)
	due := time.Now().Add(700 * time.Millisecond)
	require.NoError(t, b.pools.Tx(t.Context(), a, func(ctx context.Context, tx scope.Tx) error {
		_, err := bus.Publish(ctx, tx, bus.Event{Type: placed, Version: 1, Payload: "later", Due: due})
		if err == nil {
			_, err = bus.Publish(ctx, tx, bus.Event{Type: placed, Version: 1, Payload: "now"})
		}
		return err
	}))
	require.Equal(t, "now", decode[string](t, (<-seen).Payload))
	require.Equal(t, "later", decode[string](t, (<-seen).Payload))
	require.True(t, time.Now().After(due))
}

func TestATenantCantSpeakForAnother(t *testing.T) {
	t.Parallel()
	b := setup(t, "a", "b")
	as := func(sql string) error {
		a, err := b.directory.Tenant("a")
		require.NoError(t, err)
		return b.pools.Tx(t.Context(), a, func(ctx context.Context, tx scope.Tx) error {
			_, err := tx.Exec(ctx, sql)
			return err
		})
	}
	const values = `values ('00000000-0000-4000-8000-000000000000', 'order.placed', 1, '{}'`
	require.NoError(t, as(`insert into bus.outbox (id, type, version, payload) `+values+`)`))
	for _, sql := range []string{
		`insert into bus.outbox (id, type, version, payload, role) ` + values + `, '` + b.Prefix + `t_b__shop')`,
		`insert into bus.outbox (id, type, version, payload, seq) overriding system value ` + values + `, -1)`,
		`insert into bus.outbox (id, type, version, payload, sent_at) ` + values + `, now())`,
		`insert into bus.inbox (role, consumer, id) values ('` + b.Prefix + `t_b__shop', 'shop', '00000000-0000-4000-8000-000000000000')`,
		`select id from bus.outbox`, `select id from bus.inbox`, `delete from bus.outbox`, `update bus.outbox set payload = '1'`, `truncate bus.outbox`,
	} {
		require.ErrorContains(t, as(sql), "permission denied", sql)
	}
	require.ErrorContains(t, as(`insert into bus.outbox (id, type, version, payload) values (gen_random_uuid(), 'nonsense', 1, '{}')`), "outbox_type_check")
	require.ErrorContains(t, as(`insert into bus.outbox (id, type, version, payload) values (gen_random_uuid(), 'a.b', 1, to_jsonb(repeat('x', 300000)))`), "outbox_payload_check")
}

func TestTheLadder(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	b.relay(t)
	var attempts, away atomic.Int64
	mended := &atomic.Bool{}
	b.consumer(t, func(c *bus.Consumer) {
		c.Attempts = 3
		c.Handle = func(ctx context.Context, tx scope.Tx, m bus.Message) error {
			if err := note(ctx, tx, m); err != nil {
				return err
			}
			switch what := decode[string](t, m.Payload); {
			case mended.Load():
				return nil
			case what == "second time" && m.Attempt < 2:
				return errors.New("not yet")
			case what == "panics" && m.Attempt < 2:
				panic("nobody expects it")
			case what == "away" && away.Add(1) < 6:
				return bus.Later(errors.New("the mail server is away"))
			case what == "poison":
				attempts.Add(1)
				return errors.New("never")
			case what == "hopeless":
				return m.Decode(&struct{ Order int }{})
			}
			return nil
		}
	})
	poison, hopeless := b.mustPublish(t, "a", "poison"), b.mustPublish(t, "a", "hopeless")
	for _, what := range []string{"second time", "panics", "away"} {
		b.mustPublish(t, "a", what)
	}
	parked := b.parked(t, 2)
	reasons := map[string]bus.Parked{parked[0].ID: parked[0], parked[1].ID: parked[1]}
	require.Equal(t, "never", reasons[poison].Reason)
	require.Equal(t, 3, reasons[poison].Attempt)
	require.EqualValues(t, 3, attempts.Load())
	require.Contains(t, reasons[hopeless].Reason, "payload of order.placed")
	require.Equal(t, 1, reasons[hopeless].Attempt)
	require.Equal(t, "shop", reasons[hopeless].Queue)
	require.Equal(t, tenant.Name("a"), reasons[hopeless].Tenant)
	require.Eventually(t, func() bool { _, missing, _ := b.ledger(t, "a"); return missing == 2 }, patience, tick, "the others have come through")
	require.EqualValues(t, 6, away.Load(), "what isn't the message's fault isn't counted against it")

	// Looked at again, they are all there; replayed, they are handled once; purged, they are gone.
	require.Len(t, b.parked(t, 2), 2)
	mended.Store(true)
	done, err := b.broker(t).Replay(t.Context(), func(p bus.Parked) bool { return p.ID == poison })
	require.NoError(t, err)
	require.Len(t, done, 1)
	require.Eventually(t, func() bool { _, missing, _ := b.ledger(t, "a"); return missing == 1 }, patience, tick)
	done, err = b.broker(t).Purge(t.Context(), func(p bus.Parked) bool { return p.ID == hopeless })
	require.NoError(t, err)
	require.Len(t, done, 1)
	b.parked(t, 0)
	_, _, doubled := b.ledger(t, "a")
	require.Zero(t, doubled)
}

func TestTenantsThatAreSuspendedMovedOrGone(t *testing.T) {
	t.Parallel()
	b := setup(t, "a", "b", "c", "d")
	b.mustPublish(t, "a", 1)
	b.mustPublish(t, "b", 1)
	b.mustPublish(t, "c", 1)
	b.mustPublish(t, "d", 1)
	ctx := t.Context()
	require.NoError(t, b.Records.SetState(ctx, "a", tenant.Suspended, "test", ""))
	_, err := b.Records.SetRoute(ctx, "b", tenant.RouteHold, "test")
	require.NoError(t, err)
	require.NoError(t, b.Records.DeleteTenant(ctx, "c", "test", ""))
	_, err = b.Records.SetRoute(ctx, "d", tenant.RouteLegacy, "test")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		d, err := b.directory.Tenant("d")
		return err == nil && d.Route == tenant.RouteLegacy
	}, patience, tick)
	b.relay(t)
	b.consumer(t)
	parked := b.parked(t, 2)
	reasons := map[tenant.Name]string{parked[0].Tenant: parked[0].Reason, parked[1].Tenant: parked[1].Reason}
	require.Equal(t, map[tenant.Name]string{"c": "tenant c isn't there any more", "d": "tenant d is served by its legacy application"}, reasons)
	_, missing, _ := b.ledger(t, "a", "b")
	require.Equal(t, 2, missing)
	require.NoError(t, b.Records.SetState(ctx, "a", tenant.Active, "test", ""))
	_, err = b.Records.SetRoute(ctx, "b", tenant.RoutePlatform, "test")
	require.NoError(t, err)
	require.Equal(t, 2, b.settled(t, "a", "b"))
}

func TestTwoConsumersDoTheirOwnOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	b.relay(t)
	var other atomic.Int64
	b.consumer(t)
	b.consumer(t, func(c *bus.Consumer) {
		c.Queue, c.Handle = "mail", func(context.Context, scope.Tx, bus.Message) error { other.Add(1); return nil }
	})
	for i := range 20 {
		b.mustPublish(t, "a", i)
	}
	require.Equal(t, 20, b.settled(t, "a"))
	require.Eventually(t, func() bool { return other.Load() == 20 }, patience, tick)
}

func TestAddressesAreChecked(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "http://x", "amqp://", "amqp://user:secret@host:bad"} {
		_, err := bus.Open(bus.Options{URL: url})
		require.ErrorIs(t, err, tenant.ErrInvalid, url)
		require.NotContains(t, err.Error(), "secret")
	}
	_, err := bus.Open(bus.Options{URL: "amqps://host", CAFile: "nowhere.pem"})
	require.ErrorContains(t, err, "nowhere.pem")
}
