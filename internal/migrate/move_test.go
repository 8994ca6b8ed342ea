package migrate_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/migrate"
	"tenantctl/internal/postgres"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
	"tenantctl/test/compare"
	"tenantctl/test/fixture"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// bundle is a legacy database, an instance whose database also holds the registry, and a move between them.
type bundle struct {
	t              *testing.T
	source, target string
	config         migrate.Config
}

func setup(t *testing.T, name tenant.Name) *bundle {
	t.Helper()
	b := &bundle{t: t, source: localtest.Database(t), target: localtest.Database(t)}
	records, err := registry.Open(t.Context(), b.target)
	require.NoError(t, err)
	t.Cleanup(records.Close)
	tools, err := postgres.FindTools()
	require.NoError(t, err)
	schema, err := name.SchemaFor("tenant_{tenant}")
	require.NoError(t, err)
	b.config = migrate.Config{
		Spec:   tenant.Spec{Name: name, Instance: "shared", Schema: schema, State: tenant.Active, Legacy: true},
		Source: b.source, Target: b.target, Registry: records, Tools: tools, Actor: "test", Jobs: 2,
		Scratch: scratch{t}, Tenancy: &tenancy{dsn: b.target, owner: localtest.Prefix(t) + "owner"},
	}
	return b
}

func (b *bundle) connect(dsn string) *pgx.Conn {
	b.t.Helper()
	conn, err := postgres.Connect(b.t.Context(), dsn, postgres.Options{Application: "test"})
	require.NoError(b.t, err)
	b.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (b *bundle) run(sql string, dsn string) {
	b.t.Helper()
	conn := b.connect(dsn)
	_, err := conn.Exec(b.t.Context(), "set default_transaction_read_only = off")
	require.NoError(b.t, err)
	require.NoError(b.t, postgres.Script(b.t.Context(), conn, sql))
	require.NoError(b.t, conn.Close(b.t.Context()))
}

// scratch gives databases of the test's own server.
type scratch struct{ t *testing.T }

func (s scratch) Create(context.Context, string) (string, func(context.Context) error, error) {
	return localtest.Database(s.t), func(context.Context) error { return nil }, nil
}

// tenancy makes schemas and one owner role: the least that a move needs.
type tenancy struct{ dsn, owner string }

func (y *tenancy) script(ctx context.Context, sql string) error {
	conn, err := postgres.Connect(ctx, y.dsn, postgres.Options{Application: "test"})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return postgres.Script(ctx, conn, sql)
}

func (y *tenancy) Provision(ctx context.Context, schemas []string) (string, error) {
	sql := fmt.Sprintf("do $$ begin create role %s; exception when duplicate_object then null; end $$;", y.owner)
	for _, schema := range schemas {
		sql += fmt.Sprintf("create schema if not exists %[1]s; grant usage, create on schema %[1]s to %[2]s;", postgres.Ident(schema), y.owner)
	}
	return y.owner, y.script(ctx, sql+"create schema if not exists ext; grant usage on schema ext to public")
}

func (y *tenancy) Grant(context.Context, []string) error             { return nil }
func (y *tenancy) Streams(context.Context, *pgx.Conn, string) error  { return nil }
func (y *tenancy) Archive(context.Context, []string) (string, error) { return "archived", nil }
func (y *tenancy) Clear(ctx context.Context, schemas []string) error {
	quoted := make([]string, len(schemas))
	for i, schema := range schemas {
		quoted[i] = postgres.Ident(schema)
	}
	return y.script(ctx, "drop schema if exists "+strings.Join(quoted, ", ")+" cascade")
}

// legacy reads the state of the legacy database before a move fences it; the result compares it with the tenant's.
func (b *bundle) legacy() (differences func() []string) {
	source := b.connect(b.source)
	schemas := compare.Schemas(b.t, source, b.config.Spec.Schema)
	state := compare.Legacy(b.t, source, schemas)
	return func() []string {
		return compare.Diff(state, compare.Tenant(b.t, b.connect(b.target), schemas))
	}
}

func TestLiftsRealDatabases(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"northwind", "chinook"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, tenant.Name(name))
			fixture.LoadShared(t, b.source, name+".sql")
			differences := b.legacy()
			result, err := migrate.Run(t.Context(), b.config)
			require.NoError(t, err)
			require.True(t, result.Report.Equal)
			require.Equal(t, tenant.OperationDone, result.Operation.State)
			require.Empty(t, differences())
		})
	}
}

func TestLiftsTheZoo(t *testing.T) {
	t.Parallel()
	b := setup(t, "zoo")
	fixture.Load(t, b.source, "zoo.sql")
	differences := b.legacy()
	result, err := migrate.Run(t.Context(), b.config)
	require.NoError(t, err)
	require.True(t, result.Report.Equal)
	for _, line := range differences() {
		t.Error(line)
	}
}

