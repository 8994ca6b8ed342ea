package scope_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

const soon = 10 * time.Second

// records opens a control database with tenants that are nowhere else.
func records(t *testing.T, dsn string, names ...tenant.Name) *registry.Registry {
	t.Helper()
	r, err := registry.Open(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(r.Close)
	for _, name := range names {
		require.NoError(t, r.UpsertTenant(t.Context(), tenant.Spec{Name: name, Instance: "i", Schema: "tenant_" + name.Ident(), Services: []string{"core"}}, "test"))
	}
	return r
}

// follow keeps a directory fresh until t ends, and tells of what it heard.
func follow(t *testing.T, r *registry.Registry) (*scope.Directory, func() []string) {
	t.Helper()
	d, err := scope.OpenDirectory(t.Context(), r, map[string]string{"i": "p_"}, nil)
	require.NoError(t, err)
	var mu sync.Mutex
	var heard []string
	d.Subscribe(func(changed scope.Tenant) {
		known, err := d.Tenant(changed.Name)
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, fmt.Sprintf("%s %s %s known=%v", changed.Name, changed.State, changed.Route, err == nil && known.Epoch >= changed.Epoch))
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); d.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return d, func() []string { mu.Lock(); defer mu.Unlock(); return append([]string{}, heard...) }
}

func TestTheDirectoryFollowsTheRecords(t *testing.T) {
	t.Parallel()
	r := records(t, localtest.Database(t), "a", "b")
	d, heard := follow(t, r)
	require.Len(t, d.All(), 2)
	a, err := d.Tenant("a")
	require.NoError(t, err)
	require.Equal(t, "p_t_a__core", must(a.Role("core")))
	_, err = d.Tenant("c")
	require.ErrorIs(t, err, tenant.ErrNotFound)

	for _, route := range []tenant.Route{tenant.RouteHold, tenant.RouteLegacy, tenant.RouteHold, tenant.RoutePlatform} {
		epoch, err := r.SetRoute(t.Context(), "a", route, "test")
		require.NoError(t, err)
		require.Eventually(t, func() bool { return d.Epoch() >= epoch }, soon, time.Millisecond)
		a, err = d.Tenant("a")
		require.NoError(t, err)
		require.Equal(t, route, a.Route)
		require.Equal(t, epoch, a.Epoch)
	}
	require.NoError(t, r.UpsertTenant(t.Context(), tenant.Spec{Name: "c", Instance: "i", Schema: "tenant_c"}, "test"))
	require.NoError(t, r.SetState(t.Context(), "b", tenant.Suspended, "test", ""))
	require.NoError(t, r.SetVersions(t.Context(), "b", map[string]tenant.Version{"core": {Number: 5}}, "test"))
	require.NoError(t, r.SetLimits(t.Context(), "b", tenant.Limits{StatementTimeout: time.Second}, "test"))
	require.Eventually(t, func() bool { b, _ := d.Tenant("b"); return b.Limits.StatementTimeout == time.Second }, soon, time.Millisecond)
	b, err := d.Tenant("b")
	require.NoError(t, err)
	require.Equal(t, tenant.Suspended, b.State)
	require.Equal(t, uint64(5), b.Versions["core"])
	require.NoError(t, r.DeleteTenant(t.Context(), "b", "test", ""))
	require.Eventually(t, func() bool { _, err := d.Tenant("b"); return err != nil }, soon, time.Millisecond)
	require.Len(t, d.All(), 2)
	require.Eventually(t, func() bool { list := heard(); return list[len(list)-1] == "b deleted platform known=false" }, soon, time.Millisecond)
	require.Equal(t, []string{
		"a active hold known=true", "a active legacy known=true", "a active hold known=true", "a active platform known=true",
	}, heard()[:4])
}

// TestTheDirectoryKeepsWhatItKnew takes the control database away, and gives it back with news.
func TestTheDirectoryKeepsWhatItKnew(t *testing.T) {
	t.Parallel()
	server := localtest.NewServer(t, map[string]string{"fsync": "on", "synchronous_commit": "on"}, localtest.ServerOptions{})
	r := records(t, localtest.DatabaseAs(t, localtest.DatabaseOptions{Server: server}), "a")
	d, _ := follow(t, r)
	require.NoError(t, server.Kill(t.Context()))
	require.Never(t, func() bool { _, err := d.Tenant("a"); return err != nil }, 700*time.Millisecond, 10*time.Millisecond)
	require.NoError(t, server.Start(t.Context()))
	var epoch int64
	require.Eventually(t, func() bool {
		var err error
		epoch, err = r.SetRoute(t.Context(), "a", tenant.RouteHold, "test")
		return err == nil
	}, soon, 10*time.Millisecond)
	require.Eventually(t, func() bool { return d.Epoch() >= epoch }, soon, time.Millisecond)
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
