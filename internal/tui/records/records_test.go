package records_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/config"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/migrate"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
	"tenantctl/internal/tui"
	"tenantctl/internal/tui/records"
	"tenantctl/internal/upgrade"
)

func TestMain(m *testing.M) { localtest.Main(m) }

func spec(name tenant.Name) tenant.Spec {
	return tenant.Spec{
		Name: name, Instance: "shared-1", Schema: "tenant_" + name.Ident(), Ring: "general", State: tenant.Active, Services: []string{"core"}, Legacy: true,
		Limits: tenant.Limits{StatementTimeout: 30 * time.Second, RequestsPerSecond: 200, Jobs: 4, Weight: 1},
	}
}

type bundle struct {
	registry *registry.Registry
	source   *records.Source
}

// setup is a source over a control database of the test's own; client-a is declared and recorded, client-b only declared.
func setup(t testing.TB, more ...tenant.Spec) *bundle {
	t.Helper()
	r, err := registry.Open(t.Context(), localtest.Database(t))
	require.NoError(t, err)
	t.Cleanup(r.Close)
	s, err := records.New(records.Options{
		Registry: func(context.Context) (*registry.Registry, error) { return r, nil },
		Declared: func() ([]tenant.Spec, error) { return append(more, spec("client-b"), spec("client-a")), nil },
		Budget:   &config.Budget{Failures: 3, Percent: 5},
		Mask:     func(s string) string { return strings.ReplaceAll(s, "secret", "***") },
		Size: func(_ context.Context, instance, schema string) (tui.Size, error) {
			if schema == "tenant_client_c" {
				return tui.Size{}, errors.New("instance is away, with its secret")
			}
			return tui.Size{Tables: len(instance), Bytes: int64(len(schema))}, nil
		},
	})
	require.NoError(t, err)
	require.NoError(t, r.UpsertTenant(t.Context(), spec("client-a"), "ann"))
	return &bundle{r, s}
}

func TestFleetJoinsWhatIsDeclaredAndRecorded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NoError(t, b.registry.UpsertTenant(t.Context(), spec("client-c"), "ann"))
	fleet, err := b.source.Fleet(t.Context())
	require.NoError(t, err)
	require.Len(t, fleet, 3)
	require.Equal(t, tenant.Name("client-a"), fleet[0].Name)
	require.True(t, fleet[0].Declared && fleet[0].Legacy)
	require.Equal(t, tui.Absent, fleet[1].State)
	require.False(t, fleet[2].Declared)
	some, err := b.source.Fleet(t.Context(), "client-b", "client-c", "nobody")
	require.NoError(t, err)
	require.Equal(t, fleet[1:], some, "by name, the same lines")
}

func TestEverythingOfATenant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	op, _, err := b.registry.Begin(ctx, "client-a", migrate.Kind, "ann", "ticket", map[string]string{"kept": "long"})
	require.NoError(t, err)
	attempt, err := b.registry.StepStarted(ctx, op.ID, migrate.PhaseCopy)
	require.NoError(t, err)
	cause := errors.New("password secret refused")
	require.NoError(t, b.registry.StepEnded(ctx, op.ID, migrate.PhaseCopy, attempt, cause))
	require.NoError(t, b.registry.Finish(ctx, op.ID, tenant.OperationFailed, cause))
	require.NoError(t, b.registry.SetOverride(ctx, registry.Override{Tenant: "client-a", Kind: "state", Value: "suspended", Actor: "ann"}))
	d, err := b.source.Tenant(ctx, "client-a")
	require.NoError(t, err)
	require.Equal(t, op.ID, d.Last.ID)
	require.Equal(t, "password *** refused", d.Last.Error)
	require.Equal(t, "password *** refused", d.Steps[0].Error)
	require.Equal(t, "suspended", d.Overrides[0].Value)
	require.Empty(t, d.Differs)
	require.Equal(t, &tui.Size{Tables: 8, Bytes: 15}, d.Size)
	require.Nil(t, d.Proof)
	encoded, err := json.Marshal(d)
	require.NoError(t, err)
	require.NotContains(t, string(encoded), "secret")
	absent, err := b.source.Tenant(ctx, "client-b")
	require.NoError(t, err)
	require.Nil(t, absent.Last)
	require.Nil(t, absent.Size)
	_, err = b.source.Tenant(ctx, "nobody")
	require.ErrorIs(t, err, tenant.ErrNotFound)
	require.NoError(t, b.registry.UpsertTenant(ctx, spec("client-c"), "ann"))
	away, err := b.source.Tenant(ctx, "client-c")
	require.NoError(t, err, "what an instance doesn't say is left out")
	require.Equal(t, "instance is away, with its ***", away.SizeWhy)
	other := spec("client-b")
	other.Ring, other.Limits.Jobs, other.Services = "canary", 9, nil
	require.NoError(t, b.registry.UpsertTenant(ctx, other, "ann"))
	differs, err := b.source.Tenant(ctx, "client-b")
	require.NoError(t, err)
	require.Equal(t, []tui.Difference{
		{What: "ring", Declared: "general", Recorded: "canary"},
		{What: "services", Declared: "core"},
		{What: "limits", Declared: "statements 30s, 200 requests/s, 4 jobs at once, weight 1", Recorded: "statements 30s, 200 requests/s, 9 jobs at once, weight 1"},
	}, differs.Differs)
}

