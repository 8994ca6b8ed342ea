package registry

import (
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// seen is a gateway's heartbeat; it returns how many are alive.
func seen(t testing.TB, r *Registry, id string, epoch int64, draining ...int64) int {
	t.Helper()
	alive, err := r.GatewaySeen(t.Context(), id, epoch, draining...)
	require.NoError(t, err)
	return alive
}

func TestGatewaysAlive(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	require.Equal(t, 1, seen(t, r, "gw-1", 0))
	require.Equal(t, 2, seen(t, r, "gw-2", 0))
	require.Equal(t, 2, seen(t, r, "gw-1", 1), "a second heartbeat is no second gateway")
	_, err := r.Pool().Exec(ctx, `update tenantctl.gateway set heartbeat = now() - interval '11 s' where id = 'gw-1'`)
	require.NoError(t, err)
	require.Equal(t, 1, seen(t, r, "gw-2", 1), "a dead gateway is counted")
	require.Equal(t, 2, seen(t, r, "gw-1", 1), "it is back")

	require.NoError(t, r.GatewayGone(ctx, "gw-1"))
	require.Equal(t, 1, seen(t, r, "gw-2", 1))
	missing, err := r.WaitAcknowledged(ctx, 2, 0)
	require.NoError(t, err)
	require.Equal(t, []string{"gw-2"}, missing)
	require.NoError(t, r.GatewayGone(ctx, "gw-2"))
	require.NoError(t, r.GatewayGone(ctx, "gw-2"), "gone twice")
	missing, err = r.WaitAcknowledged(ctx, 2, 0)
	require.NoError(t, err)
	require.Empty(t, missing, "a gateway that has ended is waited for")
}

// The hold of one tenant is acknowledged while another one's still drains.
func TestDrainingEpochsAreNotAcknowledged(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	seen(t, r, "gw-1", 9, 5, 7)
	for epoch, acknowledged := range map[int64]bool{4: true, 5: false, 6: true, 7: false, 8: true, 9: true, 10: false} {
		missing, err := r.WaitAcknowledged(ctx, epoch, 0)
		require.NoError(t, err)
		require.Equal(t, acknowledged, len(missing) == 0, "epoch %d", epoch)
	}
	done := make(chan error, 1)
	time.AfterFunc(20*time.Millisecond, func() {
		_, err := r.GatewaySeen(ctx, "gw-1", 9, 7)
		done <- err
	})
	missing, err := r.WaitAcknowledged(ctx, 5, time.Minute)
	require.NoError(t, err)
	require.Empty(t, missing)
	require.NoError(t, <-done)
}

func TestHeldFrom(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	add(t, r, "client-x")
	for _, step := range []struct{ to, held tenant.Route }{
		{tenant.RoutePlatform, ""},
		{tenant.RouteHold, tenant.RoutePlatform},
		{tenant.RouteHold, tenant.RoutePlatform},
		{tenant.RouteLegacy, ""},
		{tenant.RouteHold, tenant.RouteLegacy},
		{tenant.RoutePlatform, ""},
	} {
		epoch, err := r.SetRoute(ctx, "client-x", step.to, actor)
		require.NoError(t, err)
		status, err := r.Tenant(ctx, "client-x")
		require.NoError(t, err)
		require.Equal(t, step.to, status.Route)
		require.Equal(t, step.held, status.HeldFrom)
		newest, err := r.RouteEpoch(ctx)
		require.NoError(t, err)
		require.Equal(t, epoch, newest)
	}
}

// A tenant that was held when the records were brought up to date knows from its events where it was held from.
func TestHeldFromOfOlderRecords(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	first, err := fs.ReadFile(migrations, "sql/migrations/001_registry.sql")
	require.NoError(t, err)
	conn := connect(t, dsn)
	require.NoError(t, postgres.MigrateSchema(t.Context(), conn, schema, fstest.MapFS{"001_registry.sql": {Data: first}}))
	_, err = conn.Exec(t.Context(), `
		insert into tenantctl.tenant (name, instance, schema, ring, state, services, limits, upstream, legacy)
		select name, 'shared-1', name, 'general', 'active', '{}', '{}', '', false from unnest('{a,b,c}'::text[]) as name;
		insert into tenantctl.route (tenant, target, epoch, actor) values ('a', 'hold', 2, 'ann'), ('b', 'hold', 3, 'ann'), ('c', 'platform', 4, 'ann');
		insert into tenantctl.event (type, tenant, message, data) values
			('tenant.routed', 'a', '', '{"from": "legacy", "to": "platform", "epoch": 1}'),
			('tenant.routed', 'a', '', '{"from": "platform", "to": "hold", "epoch": 2}')`)
	require.NoError(t, err)
	statuses, err := openAt(t, dsn).Statuses(t.Context(), StatusFilter{})
	require.NoError(t, err)
	require.Len(t, statuses, 3)
	require.Equal(t, tenant.RoutePlatform, statuses[0].HeldFrom)
	require.Equal(t, tenant.RouteLegacy, statuses[1].HeldFrom, "no event tells")
	require.Empty(t, statuses[2].HeldFrom)
}
