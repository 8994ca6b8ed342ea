// Package fleet gives tests of the platform real tenants: an instance with cells, roles and logins as provision makes them, the
// records of them, and a service's pools on them.
package fleet

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/postgres"
	"tenantctl/internal/provision"
	"tenantctl/internal/registry"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// Instance is the name of the one that there is.
const Instance = "shared-1"

// Options say how a fleet differs from one of the service core on the shared server.
type Options struct {
	Streams        []*stream.Stream // nil means core's
	Versions       map[string]uint64
	TenantsPerCell int
	Server         *local.Postgres
	Control        string // dsn of the control database; empty: the instance's
}

// Fleet is an instance and its records.
type Fleet struct {
	Provisioner *provision.Provisioner
	Records     *registry.Registry
	Root        *pgx.Conn // a superuser's
	Config      *pgx.ConnConfig
	Prefix      string // of roles
	opts        Options
}

// New makes a fleet without tenants.
func New(t testing.TB, opts Options) *Fleet {
	t.Helper()
	ctx := context.Background()
	if opts.Server == nil {
		opts.Server = localtest.Server(t)
	}
	if opts.Streams == nil {
		s, err := core.Stream()
		require.NoError(t, err)
		opts.Streams = []*stream.Stream{s}
	}
	f := &Fleet{opts: opts, Prefix: localtest.PrefixOn(t, opts.Server)}
	dsn := localtest.DatabaseAs(t, localtest.DatabaseOptions{Server: opts.Server})
	if opts.Control == "" {
		opts.Control = dsn
	}
	var err error
	f.Config, err = pgx.ParseConfig(dsn)
	require.NoError(t, err)
	f.Records, err = registry.Open(ctx, opts.Control)
	require.NoError(t, err)
	t.Cleanup(f.Records.Close)
	f.Provisioner, err = provision.Open(ctx, provision.Options{
		Instance: Instance, DSN: dsn, RolePrefix: f.Prefix, Control: strings.ToLower(rand.Text())[:8], Streams: opts.Streams, Versions: opts.Versions,
		TenantsPerCell: opts.TenantsPerCell, CredentialsDir: filepath.Join(t.TempDir(), "credentials"), ArchiveDir: t.TempDir(),
		Records: f.Records, Actor: "test",
	})
	require.NoError(t, err)
	t.Cleanup(f.Provisioner.Close)
	f.Root, err = postgres.Connect(ctx, dsn, postgres.Options{Application: "test"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Root.Close(context.Background()) })
	return f
}

// Provision makes tenants with all services of the fleet.
func (f *Fleet) Provision(t testing.TB, names ...tenant.Name) {
	t.Helper()
	specs := make([]tenant.Spec, 0, len(names))
	for _, name := range names {
		specs = append(specs, f.Spec(name))
	}
	_, err := f.Provisioner.ProvisionAll(context.Background(), specs, nil)
	require.NoError(t, err)
}

// Spec is what is declared of a tenant.
func (f *Fleet) Spec(name tenant.Name) tenant.Spec {
	spec := tenant.Spec{
		Name: name, Instance: Instance, Schema: "tenant_" + name.Ident(), State: tenant.Active,
		Limits: tenant.Limits{StatementTimeout: tenant.DefaultStatementTimeout},
	}
	for _, s := range f.opts.Streams {
		if s.Scope == stream.PerTenant {
			spec.Services = append(spec.Services, s.Service)
		}
	}
	return spec
}

// Has tells whether the fleet has a stream.
func (f *Fleet) Has(service string) bool {
	return slices.ContainsFunc(f.opts.Streams, func(s *stream.Stream) bool { return s.Service == service })
}

// Directory is opened on the fleet's records; it is kept fresh until t ends.
func (f *Fleet) Directory(t testing.TB) *scope.Directory {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	directory, err := scope.OpenDirectory(ctx, f.Records, map[string]string{Instance: f.Prefix}, nil)
	require.NoError(t, err)
	done := make(chan struct{})
	go func() { defer close(done); directory.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return directory
}

// Tenant is what the records have of a tenant at this moment.
func (f *Fleet) Tenant(t testing.TB, name tenant.Name) scope.Tenant {
	t.Helper()
	directory, err := scope.OpenDirectory(context.Background(), f.Records, map[string]string{Instance: f.Prefix}, nil)
	require.NoError(t, err)
	found, err := directory.Tenant(name)
	require.NoError(t, err)
	return found
}

// Login is how a service logs in.
func (f *Fleet) Login(service string) scope.Login {
	return func(_ context.Context, cell scope.Cell) (string, error) {
		login, err := f.Provisioner.Login(cell.Cell, service)
		return fmt.Sprintf("host=%s port=%d dbname=%s user=%s password=%s sslmode=disable",
			f.Config.Host, f.Config.Port, f.Config.Database, login.Role, login.Password), err
	}
}

// Pools opens a service's pools; what opts leaves out is the fleet's.
func (f *Fleet) Pools(t testing.TB, opts scope.PoolOptions) *scope.Pools {
	t.Helper()
	if opts.Service == "" {
		opts.Service = f.opts.Streams[0].Service
	}
	if opts.Login == nil {
		opts.Login = f.Login(opts.Service)
	}
	pools, err := scope.OpenPools(context.Background(), opts, nil)
	require.NoError(t, err)
	t.Cleanup(pools.Close)
	return pools
}

// Exec runs statements as the superuser; PREFIX_ in them becomes the prefix of roles.
func (f *Fleet) Exec(t testing.TB, sql string) {
	t.Helper()
	require.NoError(t, postgres.Script(context.Background(), f.Root, strings.ReplaceAll(sql, "PREFIX_", f.Prefix)))
}

// Text is one value, read as the superuser.
func (f *Fleet) Text(t testing.TB, sql string) string {
	t.Helper()
	var text string
	require.NoError(t, f.Root.QueryRow(context.Background(), strings.ReplaceAll(sql, "PREFIX_", f.Prefix)).Scan(&text))
	return text
}

// Backends lists the process ids of a service's sessions.
func (f *Fleet) Backends(t testing.TB, service string) []int {
	t.Helper()
	rows, err := f.Root.Query(context.Background(), `select pid from pg_stat_activity where datname = current_database() and application_name = $1 order by 1`, "tenantctl/"+service)
	require.NoError(t, err)
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	require.NoError(t, err)
	return pids
}
