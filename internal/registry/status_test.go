package registry

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/tenant"
)

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
	statuses, err := r.Statuses(ctx, StatusFilter{})
	require.NoError(t, err)
	require.Len(t, statuses, 10_000)
	require.Equal(t, nth(17), statuses[17].Name)
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
