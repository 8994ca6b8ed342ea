package provision_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/postgres"
	"tenantctl/internal/provision"
	"tenantctl/internal/registry"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// foreign makes a schema as another tool would: a role of its own owns everything, and another may use it.
func (b *bundle) foreign(t *testing.T, schema, sql string) {
	t.Helper()
	b.exec(t, fmt.Sprintf(`do $$ begin if to_regrole('PREFIX_app') is null then create role PREFIX_app; create role PREFIX_reader; end if; end $$;
		create schema %[1]s authorization PREFIX_app; set role PREFIX_app; set search_path = %[1]s; grant usage on schema %[1]s to PREFIX_reader; %[2]s;
		grant select on all tables in schema %[1]s to PREFIX_reader; reset role; reset search_path`, schema, sql))
}

// shop is a stream of three versions with a version table of golang-migrate's default name.
func shop(t *testing.T) *stream.Stream {
	t.Helper()
	s := readFiles(t, "shop", map[string]string{
		"001_a": `create type mood as enum ('ok'); create table customers (id serial primary key, mood mood); create function f(mood) returns int language sql as 'select 1'`,
		"002_b": `create table orders (id int primary key, customer int references customers); create view v as select * from orders`,
		"003_c": `alter table orders add note text; create index orders_note on orders (note)`,
	})
	s.VersionTable = "schema_migrations"
	return s
}

const atTwo = `create type mood as enum ('ok'); create table customers (id serial primary key, mood mood); create function f(mood) returns int language sql as 'select 1';
	create table orders (id int primary key, customer int references customers); create view v as select * from orders; insert into customers (mood) values ('ok');
	create table schema_migrations (version bigint not null primary key, dirty boolean not null); insert into schema_migrations values (2, false)`

func (b *bundle) unadopted(t *testing.T, schema string) provision.Unadopted {
	t.Helper()
	found, err := b.p.Unadopted(b.ctx, []string{schema})
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

func TestASchemaOfOthersIsAdopted(t *testing.T) {
	t.Parallel()
	bothAdministrators(t, func(t *testing.T, b *bundle) {
		s := shop(t)
		b.opts.Streams = []*stream.Stream{s}
		b.p = b.open(t, b.opts)
		b.foreign(t, "client_a", atTwo+`; create table own (a int)`)
		a := spec("a", "shop")
		a.Schema = "client_a"
		before := b.contents(t, "client_a")

		// Unprepared, all that is there counts; nothing was made by the look.
		plan, err := b.p.PlanAdoption(b.ctx, a, b.unadopted(t, "client_a"), nil)
		require.NoError(t, err)
		require.False(t, plan.Exact)
		require.Equal(t, "0", b.text(t, `select count(*)::text from pg_roles where rolname like 'PREFIX_tenantctl%'`))

		if b.opts.DSN != b.root.Config().ConnString() && plan.Refused != nil { // a managed administrator has to be let
			require.ErrorContains(t, plan.Refused, "isn't a member of that role")
			require.Contains(t, tenant.Hints(plan.Refused)[0], "have somebody who may: grant ")
			_, err := b.p.Adopt(b.ctx, a, nil)
			require.ErrorIs(t, err, tenant.ErrRefused)
			b.exec(t, `grant PREFIX_app to `+b.administrator(t))
		}
		outcome, err := b.p.Adopt(b.ctx, a, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"table client_a.own of " + b.opts.RolePrefix + "app"}, outcome.Foreign)
		require.Equal(t, before, b.contents(t, "client_a"), "no row and no definition changed")
		b.requireDeclared(t, a)
		require.Equal(t, b.opts.RolePrefix+"tenantctl_owner__shop", b.text(t, `select string_agg(distinct tableowner, ' ') from pg_tables where schemaname = 'client_a' and tablename <> 'own'`))
		require.Equal(t, b.opts.RolePrefix+"app", b.text(t, `select tableowner from pg_tables where schemaname = 'client_a' and tablename = 'own'`))
		require.Equal(t, "true", b.text(t, `select has_schema_privilege('PREFIX_app', 'client_a', 'CREATE')::text`), "who has something left there keeps his way to it")
		require.Equal(t, "false", b.text(t, `select has_table_privilege('PREFIX_reader', 'client_a.orders', 'SELECT')::text`))
		status, err := b.records.Tenant(b.ctx, "a")
		require.NoError(t, err)
		require.Equal(t, tenant.RoutePlatform, status.Route)
		require.Equal(t, map[string]tenant.Version{"shop": {Number: 2}}, status.Versions)

		// Once more: nothing to do. And the stream goes on in the tenant's hands.
		again, err := b.p.Adopt(b.ctx, a, nil)
		require.NoError(t, err)
		require.Empty(t, again.Steps)
		hands, err := b.p.Hands(a, "shop")
		require.NoError(t, err)
		_, err = stream.Apply(b.ctx, b.root, stream.Target{Schema: "client_a", Role: hands.Role, Path: hands.Path, Grants: hands.Grants, Record: true}, s, 3)
		require.NoError(t, err)
		b.requireDeclared(t, a)
		require.Empty(t, as(t, b.login(t, "c1", "shop"), b.opts.RolePrefix+"t_a__shop", "client_a", `insert into orders values (1, 1, 'x')`))
	})
}

