package registry

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/tenant"
)

func TestTenantFromRegistrationToDeletion(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	add(t, r, "client-x")
	cell, err := r.AssignCell(ctx, "shared-1", "client-x", 500)
	require.NoError(t, err)

	status, err := r.Tenant(ctx, "client-x")
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), status.Created, time.Minute)
	status.Created, status.Updated = time.Time{}, time.Time{}
	require.Equal(t, tenant.Status{
		Name: "client-x", Instance: "shared-1", Schema: "tenant_client_x", Cell: cell, Ring: "general", State: tenant.Active,
		Route: tenant.RoutePlatform, Epoch: 1, Versions: map[string]tenant.Version{}, Services: []string{"auth", "core"}, SearchPath: []string{},
		Limits: tenant.Limits{StatementTimeout: 30 * time.Second, RequestsPerSecond: 200, Jobs: 4, Weight: 1},
	}, status)

	require.NoError(t, r.SetState(ctx, "client-x", tenant.Suspended, actor, "unpaid"))
	require.NoError(t, r.SetVersions(ctx, "client-x", map[string]tenant.Version{"core": {Number: 12}, "auth": {Number: 3, Dirty: true}}, actor))
	require.NoError(t, r.SetVersions(ctx, "client-x", map[string]tenant.Version{"auth": {Number: 4}}, actor))
	require.NoError(t, r.SetVersions(ctx, "client-x", nil, actor))
	require.NoError(t, SetVersionsOfMany(ctx, r.pool, map[tenant.Name]map[string]tenant.Version{"client-x": {"core": {Number: 13}, "auth": {Number: 5, Dirty: true}}}, actor, "r1"))
	require.NoError(t, r.SetLimits(ctx, "client-x", tenant.Limits{Jobs: 9}, actor))
	require.NoError(t, r.SetSearchPath(ctx, "client-x", []string{"tenant_client_x", `odd, "name"`, "ext"}, actor))
	status, err = r.Tenant(ctx, "client-x")
	require.NoError(t, err)
	require.Equal(t, tenant.Suspended, status.State)
	require.Equal(t, map[string]tenant.Version{"core": {Number: 13}, "auth": {Number: 5, Dirty: true}}, status.Versions)
	require.Equal(t, tenant.Limits{Jobs: 9}, status.Limits)
	require.Equal(t, []string{"tenant_client_x", `odd, "name"`, "ext"}, status.SearchPath)

	require.NoError(t, r.DeleteTenant(ctx, "client-x", actor, "left us"))
	_, err = r.Tenant(ctx, "client-x")
	require.ErrorIs(t, err, tenant.ErrNotFound)
	require.NoError(t, r.DeleteTenant(ctx, "client-x", actor, "again"))

	events, err := r.Events(ctx, 0, EventFilter{Tenant: "client-x"})
	require.NoError(t, err)
	require.Equal(t, []string{
		"tenant.registered", "tenant.state_changed", "tenant.versions_changed", "tenant.versions_changed", "tenant.versions_changed", "tenant.limits_changed",
		"tenant.search_path_changed", "tenant.deleted",
	}, types(t, r))
	require.Equal(t, "state suspended: unpaid", events[1].Message)
	require.JSONEq(t, `{"from": "active", "to": "suspended"}`, string(events[1].Data))
	require.Equal(t, "versions auth 3 (half done), core 12", events[2].Message)
	require.Equal(t, "versions auth 5 (half done), core 13: r1", events[4].Message)
	tombstone := events[len(events)-1]
	require.Equal(t, "deleted: left us", tombstone.Message)
	require.Equal(t, actor, tombstone.Actor)
	var kept struct {
		Cell   string
		Tenant struct{ Schema, State string }
	}
	require.NoError(t, json.Unmarshal(tombstone.Data, &kept))
	require.Equal(t, cell, kept.Cell)
	require.Equal(t, "suspended", kept.Tenant.State)
}

