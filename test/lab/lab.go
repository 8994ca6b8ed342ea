// Package lab gives tests of the platform's services tenants on a real server: provisioned as any other, reached by the services'
// own logins, and with keys to sign tokens for their users.
package lab

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/postgres"
	"tenantctl/internal/provision"
	"tenantctl/internal/registry"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// Domain is below which a host names a tenant.
const Domain = "localhost"

// Lab is an instance with tenants.
type Lab struct {
	Keys      *token.Keyring
	Authorize *scope.Authorizer
	Database  string // connection string of the superuser
	Log       *Log

	provisioner *provision.Provisioner
	tenants     tenants

	mutex sync.Mutex
	root  *pgx.Conn // a superuser's session, one at a time
}

// New provisions tenants with the services of the streams.
func New(t testing.TB, streams []*stream.Stream, names ...tenant.Name) *Lab {
	t.Helper()
	dsn := localtest.Database(t)
	records, err := registry.Open(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(records.Close)
	prefix := localtest.Prefix(t)
	p, err := provision.Open(t.Context(), provision.Options{
		Instance: "shared-1", DSN: dsn, RolePrefix: prefix, Control: strings.ToLower(rand.Text())[:8], Streams: streams,
		CredentialsDir: filepath.Join(t.TempDir(), "credentials"), ArchiveDir: t.TempDir(), Records: records, Actor: "test",
	})
	require.NoError(t, err)
	t.Cleanup(p.Close)
	var services []string
	for _, s := range streams {
		services = append(services, s.Service)
	}
	specs := make([]tenant.Spec, len(names))
	for i, name := range names {
		specs[i] = tenant.Spec{
			Name: name, Instance: "shared-1", Schema: "tenant_" + name.Ident(), State: tenant.Active, Services: services,
			Limits: tenant.Limits{RequestsPerSecond: 100, StatementTimeout: 10 * time.Second},
		}
	}
	_, err = p.ProvisionAll(t.Context(), specs, nil)
	require.NoError(t, err)
	l := &Lab{Database: dsn, Log: &Log{}, provisioner: p}
	l.root, err = postgres.Connect(t.Context(), dsn, postgres.Options{Application: "lab"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.root.Close(context.Background()) })
	directory, err := scope.OpenDirectory(t.Context(), records, map[string]string{"shared-1": prefix}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	l.tenants.known = map[tenant.Name]scope.Tenant{}
	for _, each := range directory.All() {
		l.tenants.known[each.Name] = each
	}
	l.Keys, err = token.OpenKeyring(filepath.Join(t.TempDir(), "keys"), token.KeyringOptions{})
	require.NoError(t, err)
	l.Authorize = &scope.Authorizer{Tenants: &l.tenants, Verifier: l.Keys, Domain: Domain}
	return l
}

// Pools are a service's, with its own login.
func (l *Lab) Pools(t testing.TB, service string) *scope.Pools {
	t.Helper()
	pools, err := scope.OpenPools(t.Context(), scope.PoolOptions{Service: service, Login: l.login(t, service), Log: l.Log.Logger()}, nil)
	require.NoError(t, err)
	t.Cleanup(pools.Close)
	return pools
}

func (l *Lab) login(t testing.TB, service string) scope.Login {
	t.Helper()
	config, err := pgx.ParseConfig(l.Database)
	require.NoError(t, err)
	server := localtest.Server(t)
	return func(_ context.Context, cell scope.Cell) (string, error) {
		found, err := l.provisioner.Login(cell.Cell, service)
		return server.DSNAs(found.Role, found.Password, config.Database), err
	}
}

// As runs statements in one transaction of a service's own login for a tenant's cell, as an intruder into the service could, and
// returns the SQLSTATE of what was refused. In them TENANT_a__core stands for a tenant's role and PREFIX_ for the prefix of all roles.
func (l *Lab) As(t testing.TB, service string, name tenant.Name, sql string) string {
	t.Helper()
	of, err := l.tenants.Tenant(name)
	require.NoError(t, err)
	dsn, err := l.login(t, service)(t.Context(), scope.Cell{Instance: of.Instance, Cell: of.Cell})
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
	require.NoError(t, postgres.Script(t.Context(), l.root, "set search_path = "+postgres.Ident(l.schema(t, name))+";"+sql))
}

// Text reads one value as the superuser, from a tenant's schema.
func (l *Lab) Text(t testing.TB, name tenant.Name, sql string) string {
	t.Helper()
	l.mutex.Lock()
	defer l.mutex.Unlock()
	require.NoError(t, postgres.Script(t.Context(), l.root, "set search_path = "+postgres.Ident(l.schema(t, name))))
	var found *string
	require.NoError(t, l.root.QueryRow(t.Context(), sql).Scan(&found))
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