// contents are a schema's definitions and rows, without owners and privileges.
func (b *bundle) contents(t *testing.T, schema string) string {
	t.Helper()
	tools, err := postgres.FindTools()
	require.NoError(t, err)
	out, err := tools.Run(b.ctx, "pg_dump", b.root.Config().ConnString(), "--schema="+schema, "--restrict-key=x", "--inserts", "--no-owner", "--no-acl", "--no-comments")
	require.NoError(t, err)
	return string(out)
}

func (b *bundle) administrator(t *testing.T) string {
	t.Helper()
	config, err := pgx.ParseConfig(b.opts.DSN)
	require.NoError(t, err)
	return postgres.Ident(config.User)
}

func TestAdoptionIsPlanned(t *testing.T) {
	t.Parallel()
	b := setup(t, superuser)
	b.opts.Streams = []*stream.Stream{shop(t)}
	b.p = b.open(t, b.opts)
	require.NoError(t, b.p.Prepare(b.ctx))
	b.foreign(t, "client_a", atTwo+`; create table own (a int); drop view v`)
	a := spec("a", "shop")
	a.Schema = "client_a"
	plan, err := b.p.PlanAdoption(b.ctx, a, b.unadopted(t, "client_a"), nil)
	require.NoError(t, err)
	require.NoError(t, plan.Refused)
	require.True(t, plan.Exact)
	require.Equal(t, map[string]tenant.Version{"shop": {Number: 2}}, plan.Versions)
	require.Equal(t, 5, plan.Handed, "tables, type and function; the sequence follows")
	require.Equal(t, []string{"view v"}, plan.Missing)
	require.Equal(t, []string{"table client_a.own of " + b.opts.RolePrefix + "app"}, plan.Foreign)
	require.Empty(t, plan.Losing, "both have something there that stays theirs")
	require.Equal(t, "", b.unadopted(t, "client_a").Mark, "nothing was done")
}

func TestWhatStandsInTheWayOfAnAdoptionIsNamed(t *testing.T) {
	t.Parallel()
	b := setup(t, superuser)
	b.opts.Streams = []*stream.Stream{shop(t)}
	b.p = b.open(t, b.opts)
	seven := uint64(7)
	for name, test := range map[string]struct {
		sql, refused string
		look         string
		at           *uint64
	}{
		"dirty":  {sql: atTwo + `; update schema_migrations set dirty = true; drop view v`, refused: "is dirty at version 2 of shop", look: "002_b.up.sql:1: create view v as select * …: isn't there"},
		"ahead":  {sql: atTwo + `; update schema_migrations set version = 9`, refused: "version 9 of shop (it has 1 to 3)"},
		"none":   {sql: `create table customers (id int)`, refused: "has no version of shop in schema_migrations"},
		"wrong":  {sql: `create table customers (id int)`, refused: "version 7 of shop (it has 1 to 3)", at: &seven},
		"rails":  {sql: `create table schema_migrations (version varchar); create table ar_internal_metadata (key text)`, refused: "is Rails', not golang-migrate's"},
		"theirs": {sql: atTwo + `; comment on schema client_theirs is 'tenantctl:other:x'`, refused: "bears another's mark, tenantctl:other:x"},
		"noted":  {sql: atTwo + `; comment on schema client_noted is 'big customer'`, refused: "has a comment, \"big customer\""},
	} {
		b.foreign(t, "client_"+name, test.sql)
		a := spec(tenant.Name(name), "shop")
		a.Schema = "client_" + name
		plan, err := b.p.PlanAdoption(b.ctx, a, b.unadopted(t, a.Schema), test.at)
		require.NoError(t, err)
		require.ErrorContains(t, plan.Refused, test.refused)
		require.NotEmpty(t, tenant.Hints(plan.Refused))
		if test.look != "" {
			require.Contains(t, plan.Look, test.look)
		}
		_, err = b.p.Adopt(b.ctx, a, test.at)
		require.ErrorContains(t, err, test.refused)
	}
	_, err := b.records.Tenant(b.ctx, "dirty")
	require.ErrorIs(t, err, tenant.ErrNotFound)
}

