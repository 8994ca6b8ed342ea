package provision_test

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/postgres"
	"tenantctl/internal/provision"
	"tenantctl/internal/registry"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// administrator says who provisions.
type administrator string

const (
	superuser administrator = "superuser"
	managed   administrator = "managed" // CREATEROLE, CREATEDB, owner of the database, and no more
)

// bothAdministrators runs a test as either kind.
func bothAdministrators(t *testing.T, test func(t *testing.T, b *bundle)) {
	t.Helper()
	for _, who := range []administrator{superuser, managed} {
		t.Run(string(who), func(t *testing.T) {
			t.Parallel()
			test(t, setup(t, who))
		})
	}
}

// bundle is an instance of its own, with its control database in it.
type bundle struct {
	ctx     context.Context
	opts    provision.Options
	p       *provision.Provisioner
	records *registry.Registry
	root    *pgx.Conn // a superuser's
}

func setup(t *testing.T, who administrator) *bundle {
	t.Helper()
	b := &bundle{ctx: t.Context()}
	prefix := localtest.Prefix(t)
	dsn := localtest.DatabaseAs(t, localtest.DatabaseOptions{Admin: who == managed})
	var err error
	b.records, err = registry.Open(b.ctx, dsn)
	require.NoError(t, err)
	t.Cleanup(b.records.Close)
	b.opts = provision.Options{
		Instance: "shared-1", DSN: dsn, RolePrefix: prefix, Control: strings.ToLower(rand.Text())[:8],
		Streams: []*stream.Stream{coreStream(t), billingStream(t)}, CredentialsDir: filepath.Join(t.TempDir(), "credentials"),
		ArchiveDir: t.TempDir(), Records: b.records, Actor: "test",
	}
	b.p = b.open(t, b.opts)
	config, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	b.root = connect(t, localtest.Server(t).DSN(config.Database))
	return b
}