func TestRollsBackAndMovesAgain(t *testing.T) {
	t.Parallel()
	b := setup(t, "back")
	b.run(`create table orders (id serial primary key, note text); insert into orders (note) select 'n' || i from generate_series(1, 1000) i`, b.source)
	_, err := migrate.Run(t.Context(), b.config)
	require.NoError(t, err)
	late := b.connect(b.source)
	_, err = late.Exec(t.Context(), "insert into orders (note) values ('too late')")
	require.ErrorContains(t, err, "read-only transaction")
	_, err = late.Exec(t.Context(), "set default_transaction_read_only = off")
	require.NoError(t, err)
	_, err = late.Exec(t.Context(), "insert into orders (note) values ('too late')")
	require.ErrorContains(t, err, "being moved to the shared platform")

	b.run(`insert into tenant_back.orders values (5000, 'written on the platform')`, b.target)
	_, err = migrate.Rollback(t.Context(), b.config, migrate.RefuseWrites)
	require.ErrorIs(t, err, tenant.ErrConflict)
	route, _, err := b.config.Registry.Route(t.Context(), "back")
	require.NoError(t, err)
	require.Equal(t, tenant.RoutePlatform, route, "a refused rollback leaves the traffic where it was")

	back, err := migrate.Rollback(t.Context(), b.config, migrate.DiscardWrites)
	require.NoError(t, err)
	require.Equal(t, "archived", back.Archive)
	b.run(`insert into orders (note) values ('the client writes again')`, b.source)

	differences := b.legacy()
	result, err := migrate.Run(t.Context(), b.config)
	require.NoError(t, err)
	require.EqualValues(t, 1001, result.Report.Rows)
	require.Empty(t, differences())
}

// A gateway that goes on sending writes to the platform stops a rollback: no fence stands there.
func TestRollbackWaitsForGateways(t *testing.T) {
	t.Parallel()
	b := setup(t, "awaited")
	b.run(`create table orders (id int primary key); insert into orders select generate_series(1, 10)`, b.source)
	_, err := migrate.Run(t.Context(), b.config)
	require.NoError(t, err)
	beat := func() {
		_, err := b.config.Registry.GatewaySeen(t.Context(), "gw-1", 0)
		require.NoError(t, err)
	}
	beat()
	ctx, stop := context.WithCancel(t.Context())
	var beating sync.WaitGroup
	beating.Go(func() {
		for ctx.Err() == nil {
			beat()
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	})
	_, err = migrate.Rollback(t.Context(), b.config, migrate.RefuseWrites)
	require.ErrorIs(t, err, tenant.ErrLocked)
	require.ErrorContains(t, err, "gw-1")
	route, _, err := b.config.Registry.Route(t.Context(), "awaited")
	require.NoError(t, err)
	require.Equal(t, tenant.RoutePlatform, route)
	stop()
	beating.Wait()
	require.NoError(t, b.config.Registry.GatewayGone(t.Context(), "gw-1"))
	_, err = migrate.Rollback(t.Context(), b.config, migrate.RefuseWrites)
	require.NoError(t, err)
}

// No copy brings stored generated columns: both sides are read, and where the tenant's table computed something else the traffic stays.
func TestGeneratedColumnsAreProven(t *testing.T) {
	t.Parallel()
	b := setup(t, "computed")
	b.run(`create function gross(numeric) returns numeric language sql immutable as $$ select $1 * 1.19 $$;
		create table prices (id int primary key, net numeric, gross numeric generated always as (gross(net)) stored);
		insert into prices select g, g from generate_series(1, 500) g`, b.source)
	b.config.StopBefore = migrate.PhaseVerify
	_, err := migrate.Run(t.Context(), b.config)
	require.ErrorIs(t, err, tenant.ErrStopped)
	b.run(`create or replace function tenant_computed.gross(numeric) returns numeric language sql immutable as $$ select $1 * 1.20 $$;
		update tenant_computed.prices set net = net where id in (7, 8);
		create or replace function tenant_computed.gross(numeric) returns numeric language sql immutable as $$ select $1 * 1.19 $$`, b.target)
	b.config.StopBefore = ""
	_, err = migrate.Run(t.Context(), b.config)
	require.ErrorContains(t, err, "generated columns gross of tenant_computed.prices")
	require.ErrorContains(t, err, "2 changed [id=7 id=8]")
	route, _, err := b.config.Registry.Route(t.Context(), "computed")
	require.NoError(t, err)
	require.Equal(t, tenant.RouteHold, route)

	b.run(`update tenant_computed.prices set net = net where id in (7, 8)`, b.target)
	result, err := migrate.Run(t.Context(), b.config)
	require.NoError(t, err)
	require.True(t, result.Report.Equal)
	require.Len(t, result.Report.Generated, 1)
	require.Equal(t, []string{"gross"}, result.Report.Generated[0].Generated)
	require.EqualValues(t, 500, result.Report.Generated[0].Read.Rows)
	again, err := migrate.VerifyAgain(t.Context(), b.config)
	require.NoError(t, err)
	require.True(t, again.Equal)
}
