package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
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
	require.NoError(t, r.SetLimits(ctx, "client-x", tenant.Limits{Jobs: 9}, actor))
	require.NoError(t, r.SetSearchPath(ctx, "client-x", []string{"tenant_client_x", `odd, "name"`, "ext"}, actor))
	status, err = r.Tenant(ctx, "client-x")
	require.NoError(t, err)
	require.Equal(t, tenant.Suspended, status.State)
	require.Equal(t, map[string]tenant.Version{"core": {Number: 12}, "auth": {Number: 4}}, status.Versions)
	require.Equal(t, tenant.Limits{Jobs: 9}, status.Limits)
	require.Equal(t, []string{"tenant_client_x", `odd, "name"`, "ext"}, status.SearchPath)

	require.NoError(t, r.DeleteTenant(ctx, "client-x", actor, "left us"))
	_, err = r.Tenant(ctx, "client-x")
	require.ErrorIs(t, err, tenant.ErrNotFound)
	require.NoError(t, r.DeleteTenant(ctx, "client-x", actor, "again"))

	events, err := r.Events(ctx, 0, EventFilter{Tenant: "client-x"})
	require.NoError(t, err)
	require.Equal(t, []string{
		"tenant.registered", "tenant.state_changed", "tenant.versions_changed", "tenant.versions_changed", "tenant.limits_changed",
		"tenant.search_path_changed", "tenant.deleted",
	}, types(t, r))
	require.Equal(t, "state suspended: unpaid", events[1].Message)
	require.JSONEq(t, `{"from": "active", "to": "suspended"}`, string(events[1].Data))
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
	require.Empty(t, types(t, r))
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

func TestStatusesFilter(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	add(t, r, "b", "a", "a-1", "a0")
	other := spec("c")
	other.Instance, other.Ring = "shared-2", "canary"
	require.NoError(t, r.UpsertTenant(ctx, other, actor))
	require.NoError(t, r.SetState(ctx, "b", tenant.Archived, actor, ""))
	for _, test := range []struct {
		filter StatusFilter
		want   []tenant.Name
	}{
		{StatusFilter{}, []tenant.Name{"a", "a-1", "a0", "b", "c"}},
		{StatusFilter{Names: []tenant.Name{"c", "a", "none"}}, []tenant.Name{"a", "c"}},
		{StatusFilter{Instance: "shared-2"}, []tenant.Name{"c"}},
		{StatusFilter{Ring: "canary"}, []tenant.Name{"c"}},
		{StatusFilter{State: tenant.Archived}, []tenant.Name{"b"}},
		{StatusFilter{State: tenant.Archived, Ring: "canary"}, nil},
	} {
		statuses, err := r.Statuses(ctx, test.filter)
		require.NoError(t, err)
		var names []tenant.Name
		for _, status := range statuses {
			names = append(names, status.Name)
		}
		require.Equal(t, test.want, names, "%+v", test.filter)
	}
}

func TestStatusShowsTheNewestUnfinishedOperation(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	add(t, r, "client-x", "client-y")
	done, _, err := r.Begin(ctx, "client-x", "provision", actor, "", nil)
	require.NoError(t, err)
	migrate, _, err := r.Begin(ctx, "client-x", "migrate", actor, "contract 7", map[string]int{"tables": 3})
	require.NoError(t, err)
	_, err = r.StepStarted(ctx, migrate.ID, "copy")
	require.NoError(t, err)
	require.NoError(t, r.SaveProgress(ctx, migrate.ID, map[string]int{"rows": 5}))
	last, _, err := r.Begin(ctx, "client-x", "archive", actor, "", nil)
	require.NoError(t, err)
	require.NoError(t, r.Finish(ctx, last.ID, tenant.OperationDone, nil))
	require.NoError(t, r.Finish(ctx, done.ID, tenant.OperationDone, nil))
	require.NoError(t, r.SetOverride(ctx, Override{Tenant: "client-x", Kind: "state", Value: "suspended", Actor: actor}))
	require.NoError(t, r.SetOverride(ctx, Override{Tenant: "client-x", Kind: "pause", Value: "on", Actor: actor}))

	lease, err := r.Acquire(ctx, LeaseName("client-x"), "ann@here pid 7")
	require.NoError(t, err)
	status, err := r.Tenant(ctx, "client-x")
	require.NoError(t, err)
	require.Equal(t, "pause=on, state=suspended", status.Override)
	op := status.Operation
	require.NotNil(t, op)
	require.Equal(t, "ann@here pid 7", op.Runner)
	require.Equal(t, "copy", op.Phase)
	require.JSONEq(t, `{"tables": 3}`, string(op.Detail))
	require.JSONEq(t, `{"rows": 5}`, string(op.Progress))
	stored, err := r.Operation(ctx, migrate.ID)
	require.NoError(t, err)
	require.Equal(t, stored, *op)

	require.NoError(t, lease.Release(ctx))
	status, err = r.Tenant(ctx, "client-x")
	require.NoError(t, err)
	require.Empty(t, status.Operation.Runner, "nobody runs it any more")
	status, err = r.Tenant(ctx, "client-y")
	require.NoError(t, err)
	require.Nil(t, status.Operation)
}

func TestCellsUnderConcurrency(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	const tenants, capacity = 60, 7
	cells := make([]string, tenants)
	var group sync.WaitGroup
	for i := range tenants {
		group.Go(func() {
			for range 2 { // asked twice, the answer is the same
				cell, err := r.AssignCell(ctx, "shared-1", nth(i), capacity)
				require.NoError(t, err)
				require.Contains(t, []string{"", cells[i]}[min(len(cells[i]), 1):], cells[i])
				if cells[i] != "" {
					require.Equal(t, cells[i], cell)
				}
				cells[i] = cell
			}
		})
	}
	group.Wait()
	taken := map[string]int{}
	for _, cell := range cells {
		taken[cell]++
	}
	require.Len(t, taken, (tenants+capacity-1)/capacity)
	for cell, count := range taken {
		require.LessOrEqual(t, count, capacity, cell)
	}
}

