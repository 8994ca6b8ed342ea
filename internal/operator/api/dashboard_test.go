package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/config"
	"tenantctl/internal/migrate"
	"tenantctl/internal/registry"
	"tenantctl/internal/telemetry/logs"
	"tenantctl/internal/tenant"
	"tenantctl/internal/tui"
	"tenantctl/internal/tui/records"
	"tenantctl/internal/tui/remote"
	"tenantctl/internal/upgrade"
	"tenantctl/test/fleet"
)

// sourceOf reads a fleet's records, as the operator's own source does; of what is declared, t-1 wasn't made yet.
func sourceOf(t *testing.T, f *fleet.Fleet) *records.Source {
	t.Helper()
	dir := t.TempDir()
	file, err := logs.Create(dir, "core", 0)
	require.NoError(t, err)
	slog.New(slog.NewJSONHandler(file, nil)).Info("order placed", "service", "core", "tenant", "t-0", "trace", "4bf9")
	require.NoError(t, file.Close())
	source, err := records.New(records.Options{
		Registry: func(context.Context) (*registry.Registry, error) { return f.Records, nil },
		Declared: func() ([]tenant.Spec, error) { return []tenant.Spec{f.Spec("t-0"), f.Spec("t-1")}, nil },
		Budget:   &config.Budget{Failures: 3, Percent: 5},
		Size:     func(context.Context, string, string) (tui.Size, error) { return tui.Size{Tables: 2, Bytes: 8192}, nil },
		Waiting: func(_ context.Context, instance string) ([]tui.Queue, error) {
			return []tui.Queue{{Instance: instance, Name: "jobs of core", Waiting: 3, Oldest: time.Minute, Tenants: []tui.Waiter{{Tenant: "t-0", Waiting: 3}}}}, errors.New("it went away")
		},
		LogsDir: func() (string, error) { return dir, nil },
		Mask:    func(s string) string { return s },
	})
	require.NoError(t, err)
	t.Cleanup(source.Close)
	return source
}

// happened is a move that failed, something set by hand, a rollout with a tenant that failed, and a service.
func happened(t *testing.T, f *fleet.Fleet) {
	t.Helper()
	ctx := t.Context()
	require.NoError(t, f.Records.UpsertTenant(ctx, f.Spec("t-0"), "test"))
	op, _, err := f.Records.Begin(ctx, "t-0", migrate.Kind, "ann", "ticket", map[string]string{"kept": "long"})
	require.NoError(t, err)
	attempt, err := f.Records.StepStarted(ctx, op.ID, migrate.PhaseCopy)
	require.NoError(t, err)
	require.NoError(t, f.Records.StepEnded(ctx, op.ID, migrate.PhaseCopy, attempt, tenant.ErrConflict))
	require.NoError(t, f.Records.SetOverride(ctx, registry.Override{Tenant: "t-0", Kind: "state", Value: "suspended", Actor: "ann"}))
	require.NoError(t, f.Records.ServiceSeen(ctx, registry.RunningService{ID: "core-1", Service: "core", URL: "http://127.0.0.1:1", Serves: map[string]registry.ServedRange{"core": {From: 4, To: 6}}}))
	_, err = upgrade.OpenStore(ctx, f.Records.Pool())
	require.NoError(t, err)
	_, err = f.Records.Pool().Exec(ctx, `
		with r as (
			insert into tenantctl_upgrade.rollout (whole, targets, waves, actor)
			values (true, '[{"service":"core","version":6}]', '[{"number":1,"ring":"general","size":1,"bake":60000000000}]', 'ann') returning id
		), judged as (
			insert into tenantctl_upgrade.judgement (rollout, wave, gate, verdict, message, figures, at) select id, 1, 'database', 'pass', 'quiet', '[{"name":"waiters","value":0}]', now() from r
		)
		insert into tenantctl_upgrade.member (rollout, tenant, instance, schema, ring, state, services, wave, before, result, attempts, failure, elapsed_ms)
		select id, 't-0', 'shared-1', 'tenant_t_0', 'general', 'active', '{core}', 1, '{"core": 5}', 'failed', 2,
			'{"service":"core","file":"6_x.up.sql","line":3,"code":"23514","message":"refused"}', 2000 from r`)
	require.NoError(t, err)
}

