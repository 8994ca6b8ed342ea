package scope_test

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

// halting is the records, of whose events a test lets one after the other pass.
type halting struct {
	*registry.Registry
	pass chan struct{}
}

func (h halting) Follow(ctx context.Context, after int64, filter registry.EventFilter) iter.Seq2[tenant.Event, error] {
	return func(yield func(tenant.Event, error) bool) {
		for event, err := range h.Registry.Follow(ctx, after, filter) {
			select {
			case <-h.pass:
			case <-ctx.Done():
				return
			}
			if !yield(event, err) {
				return
			}
		}
	}
}

// A directory that is behind doesn't claim what it hasn't: the tenant of the first event is newer already than another's change.
func TestDirectoryClaimsNoEpochItLacks(t *testing.T) {
	t.Parallel()
	records, err := registry.Open(t.Context(), localtest.Database(t))
	require.NoError(t, err)
	t.Cleanup(records.Close)
	for _, name := range []tenant.Name{"a", "b"} {
		require.NoError(t, records.UpsertTenant(t.Context(), tenant.Spec{Name: name, Instance: "i", Schema: string(name), Ring: "general", Legacy: true}, "ann"))
	}
	require.NoError(t, records.DeleteTenant(t.Context(), "b", "ann", ""))
	require.NoError(t, records.UpsertTenant(t.Context(), tenant.Spec{Name: "b", Instance: "i", Schema: "b", Ring: "general", Legacy: true}, "ann"))
	source := halting{records, make(chan struct{})}
	d, err := scope.OpenDirectory(t.Context(), source, nil, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.EqualValues(t, 3, d.Epoch())

	ctx, stop := context.WithCancel(t.Context())
	told, done := make(chan scope.Tenant), make(chan struct{})
	d.Subscribe(func(changed scope.Tenant) { told <- changed })
	go func() { defer close(done); d.Run(ctx) }()
	var epochs []int64
	for _, change := range []struct {
		name tenant.Name
		to   tenant.Route
	}{{"a", tenant.RouteHold}, {"b", tenant.RouteHold}, {"a", tenant.RoutePlatform}} {
		epoch, err := records.SetRoute(t.Context(), change.name, change.to, "ann")
		require.NoError(t, err)
		epochs = append(epochs, epoch)
	}
	source.pass <- struct{}{}
	changed := <-told
	require.Equal(t, tenant.RoutePlatform, changed.Route, "the tenant is read as it is now")
	source.pass <- struct{}{} // the first event is done
	require.Equal(t, epochs[0], d.Epoch(), "b's hold isn't there yet")
	changed = <-told
	require.Equal(t, tenant.Name("b"), changed.Name)
	require.Equal(t, tenant.RouteLegacy, changed.HeldFrom)
	source.pass <- struct{}{}
	<-told
	require.NoError(t, records.UpsertTenant(t.Context(), tenant.Spec{Name: "c", Instance: "i", Schema: "c", Ring: "general"}, "ann"))
	source.pass <- struct{}{}
	<-told
	newest, err := records.RouteEpoch(t.Context())
	require.NoError(t, err)
	require.NoError(t, records.Publish(t.Context(), tenant.Event{Type: "x", Data: json.RawMessage(`{"epoch": 99}`)}))
	source.pass <- struct{}{}
	require.Equal(t, newest, d.Epoch(), "a new tenant's epoch is had, too")
	stop()
	<-done
}