func TestCellsFillTheEmptiestGap(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	assign := func(name tenant.Name) string {
		cell, err := r.AssignCell(ctx, "shared-1", name, 3)
		require.NoError(t, err)
		return cell
	}
	for i := range 9 {
		require.Equal(t, fmt.Sprintf("c%d", i/3+1), assign(nth(i)))
	}
	for _, gone := range []int{0, 3, 4} { // one free in c1, two in c2
		require.NoError(t, r.DeleteTenant(ctx, nth(gone), actor, ""))
	}
	require.Equal(t, "c2", assign("new-1"))
	require.Equal(t, "c1", assign("new-2"))
	require.Equal(t, "c2", assign("new-3"))
	require.Equal(t, "c4", assign("new-4"))

	other, err := r.AssignCell(ctx, "shared-2", "elsewhere", 3)
	require.NoError(t, err)
	require.Equal(t, "c1", other)
	_, err = r.AssignCell(ctx, "shared-2", "new-1", 3)
	require.ErrorIs(t, err, tenant.ErrConflict)
	_, err = r.AssignCell(ctx, "shared-2", "new-9", 0)
	require.ErrorIs(t, err, tenant.ErrInvalid)
}

func nth(i int) tenant.Name { return tenant.Name(fmt.Sprintf("client-%05d", i)) }

func TestOverrides(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	first := Override{Tenant: "client-x", Kind: "state", Value: "suspended", Actor: actor, Reason: "unpaid"}
	require.NoError(t, r.SetOverride(ctx, first))
	first.Value = "active"
	require.NoError(t, r.SetOverride(ctx, first))
	require.NoError(t, r.SetOverride(ctx, Override{Tenant: "client-y", Kind: "pause", Value: "on", Actor: actor}))
	all, err := r.Overrides(ctx, "")
	require.NoError(t, err)
	require.Len(t, all, 2)
	mine, err := r.Overrides(ctx, "client-x")
	require.NoError(t, err)
	require.Len(t, mine, 1)
	require.WithinDuration(t, time.Now(), mine[0].At, time.Minute)
	mine[0].At = time.Time{}
	require.Equal(t, first, mine[0])

	require.NoError(t, r.ClearOverride(ctx, "client-x", "state", actor))
	require.ErrorIs(t, r.ClearOverride(ctx, "client-x", "state", actor), tenant.ErrNotFound)
	events, err := r.Events(ctx, 0, EventFilter{Tenant: "client-x"})
	require.NoError(t, err)
	require.Len(t, events, 3)
	require.Equal(t, "state=suspended: unpaid", events[0].Message)
	require.Equal(t, "state=active lifted", events[2].Message)
}

// BenchmarkStatuses is what `status` and each frame of the dashboard read: 10,000 tenants, some hundred of them at work.
func BenchmarkStatuses(b *testing.B) {
	ctx, r := setup(b)
	fill(b, r, 10_000)
	for b.Loop() {
		statuses, err := r.Statuses(ctx, StatusFilter{})
		require.NoError(b, err)
		require.Len(b, statuses, 10_000)
	}
}

func TestStatusesOfTenThousandTenants(t *testing.T) {
	ctx, r := setup(t)
	fill(t, r, 10_000)
	best := time.Hour
	for range 5 {
		began := time.Now()
		statuses, err := r.Statuses(ctx, StatusFilter{})
		best = min(best, time.Since(began))
		require.NoError(t, err)
		require.Len(t, statuses, 10_000)
		require.Equal(t, nth(17), statuses[17].Name)
	}
	t.Logf("10,000 tenants in %s", best)
	require.Less(t, best, 300*time.Millisecond, "what `status` may take in all")
}

// fill writes a fleet in a few statements.
func fill(t testing.TB, r *Registry, count int) {
	t.Helper()
	_, err := r.Pool().Exec(context.Background(), fmt.Sprintf(`
		insert into tenantctl.tenant (name, instance, schema, ring, services, limits, versions)
		select format('client-%%s', lpad(i::text, 5, '0')), 'shared-1', 'tenant_' || i, 'general', '{auth,users,core,notifications,messaging}',
			'{"jobs": 4, "weight": 1, "statementTimeout": 30000000000, "requestsPerSecond": 200}',
			'{"auth": {"number": 3}, "core": {"number": 12}, "users": {"number": 4}, "messaging": {"number": 2}, "notifications": {"number": 5}}'
		from generate_series(0, %[1]d - 1) i;
		insert into tenantctl.route (tenant, target, epoch, actor) select name, 'platform', row_number() over (), 'ann' from tenantctl.tenant;
		insert into tenantctl.cell (instance, number) select 'shared-1', generate_series(1, %[1]d / 500 + 1);
		insert into tenantctl.seat (tenant, instance, cell) select name, 'shared-1', row_number() over () / 500 + 1 from tenantctl.tenant;
		insert into tenantctl.lease (name, token, holder, backend_pid) select 'tenant:' || name, 1, 'ann', 1 from tenantctl.tenant;
		insert into tenantctl.operation (tenant, kind, actor, state, progress)
		select name, kind, 'ann', case when kind = 'migrate' and right(name, 2) = '07' then 'running' else 'done' end, '{"rows": 5}'
		from tenantctl.tenant, unnest(array['provision', 'migrate']) kind;
		analyze`, count))
	require.NoError(t, err)
}