// A fleet of Django's or Rails' own migrations is no stream's: nothing in it changes hands, and its application goes on.
func TestAFleetWithoutAStreamKeepsItsOwners(t *testing.T) {
	t.Parallel()
	bothAdministrators(t, func(t *testing.T, b *bundle) {
		b.exec(t, `create table public.customers_client (id serial primary key, schema_name varchar(63) unique, name text);
			create table public.customers_domain (id serial primary key, domain varchar(253), is_primary boolean, tenant_id int references public.customers_client);
			insert into public.customers_client (schema_name) values ('public'), ('acme'), ('gone'); grant select on public.customers_client to public`)
		b.foreign(t, "acme", `create table django_migrations (id serial primary key, app text); create table app_thing (id int primary key)`)
		if b.opts.DSN != b.root.Config().ConnString() {
			b.exec(t, `grant PREFIX_app to `+b.administrator(t))
		}
		schemas, err := b.p.DjangoTenants(b.ctx)
		require.NoError(t, err)
		require.Equal(t, []string{"acme", "gone"}, schemas)
		a := spec("acme")
		a.Schema = "acme"
		_, err = b.p.Adopt(b.ctx, a, nil)
		require.NoError(t, err)
		b.requireDeclared(t, a)
		require.Equal(t, b.opts.RolePrefix+"app", b.text(t, `select string_agg(distinct tableowner, ' ') from pg_tables where schemaname = 'acme'`))
		b.exec(t, `set role PREFIX_app; create table acme.another (a int); insert into acme.app_thing values (1); reset role; set role PREFIX_reader; select * from acme.app_thing; reset role`)
		b.requireDeclared(t, a)
		statuses, err := b.records.Statuses(b.ctx, registry.StatusFilter{})
		require.NoError(t, err)
		require.Len(t, statuses, 1)
	})
}

// A process that died behind its transaction leaves a schema with the mark: the next one goes on.
func TestAnAdoptionThatWasInterruptedGoesOn(t *testing.T) {
	t.Parallel()
	b := setup(t, superuser)
	b.opts.Streams = []*stream.Stream{shop(t)}
	b.p = b.open(t, b.opts)
	require.NoError(t, b.p.Prepare(b.ctx))
	b.foreign(t, "client_a", atTwo)
	b.exec(t, `alter schema client_a owner to PREFIX_tenantctl_admin; comment on schema client_a is 'tenantctl:`+b.opts.Control+`:a'; alter table client_a.orders owner to PREFIX_tenantctl_owner__shop`)
	a := spec("a", "shop")
	a.Schema = "client_a"
	_, err := b.p.Adopt(b.ctx, a, nil)
	require.NoError(t, err)
	b.requireDeclared(t, a)
	other := spec("b", "shop")
	other.Schema = "client_a"
	_, err = b.p.Adopt(b.ctx, other, nil)
	require.ErrorContains(t, err, `schema "client_a" is "a"'s, by its mark`)
}

// What has no version row stands where it is said to.
func TestABaselineIsAdopted(t *testing.T) {
	t.Parallel()
	b := setup(t, managed)
	b.opts.Streams = []*stream.Stream{shop(t)}
	b.p = b.open(t, b.opts)
	b.foreign(t, "client_a", `create type mood as enum ('ok'); create table customers (id serial primary key, mood mood); create function f(mood) returns int language sql as 'select 1'`)
	b.exec(t, `grant PREFIX_app to `+b.administrator(t))
	a, one := spec("a", "shop"), uint64(1)
	a.Schema = "client_a"
	_, err := b.p.Adopt(b.ctx, a, &one)
	require.NoError(t, err)
	b.requireDeclared(t, a)
	require.Equal(t, "1 false "+b.opts.RolePrefix+"tenantctl_owner__shop", b.text(t, `select version || ' ' || dirty || ' ' || (select tableowner from pg_tables where schemaname = 'client_a' and tablename = 'schema_migrations') from client_a.schema_migrations`))
}

// A file that was edited on purpose is taken as it is, once somebody says so.
func TestEditedFilesAreTakenAsTheyAre(t *testing.T) {
	t.Parallel()
	b := setup(t, managed)
	b.opts.Streams = []*stream.Stream{readFiles(t, "shop", map[string]string{"001_a": "create table a (x int)"})}
	b.p = b.open(t, b.opts)
	a := spec("a", "shop")
	b.provision(t, a)
	edited := readFiles(t, "shop", map[string]string{"001_a": "create table a (x int); -- why"})
	b.opts.Streams = []*stream.Stream{edited}
	b.p = b.open(t, b.opts)
	found, err := b.p.Edited(b.ctx, a, []string{"shop"})
	require.NoError(t, err)
	require.Len(t, found.Differences["shop"], 1)
	_, err = b.p.Rebaseline(b.ctx, a, []string{"shop"})
	require.NoError(t, err)
	again, err := b.p.Rebaseline(b.ctx, a, []string{"shop"})
	require.NoError(t, err)
	require.Empty(t, again.Differences)
	stands, err := stream.Stands(b.ctx, b.root, edited, []string{"tenant_a"})
	require.NoError(t, err)
	require.True(t, edited.Same(stands["tenant_a"]))
	b.exec(t, `update tenant_a.schema_migrations_shop set dirty = true`)
	_, err = b.p.Rebaseline(b.ctx, a, []string{"shop"})
	require.ErrorIs(t, err, tenant.ErrConflict)
}
