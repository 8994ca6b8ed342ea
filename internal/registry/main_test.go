package registry

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		os.Exit(runChild(role))
	}
	localtest.Main(m)
}

const actor = "ann"

// setup opens a registry on a database of the test's own.
func setup(t testing.TB) (context.Context, *Registry) {
	t.Helper()
	return t.Context(), openAt(t, localtest.Database(t))
}

func openAt(t testing.TB, dsn string) *Registry {
	t.Helper()
	registry, err := Open(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(registry.Close)
	return registry
}

// add records tenants with a schema of their name on instance shared-1.
func add(t testing.TB, r *Registry, names ...tenant.Name) {
	t.Helper()
	for _, name := range names {
		require.NoError(t, r.UpsertTenant(t.Context(), spec(name), actor))
	}
}

func spec(name tenant.Name) tenant.Spec {
	return tenant.Spec{
		Name: name, Instance: "shared-1", Schema: "tenant_" + name.Ident(), Ring: "general", State: tenant.Active,
		Services: []string{"auth", "core"}, Limits: tenant.Limits{StatementTimeout: 30 * time.Second, RequestsPerSecond: 200, Jobs: 4, Weight: 1},
	}
}

func connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := postgres.Connect(t.Context(), dsn, postgres.Options{Application: "test"})
	require.NoError(t, err)
	t.Cleanup(func() { closeSession(context.Background(), conn) })
	return conn
}

// types lists the types of all events so far.
func types(t testing.TB, r *Registry) []string {
	t.Helper()
	events, err := r.Events(t.Context(), 0, EventFilter{})
	require.NoError(t, err)
	all := make([]string, len(events))
	for i, event := range events {
		all[i] = event.Type
	}
	return all
}