func TestEventsGoOnWhereTheyStopped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	newest, err := b.source.Events(t.Context(), -1, 500)
	require.NoError(t, err)
	require.NotEmpty(t, newest)
	last := newest[len(newest)-1].ID
	none, err := b.source.Events(t.Context(), last, 500)
	require.NoError(t, err)
	require.Empty(t, none)
	require.NoError(t, b.registry.Publish(t.Context(), tenant.Event{Type: "x", Message: "the secret is out"}))
	one, err := b.source.Events(t.Context(), last, 500)
	require.NoError(t, err)
	require.Equal(t, "the *** is out", one[0].Message)
}

func TestRollouts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	all, err := b.source.Rollouts(ctx, 10)
	require.NoError(t, err, "that there was none yet is no failure")
	require.Empty(t, all)
	_, err = b.source.Rollout(ctx, "r1")
	require.ErrorIs(t, err, tenant.ErrNotFound)
	_, err = upgrade.OpenStore(ctx, b.registry.Pool())
	require.NoError(t, err)
	_, err = b.registry.Pool().Exec(ctx, `insert into tenantctl_upgrade.rollout (whole, targets, waves, actor) values (true, '[{"service":"core","version":6}]', '[{"number":1,"ring":"general","size":1}]', 'ann')`)
	require.NoError(t, err)
	r, err := b.source.Rollout(ctx, "r1")
	require.NoError(t, err)
	require.Equal(t, upgrade.Running, r.Rollout.State)
	require.Equal(t, 3, r.Budget.Failures)
	_, err = b.source.Rollout(ctx, "r2")
	require.ErrorIs(t, err, tenant.ErrNotFound)
}

func TestNothingIsSetUpYet(t *testing.T) {
	t.Parallel()
	s, err := records.New(records.Options{
		Registry: func(context.Context) (*registry.Registry, error) {
			return nil, fmt.Errorf("no: %w", registry.ErrNotSetUp)
		},
		Declared: func() ([]tenant.Spec, error) { return []tenant.Spec{spec("client-a")}, nil },
		Mask:     func(s string) string { return s },
	})
	require.NoError(t, err)
	fleet, err := s.Fleet(t.Context())
	require.NoError(t, err)
	require.Equal(t, tui.Absent, fleet[0].State)
	d, err := s.Tenant(t.Context(), "client-a")
	require.NoError(t, err)
	require.Nil(t, d.Last)
	events, err := s.Events(t.Context(), -1, 10)
	require.NoError(t, err)
	require.Empty(t, events)
	services, err := s.Services(t.Context())
	require.NoError(t, err)
	require.Empty(t, services)
	rollouts, err := s.Rollouts(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, rollouts)
}

