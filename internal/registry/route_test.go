package registry

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/tenant"
)

func TestRoutesHaveRisingEpochs(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	add(t, r, "client-x", "client-y")
	_, start, err := r.Route(ctx, "client-x")
	require.NoError(t, err)
	hold, err := r.SetRoute(ctx, "client-x", tenant.RouteHold, actor)
	require.NoError(t, err)
	require.Greater(t, hold, start)
	again, err := r.SetRoute(ctx, "client-x", tenant.RouteHold, actor)
	require.NoError(t, err)
	require.Equal(t, hold, again, "set twice, it is the same decision")
	other, err := r.SetRoute(ctx, "client-y", tenant.RouteHold, actor)
	require.NoError(t, err)
	require.Greater(t, other, hold)
	target, epoch, err := r.Route(ctx, "client-x")
	require.NoError(t, err)
	require.Equal(t, tenant.RouteHold, target)
	require.Equal(t, hold, epoch)
	events, err := r.Events(ctx, 0, EventFilter{Types: []string{"tenant.routed"}})
	require.NoError(t, err)
	require.Len(t, events, 2)
	require.Equal(t, "route platform -> hold", events[0].Message)
}

// A reader who sees an epoch sees every lower one: else a gateway would acknowledge what it hasn't heard of.
func TestEpochsBecomeVisibleInOrder(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	const tenants, turns = 6, 20
	for i := range tenants {
		add(t, r, nth(i))
	}
	var writers sync.WaitGroup
	for i := range tenants {
		writers.Go(func() {
			for turn := range turns {
				target := tenant.RouteHold
				if turn%2 == 1 {
					target = tenant.RoutePlatform
				}
				_, err := r.SetRoute(ctx, nth(i), target, actor)
				require.NoError(t, err)
			}
		})
	}
	stop := make(chan struct{})
	go func() { writers.Wait(); close(stop) }()
	for running := true; running; {
		select {
		case <-stop:
			running = false
		default:
		}
		// Every change made so far has an event; at one moment there must be as many as the highest epoch says.
		var highest, told int64
		require.NoError(t, r.Pool().QueryRow(ctx, `
			select (select max(epoch) from tenantctl.route), (select count(*) from tenantctl.event)`).Scan(&highest, &told))
		require.Equal(t, highest, told)
	}
}

func TestWaitAcknowledged(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	missing, err := r.WaitAcknowledged(ctx, 7, 0)
	require.NoError(t, err)
	require.Empty(t, missing, "no gateway is there to wait for")

	seen(t, r, "gw-2", 6)
	seen(t, r, "gw-1", 7)
	missing, err = r.WaitAcknowledged(ctx, 7, 30*time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, []string{"gw-2"}, missing)

	done := make(chan error, 1)
	go func() {
		_, err := r.GatewaySeen(ctx, "gw-2", 8)
		done <- err
	}()
	missing, err = r.WaitAcknowledged(ctx, 7, time.Minute)
	require.NoError(t, err)
	require.Empty(t, missing)
	require.NoError(t, <-done)

	seen(t, r, "gw-1", 0)
	_, err = r.Pool().Exec(ctx, `update tenantctl.gateway set heartbeat = now() - interval '11 s' where id = 'gw-1'`)
	require.NoError(t, err)
	missing, err = r.WaitAcknowledged(ctx, 7, time.Minute)
	require.NoError(t, err)
	require.Empty(t, missing, "a dead gateway is waited for")

	seen(t, r, "gw-1", 0)
	canceled, cancel := context.WithCancel(ctx)
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err = r.WaitAcknowledged(canceled, 7, time.Minute)
	require.ErrorIs(t, err, context.Canceled)
}
