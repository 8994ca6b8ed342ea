// Package lab serves the platform's services to tests over HTTP, on a fleet of real tenants, with keys to sign tokens for their users
// and all that is logged at hand.
package lab

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
	"tenantctl/test/fleet"
)

// Domain is below which a host names a tenant.
const Domain = "localhost"

// Lab is a fleet of tenants.
type Lab struct {
	Keys      *token.Keyring
	Authorize *scope.Authorizer
	Log       *Log

	fleet   *fleet.Fleet
	tenants tenants
	mutex   sync.Mutex // of the superuser's session
}

// New provisions tenants with the services of the streams.
func New(t testing.TB, streams []*stream.Stream, names ...tenant.Name) *Lab {
	t.Helper()
	l := &Lab{Log: &Log{}, fleet: fleet.New(t, fleet.Options{Streams: streams})}
	l.fleet.Provision(t, names...)
	l.tenants.known = map[tenant.Name]scope.Tenant{}
	for _, name := range names {
		l.tenants.known[name] = l.fleet.Tenant(t, name)
	}
	var err error
	l.Keys, err = token.OpenKeyring(filepath.Join(t.TempDir(), "keys"), token.KeyringOptions{})
	require.NoError(t, err)
	l.Authorize = &scope.Authorizer{Tenants: &l.tenants, Verifier: l.Keys, Domain: Domain}
	return l
}

// Pools are a service's, with its own login.
func (l *Lab) Pools(t testing.TB, service string) *scope.Pools {
	t.Helper()
	return l.fleet.Pools(t, scope.PoolOptions{Service: service, Log: l.Log.Logger()})
}

// As runs statements in one transaction of a service's own login for a tenant's cell, as an intruder into the service could, and
// returns the SQLSTATE of what was refused. In them TENANT_a__core stands for a tenant's role and PREFIX_ for the prefix of all roles.
func (l *Lab) As(t testing.TB, service string, name tenant.Name, sql string) string {
	t.Helper()
	of, err := l.tenants.Tenant(name)
	require.NoError(t, err)
	dsn, err := l.fleet.Login(service)(t.Context(), scope.Cell{Instance: of.Instance, Cell: of.Cell})
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	return postgres.Code(postgres.Script(t.Context(), conn, "begin;"+strings.NewReplacer("TENANT_", of.RolePrefix+"t_", "PREFIX_", of.RolePrefix).Replace(sql)+";rollback"))
}

// SetState makes the services see a tenant in another state.
func (l *Lab) SetState(name tenant.Name, state tenant.State) {
	l.tenants.mutex.Lock()
	defer l.tenants.mutex.Unlock()
	changed := l.tenants.known[name]
	changed.State = state
	l.tenants.known[name] = changed
}

// Exec runs a script as the superuser, in a tenant's schema.
func (l *Lab) Exec(t testing.TB, name tenant.Name, sql string) {
	t.Helper()
	l.mutex.Lock()
	defer l.mutex.Unlock()
	require.NoError(t, postgres.Script(t.Context(), l.fleet.Root, "set search_path = "+postgres.Ident(l.schema(t, name))+";"+sql))
}

// Text reads one value as the superuser, from a tenant's schema.
func (l *Lab) Text(t testing.TB, name tenant.Name, sql string) string {
	t.Helper()
	l.mutex.Lock()
	defer l.mutex.Unlock()
	require.NoError(t, postgres.Script(t.Context(), l.fleet.Root, "set search_path = "+postgres.Ident(l.schema(t, name))))
	var found *string
	require.NoError(t, l.fleet.Root.QueryRow(t.Context(), sql).Scan(&found))
	if found == nil {
		return ""
	}
	return *found
}

func (l *Lab) schema(t testing.TB, name tenant.Name) string {
	t.Helper()
	found, err := l.tenants.Tenant(name)
	require.NoError(t, err)
	return found.Schema
}

// tenants are what the services see.
type tenants struct {
	mutex sync.Mutex
	known map[tenant.Name]scope.Tenant
}

// Tenant implements scope.Tenants.
func (d *tenants) Tenant(name tenant.Name) (scope.Tenant, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	found, ok := d.known[name]
	if !ok {
		return found, fmt.Errorf("tenant %q: %w", name, tenant.ErrNotFound)
	}
	return found, nil
}

// Log keeps all that is logged, of every level.
type Log struct {
	mutex sync.Mutex
	text  strings.Builder
}

// Logger writes to the log.
func (l *Log) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Write implements io.Writer.
func (l *Log) Write(line []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(line)
}

func (l *Log) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}