func TestUpsertIsLevelBased(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	add(t, r, "client-x")
	require.NoError(t, r.SetState(ctx, "client-x", tenant.Suspended, actor, ""))
	_, err := r.SetRoute(ctx, "client-x", tenant.RouteHold, actor)
	require.NoError(t, err)
	before := types(t, r)
	add(t, r, "client-x")
	require.Equal(t, before, types(t, r), "the same declaration changes nothing")

	changed := spec("client-x")
	changed.Ring = "canary"
	require.NoError(t, r.UpsertTenant(ctx, changed, actor))
	status, err := r.Tenant(ctx, "client-x")
	require.NoError(t, err)
	require.Equal(t, "canary", status.Ring)
	require.Equal(t, tenant.Suspended, status.State, "a declaration doesn't change what is observed")
	require.Equal(t, tenant.RouteHold, status.Route)
	require.Equal(t, append(before, "tenant.changed"), types(t, r))

	for _, move := range []func(*tenant.Spec){
		func(s *tenant.Spec) { s.Instance = "shared-2" },
		func(s *tenant.Spec) { s.Schema = "other" },
	} {
		moved := spec("client-x")
		move(&moved)
		err := r.UpsertTenant(ctx, moved, actor)
		require.ErrorIs(t, err, tenant.ErrConflict)
		require.ErrorContains(t, err, `it lives on instance "shared-1", schema "tenant_client_x"`)
	}
	thief := spec("client-y")
	thief.Schema = "tenant_client_x"
	require.ErrorIs(t, r.UpsertTenant(ctx, thief, actor), tenant.ErrConflict)
}

func TestLegacyTenantStartsOnItsLegacyRoute(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	legacy := spec("client-x")
	legacy.Legacy, legacy.Services, legacy.Upstream = true, nil, "http://client-x-app:8080"
	require.NoError(t, r.UpsertTenant(ctx, legacy, actor))
	status, err := r.Tenant(ctx, "client-x")
	require.NoError(t, err)
	require.Equal(t, tenant.RouteLegacy, status.Route)
	require.Equal(t, "http://client-x-app:8080", status.Upstream)
	require.Empty(t, status.Services)
}

func TestUnknownTenant(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	_, routeErr := r.SetRoute(ctx, "client-x", tenant.RouteHold, actor)
	_, _, readErr := r.Route(ctx, "client-x")
	for _, err := range []error{
		r.SetState(ctx, "client-x", tenant.Active, actor, ""),
		r.SetLimits(ctx, "client-x", tenant.Limits{}, actor),
		r.SetVersions(ctx, "client-x", nil, actor),
		routeErr, readErr,
	} {
		require.ErrorIs(t, err, tenant.ErrNotFound)
		require.ErrorContains(t, err, `tenant "client-x"`)
	}
	err := r.SetVersions(ctx, "client-x", nil, actor, tenant.Event{Type: "tenant.provisioned", Tenant: "client-x"})
	require.ErrorIs(t, err, tenant.ErrNotFound)
	require.Empty(t, types(t, r))
}

// What is told with a change comes right after it.
func TestVersionsAreToldWithTheirEvents(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	require.NoError(t, r.UpsertTenant(ctx, spec("client-x"), actor))
	made := tenant.Event{Type: "tenant.provisioned", Tenant: "client-x", Actor: actor, Message: "made", Data: json.RawMessage(`{"steps": ["schema"]}`)}
	require.NoError(t, r.SetVersions(ctx, "client-x", map[string]tenant.Version{"core": {Number: 12}}, actor, made))
	require.Equal(t, []string{"tenant.registered", "tenant.versions_changed", "tenant.provisioned"}, types(t, r))
	all, err := r.Events(ctx, 0, EventFilter{Types: []string{"tenant.provisioned"}})
	require.NoError(t, err)
	require.JSONEq(t, string(made.Data), string(all[0].Data))
	require.Equal(t, made.Message, all[0].Message)
}

// The schema itself refuses what no version of the program may write.
func TestSchemaRefusesNonsense(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	add(t, r, "client-x")
	bad := spec("client--y")
	require.Error(t, r.UpsertTenant(ctx, bad, actor))
	require.Error(t, r.SetState(ctx, "client-x", "asleep", actor, ""))
	_, err := r.SetRoute(ctx, "client-x", "nowhere", actor)
	require.Error(t, err)
	op, _, err := r.Begin(ctx, "client-x", "migrate", actor, "", nil)
	require.NoError(t, err)
	_, err = r.StepStarted(ctx, op.ID, "copy")
	require.NoError(t, err)
	for _, sql := range []string{
		`update tenantctl.journal set state = 'done'`, `delete from tenantctl.journal`, `truncate tenantctl.journal`,
	} {
		_, err = r.Pool().Exec(ctx, sql)
		require.ErrorContains(t, err, "append-only", sql)
	}
	_, err = r.Pool().Exec(ctx, `delete from tenantctl.operation`)
	require.Error(t, err, "an operation with a journal was deleted")
	_, err = r.Pool().Exec(ctx, `insert into tenantctl.route_epoch values (false)`)
	require.Error(t, err)
}