// TestTrafficIsWhatCountersGrewBy asks a service twice, and one that doesn't answer.
func TestTrafficIsWhatCountersGrewBy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		n := 100 * asked
		_, _ = fmt.Fprintf(w, `# TYPE http_requests_total counter
http_requests_total{code="200",route="/a"} %d
http_requests_total{code="503",route="/a"} %d
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{route="/a",le="0.01"} %d
http_request_duration_seconds_bucket{route="/a",le="0.5"} %d
http_request_duration_seconds_bucket{route="/a",le="+Inf"} %d
http_request_duration_seconds_sum{route="/a"} 1
http_request_duration_seconds_count{route="/a"} %d
`, 3*n, n, 2*n, 4*n, 4*n, 4*n)
	}))
	defer server.Close()
	declined := 0
	declining := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { declined++; http.NotFound(w, r) }))
	defer declining.Close()
	for _, s := range []registry.RunningService{{ID: "core-1", Service: "core", URL: server.URL}, {ID: "users-1", Service: "users", URL: declining.URL}} {
		require.NoError(t, b.registry.ServiceSeen(t.Context(), s))
	}
	first, err := b.source.Services(t.Context())
	require.NoError(t, err)
	require.Nil(t, first[0].Traffic, "one look tells nothing")
	require.NotEmpty(t, first[1].Why)
	require.Equal(t, 1, declined)
	require.Eventually(t, func() bool {
		again, err := b.source.Services(t.Context())
		require.NoError(t, err)
		if again[0].Traffic == nil {
			return false
		}
		got := again[0].Traffic
		require.InDelta(t, 0.25, got.Errors, 0.001)
		require.Equal(t, 490*time.Millisecond, got.P99.Truncate(time.Millisecond), "all of them fell between 0.01 s and 0.5 s")
		require.InDelta(t, 400/got.Span.Seconds(), got.Rate, 0.1)
		require.Contains(t, again[1].Why, "404 Not Found")
		return true
	}, 10*time.Second, 200*time.Millisecond)
	require.Equal(t, 1, declined, "who declines isn't asked over and over: each time is a line in its log")
}

// BenchmarkFirstFrame is from nothing to a frame of 10,000 recorded tenants: to connect, to read, to draw.
func BenchmarkFirstFrame(b *testing.B) {
	dsn := localtest.Database(b)
	r, err := registry.Open(b.Context(), dsn)
	require.NoError(b, err)
	_, err = r.Pool().Exec(b.Context(), `
		insert into tenantctl.tenant (name, instance, schema, ring, services, versions, limits, legacy)
		select 'client-' || to_char(i, 'FM00000'), 'shared-1', 'tenant_' || i, 'general', '{auth,core}', jsonb_build_object('core', jsonb_build_object('number', 4 + i % 3)),
			'{"statementTimeout":30000000000,"requestsPerSecond":200,"jobs":4,"weight":1}', true
		from generate_series(1, 10000) as i`)
	require.NoError(b, err)
	_, err = r.Pool().Exec(b.Context(), `insert into tenantctl.route (tenant, target, epoch, actor) select name, 'platform', row_number() over (), 'test' from tenantctl.tenant`)
	require.NoError(b, err)
	r.Close()
	for b.Loop() {
		var opened *registry.Registry
		source, err := records.New(records.Options{
			Registry: func(ctx context.Context) (*registry.Registry, error) {
				if opened == nil {
					opened, err = registry.OpenExisting(ctx, dsn)
				}
				return opened, err
			},
			Declared: func() ([]tenant.Spec, error) { return nil, nil },
			Mask:     func(s string) string { return s },
		})
		require.NoError(b, err)
		model := tui.New(tui.Options{Source: source, Theme: tui.Mono(), Within: func(d time.Duration) (context.Context, context.CancelFunc) {
			return context.WithTimeout(b.Context(), d)
		}})
		model.Update(tea.WindowSizeMsg{Width: 200, Height: 60})
		model.Update(model.Init()())
		require.Contains(b, model.View(), "10,000 tenants")
		opened.Close()
	}
}