// TestWhatDashboardsAsk gives through the API what the records give, to the last field.
func TestWhatDashboardsAsk(t *testing.T) {
	t.Parallel()
	f := fleet.New(t, fleet.Options{})
	happened(t, f)
	source := sourceOf(t, f)
	url, _ := serveFleet(t, f, source)
	ctx := t.Context()
	fetch := func(path string, into any) []byte {
		status, _ := get(t, url+path, "wrong")
		require.Equal(t, http.StatusUnauthorized, status)
		status, body := get(t, url+path, secret)
		require.Equal(t, http.StatusOK, status, "%s: %s", path, body)
		require.NoError(t, json.Unmarshal(body, into))
		return body
	}
	same := func(path string, into, want any, err error) {
		require.NoError(t, err)
		expected, err := json.Marshal(want)
		require.NoError(t, err)
		require.JSONEq(t, string(expected), string(fetch(path, into)), path)
		again, err := json.Marshal(into)
		require.NoError(t, err)
		require.JSONEq(t, string(expected), string(again), "it is read as it was written")
	}
	all, err := source.Fleet(ctx)
	require.Len(t, all, 2)
	same("/v1/fleet", &remote.Items[tui.Tenant]{}, remote.Items[tui.Tenant]{Items: all}, err)
	same("/v1/fleet?tenant=t-1&tenant=none", &remote.Items[tui.Tenant]{}, remote.Items[tui.Tenant]{Items: all[1:]}, err)
	detail, err := source.Tenant(ctx, "t-0")
	require.Len(t, detail.Steps, 1)
	same("/v1/fleet/t-0", &tui.Detail{}, detail, err)
	rollouts, err := source.Rollouts(ctx, 5)
	require.Len(t, rollouts, 1)
	same("/v1/rollouts?limit=5", &remote.Items[upgrade.Rollout]{}, remote.Items[upgrade.Rollout]{Items: rollouts}, err)
	rollout, err := source.Rollout(ctx, "r1")
	require.Equal(t, "6_x.up.sql", rollout.Tenants[0].Failure.File)
	same("/v1/rollouts/r1", &tui.Rollout{}, rollout, err)
	services, err := source.Services(ctx)
	require.NotEmpty(t, services[0].Why)
	same("/v1/services", &remote.Items[tui.Service]{}, remote.Items[tui.Service]{Items: services}, err)
	queues, trouble := source.Queues(ctx)
	same("/v1/queues", &remote.Items[tui.Queue]{}, remote.Items[tui.Queue]{Items: queues, Trouble: trouble.Error()}, nil)
	newest, err := source.Events(ctx, -1, 2)
	same("/v1/events/recent?limit=2", &remote.Items[tenant.Event]{}, remote.Items[tenant.Event]{Items: newest}, err)
	first, err := source.Events(ctx, 0, 1)
	same("/v1/events/recent?limit=1&after=0", &remote.Items[tenant.Event]{}, remote.Items[tenant.Event]{Items: first}, err)
	require.NotEqual(t, newest[0].ID, first[0].ID)
	var lines tui.Logs
	require.Eventually(t, func() bool { fetch("/v1/logs?tenant=t-0&trace=4b", &lines); return len(lines.Lines) == 1 }, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, "order placed", lines.Lines[0].Text)
	fetch("/v1/logs?tenant=t-0&trace=4b&after=1", &lines)
	for path, want := range map[string]int{
		"/v1/fleet/none": http.StatusNotFound, "/v1/rollouts/r2": http.StatusNotFound, "/v1/rollouts/x": http.StatusUnprocessableEntity,
		"/v1/events/recent?after=-2": http.StatusUnprocessableEntity, "/v1/fleet?tenant=A": http.StatusUnprocessableEntity,
	} {
		status, body := get(t, url+path, secret)
		require.Equal(t, want, status, "%s: %s", path, body)
	}
}
