package drift_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/drift"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/internal/provision"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// bundle is an instance of its own with a provisioner and a checker.
type bundle struct {
	ctx     context.Context
	opts    provision.Options
	p       *provision.Provisioner
	checker *drift.Checker
	root    *pgx.Conn // a superuser's
}

// setup makes an instance whose administrator is no superuser, as managed services have it.
func setup(t *testing.T, streams ...*stream.Stream) *bundle {
	t.Helper()
	b := &bundle{ctx: t.Context()}
	prefix := localtest.Prefix(t)
	dsn := localtest.DatabaseAs(t, localtest.DatabaseOptions{Admin: true})
	b.opts = provision.Options{
		Instance: "shared-1", DSN: dsn, RolePrefix: prefix, Control: strings.ToLower(rand.Text())[:8], Streams: streams,
		CredentialsDir: t.TempDir(), Actor: "test",
	}
	config, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	b.root, err = postgres.Connect(b.ctx, localtest.Server(t).DSN(config.Database), postgres.Options{Application: "test"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.root.Close(context.Background()) })
	b.exec(t, `create role PREFIX_other`)
	b.reopen(t, streams...)
	return b
}

// reopen is a later release, with other files.
func (b *bundle) reopen(t *testing.T, streams ...*stream.Stream) {
	t.Helper()
	var err error
	b.opts.Streams = streams
	b.p, err = provision.Open(b.ctx, b.opts)
	require.NoError(t, err)
	t.Cleanup(b.p.Close)
	b.checker, err = drift.Open(b.ctx, drift.Options{DSN: b.opts.DSN, Streams: streams, Home: home{b.p}})
	require.NoError(t, err)
	t.Cleanup(b.checker.Close)
}

// home is what cli plugs in.
type home struct{ *provision.Provisioner }

func (h home) Access(ctx context.Context, specs []tenant.Spec) (map[tenant.Name]drift.AccessSeen, error) {
	plans, err := h.Plan(ctx, specs...)
	seen := map[tenant.Name]drift.AccessSeen{}
	for _, plan := range plans {
		var one drift.AccessSeen
		for _, step := range plan.Steps {
			if step.Access() {
				one.Steps = append(one.Steps, drift.AccessStep{Describe: step.Describe, SQL: strings.Join(step.SQL, ";\n")})
			}
		}
		seen[plan.Tenant] = one
	}
	return seen, err
}

func (h home) Restore(ctx context.Context, spec tenant.Spec) error {
	_, err := h.Provision(ctx, spec)
	return err
}

func (b *bundle) provision(t *testing.T, specs ...tenant.Spec) {
	t.Helper()
	_, err := b.p.ProvisionAll(b.ctx, specs, nil)
	require.NoError(t, err)
}

func (b *bundle) check(t *testing.T, specs ...tenant.Spec) []drift.Finding {
	t.Helper()
	findings, err := b.checker.Check(b.ctx, specs)
	require.NoError(t, err)
	return findings
}

// requireNone asserts that tenants are what their versions should be.
func (b *bundle) requireNone(t *testing.T, specs ...tenant.Spec) {
	t.Helper()
	for _, f := range b.check(t, specs...) {
		require.NoError(t, f.Err)
		require.Empty(t, lines(f.Differences), f.Tenant)
	}
}

func lines(differences []drift.Difference) []string {
	var all []string
	for _, d := range differences {
		all = append(all, d.String())
	}
	return all
}

func (b *bundle) exec(t *testing.T, sql string) {
	t.Helper()
	require.NoError(t, postgres.Script(b.ctx, b.root, b.named(sql)))
}

func (b *bundle) text(t *testing.T, sql string) string {
	t.Helper()
	var found string
	require.NoError(t, b.root.QueryRow(b.ctx, b.named(sql)).Scan(&found))
	return found
}

func (b *bundle) named(sql string) string {
	return strings.ReplaceAll(sql, "PREFIX_", b.opts.RolePrefix)
}

func spec(name tenant.Name, services ...string) tenant.Spec {
	return tenant.Spec{Name: name, Instance: "shared-1", Schema: "tenant_" + name.Ident(), State: tenant.Active, Services: services}
}

// files are a stream of ups and downs, in the order of their versions.
func files(t *testing.T, service string, ways ...[2]string) *stream.Stream {
	t.Helper()
	fsys := fstest.MapFS{}
	for i, way := range ways {
		name := string(rune('1'+i)) + "_file"
		fsys["00"+name+".up.sql"] = &fstest.MapFile{Data: []byte(way[0])}
		fsys["00"+name+".down.sql"] = &fstest.MapFile{Data: []byte(way[1])}
	}
	s, err := stream.Read(service, fsys)
	require.NoError(t, err)
	return s
}

// zoo is a stream that makes one of every kind of object that a stream can.
func zoo(t *testing.T) *stream.Stream {
	t.Helper()
	return files(t, "zoo", [2]string{zooUp, ""}, [2]string{
		`create index concurrently animals_weight on animals (weight)`, `drop index concurrently animals_weight`,
	}, [2]string{
		`alter table animals add keeper text; create view kept as select name from animals where keeper is not null`,
		`drop view kept; alter table animals drop keeper`,
	})
}

const zooUp = `
create type diet as enum ('meat', 'plants');
create type span as (low int, high int);
create type weights as range (subtype = numeric);
create domain kilos as numeric check (value > 0);
create collation plain from "C";
create sequence ticket increment 2;
create table animals (
	id int generated always as identity primary key, name text collate "C" not null unique, diet diet default 'meat',
	weight kilos, twice numeric generated always as (weight * 2) stored, ticket bigint default nextval('ticket'), born date,
	constraint born_lately check (born > '1900-01-01'), exclude using btree (ticket with =)
) with (fillfactor = 90);
create table visits (id serial primary key, animal int references animals on delete cascade, at date not null);
create table log (at date not null, what text) partition by range (at);
create table log_old partition of log for values from (minvalue) to ('2020-01-01');
create index log_at on log (at);
create index animals_diet on animals (diet) where diet is not null;
create statistics animals_diet_weight on diet, weight from animals;
create function fed(d diet) returns boolean language sql stable as 'select d is not null';
create function touched() returns trigger language plpgsql set search_path from current as $$ begin return new; end $$;
create procedure feed() language plpgsql as $$ begin null; end $$;
create aggregate heaviest(numeric) (sfunc = numeric_larger, stype = numeric);
create operator ~~> (function = int4pl, leftarg = int, rightarg = int);
create text search configuration words (copy = pg_catalog.english);
create trigger touch before update on animals for each row execute function touched();
create view hungry as select id, name from animals where not fed(diet);
create materialized view counts as select diet, count(*) as n from animals group by diet;
create rule nothing as on delete to hungry do instead nothing;
alter table visits enable row level security;
create policy own_visits on visits using (animal > 0);
comment on table animals is 'What lives here.';
comment on column animals.born is 'A guess.';
insert into animals (name, weight) values ('bear', 300), ('ant', 0.001)`