func (b *bundle) open(t *testing.T, opts provision.Options) *provision.Provisioner {
	t.Helper()
	p, err := provision.Open(b.ctx, opts)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

func coreStream(t *testing.T) *stream.Stream {
	t.Helper()
	s, err := core.Stream()
	require.NoError(t, err)
	return s
}

// billingStream is a client's own service: it refers to a table of core and has a thing of every kind that grants concern.
func billingStream(t *testing.T) *stream.Stream {
	t.Helper()
	s, err := stream.Read("billing", fstest.MapFS{
		"001_plans.up.sql": &fstest.MapFile{Data: []byte(`
			create type cycle as enum ('month', 'year');
			create domain percent as numeric check (value between 0 and 100);
			create sequence receipt_number;
			create table plans (id serial primary key, cycle cycle not null, rebate percent, data jsonb);
			create table subscriptions (
				customer_code text not null references customers on delete cascade, plan_id int not null references plans,
				receipt bigint not null default nextval('receipt_number'), started date not null) partition by range (started);
			create table subscriptions_old partition of subscriptions for values from (minvalue) to ('2020-01-01');
			create function monthly(plans) returns numeric language sql stable as $$ select $1.rebate::numeric $$;
			create function touched() returns trigger language plpgsql set search_path from current as $$ begin return new; end $$;
			create trigger touched before update on plans for each row execute function touched();
			create view active_plans as select p.*, monthly(p) from plans p;
			create materialized view plan_count as select cycle, count(*) from plans group by 1;
			create index plans_rebate on plans ((rebate * 2)) where rebate > 0;
			comment on table plans is 'it''s "billing"; really';
			insert into plans (cycle, rebate, data) values ('month', null, null), ('year', 10, '{"note": "it''s; -- \\ fine"}');
			select setval('receipt_number', 4711);`)},
		"001_plans.down.sql": &fstest.MapFile{Data: []byte(`drop table subscriptions, plans cascade`)},
	})
	require.NoError(t, err)
	return s
}

// readStream is a service of one file.
func readStream(t *testing.T, service, sql string) *stream.Stream {
	t.Helper()
	s, err := stream.Read(service, fstest.MapFS{"001_a.up.sql": &fstest.MapFile{Data: []byte(sql)}, "001_a.down.sql": &fstest.MapFile{}})
	require.NoError(t, err)
	return s
}

// readFiles is a service of several files.
func readFiles(t *testing.T, service string, ups map[string]string) *stream.Stream {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, sql := range ups {
		fsys[name+".up.sql"] = &fstest.MapFile{Data: []byte(sql)}
	}
	s, err := stream.Read(service, fsys)
	require.NoError(t, err)
	return s
}

func spec(name tenant.Name, services ...string) tenant.Spec {
	return tenant.Spec{
		Name: name, Instance: "shared-1", Schema: "tenant_" + name.Ident(), State: tenant.Active, Services: services,
		Limits: tenant.Limits{RequestsPerSecond: 100},
	}
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := postgres.Connect(t.Context(), dsn, postgres.Options{Application: "test"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// login connects as a service's login of a cell, with the password from its file.
func (b *bundle) login(t *testing.T, cell, service string) *pgx.Conn {
	t.Helper()
	login, err := b.p.Login(cell, service)
	require.NoError(t, err)
	config, err := pgx.ParseConfig(b.opts.DSN)
	require.NoError(t, err)
	config.User, config.Password = login.Role, login.Password
	conn, err := pgx.ConnectConfig(b.ctx, config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (b *bundle) provision(t *testing.T, specs ...tenant.Spec) []provision.Outcome {
	t.Helper()
	outcomes, err := b.p.ProvisionAll(b.ctx, specs, nil)
	require.NoError(t, err)
	return outcomes
}

// requireDeclared asserts that a tenant is as declared.
func (b *bundle) requireDeclared(t *testing.T, specs ...tenant.Spec) {
	t.Helper()
	plans, err := b.p.Plan(b.ctx, specs...)
	require.NoError(t, err)
	for _, plan := range plans {
		require.Empty(t, plan.Steps)
	}
}

func (b *bundle) exec(t *testing.T, sql string) {
	t.Helper()
	require.NoError(t, postgres.Script(b.ctx, b.root, strings.ReplaceAll(sql, "PREFIX_", b.opts.RolePrefix)))
}

func (b *bundle) text(t *testing.T, sql string) string {
	t.Helper()
	var found string
	require.NoError(t, b.root.QueryRow(b.ctx, strings.ReplaceAll(sql, "PREFIX_", b.opts.RolePrefix)).Scan(&found))
	return found
}

// as runs a statement in a transaction of a role, as services do, and returns the SQLSTATE.
func as(t *testing.T, conn *pgx.Conn, role, schema, sql string) string {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err = tx.Exec(t.Context(), `set local role `+postgres.Ident(role)); err == nil {
		_, err = tx.Exec(t.Context(), `set local search_path = `+postgres.Ident(schema)+`, ext`)
	}
	if err == nil {
		_, err = tx.Exec(t.Context(), sql)
	}
	if err != nil {
		var pgErr *pgconn.PgError
		require.ErrorAs(t, err, &pgErr)
		return pgErr.Code
	}
	require.NoError(t, tx.Commit(t.Context()))
	return ""
}

const forbidden = "42501"

// dump is a schema as pg_dump tells it, without what comes from the schema's name and the time.
func (b *bundle) dump(t *testing.T, schema string, tenantIdent string) string {
	t.Helper()
	tools, err := postgres.FindTools()
	require.NoError(t, err)
	out, err := tools.Run(b.ctx, "pg_dump", b.root.Config().ConnString(), "--schema="+schema, "--restrict-key=x", "--inserts")
	require.NoError(t, err)
	return strings.NewReplacer(schema, "SCHEMA", b.opts.RolePrefix+"t_"+tenantIdent+"__", "TENANT__", b.opts.Control+":"+tenantIdent, "MARK").Replace(string(out))
}
