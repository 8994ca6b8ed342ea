package provision_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/postgres"
	"tenantctl/internal/provision"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

func TestProvisionAndAgain(t *testing.T) {
	t.Parallel()
	bothAdministrators(t, func(t *testing.T, b *bundle) {
		s := spec("client-x", "core", "billing")
		plans, err := b.p.Plan(b.ctx, s)
		require.NoError(t, err)
		require.Len(t, plans[0].Steps, 4)

		outcomes := b.provision(t, s)
		require.Len(t, outcomes[0].Steps, 4)
		require.Equal(t, "c1", outcomes[0].Cell)
		b.requireDeclared(t, s)
		require.Empty(t, b.provision(t, s)[0].Steps)

		status, err := b.records.Tenant(b.ctx, "client-x")
		require.NoError(t, err)
		require.Equal(t, tenant.Active, status.State)
		require.Equal(t, map[string]tenant.Version{"core": {Number: 7}, "billing": {Number: 1}}, status.Versions)
		require.Equal(t, 100, status.Limits.RequestsPerSecond)
		require.Equal(t, "c1", status.Cell)
		events, err := b.records.Events(b.ctx, 0, registry.EventFilter{Tenant: "client-x", Types: []string{"tenant.provisioned"}})
		require.NoError(t, err)
		require.Len(t, events, 1)
	})
}

// drifts are what somebody may do to a tenant behind our back. Each is to be found and healed.
func drifts() map[string]string {
	return map[string]string{
		"revoke a grant":            `revoke select on tenant_client_x.orders from PREFIX_t_client_x__core`,
		"revoke on a sequence":      `revoke usage on sequence tenant_client_x.receipt_number from PREFIX_t_client_x__billing`,
		"revoke on a function":      `revoke execute on function tenant_client_x.monthly from PREFIX_t_client_x__billing`,
		"revoke on the schema":      `revoke usage on schema tenant_client_x from PREFIX_t_client_x__core`,
		"revoke from an owner":      `revoke create on schema tenant_client_x from PREFIX_tenantctl_owner__core`,
		"drop a membership":         `revoke PREFIX_t_client_x__core from PREFIX_tenantctl_c1__core`,
		"leave the group":           `revoke PREFIX_tenantctl_tenants from PREFIX_t_client_x__core`,
		"grant more":                `grant truncate on tenant_client_x.orders to PREFIX_t_client_x__core`,
		"grant to another service":  `grant select on tenant_client_x.orders to PREFIX_t_client_x__billing`,
		"grant to a neighbor":       `grant select on tenant_client_x.orders to PREFIX_t_client_y__core`,
		"grant to public":           `grant select on tenant_client_x.orders to public`,
		"grant a column":            `grant select (name) on tenant_client_x.customers to public`,
		"grant a column of its own": `grant references (code) on tenant_client_x.customers to PREFIX_t_client_x__core`,
		"grant the version table":   `grant update on tenant_client_x.schema_migrations_core to PREFIX_t_client_x__core`,
		"grant the schema":          `grant create on schema tenant_client_x to PREFIX_t_client_x__core; grant usage on schema tenant_client_x to public`,
		"let a neighbor in":         `grant PREFIX_t_client_x__core to PREFIX_t_client_y__core`,
		"join a neighbor":           `grant PREFIX_t_client_y__billing to PREFIX_t_client_x__core`,
		"let log in":                `alter role PREFIX_t_client_x__core login createdb`,
		"drop a role":               `drop owned by PREFIX_t_client_x__billing; drop role PREFIX_t_client_x__billing`,
		"drop the schema":           `drop schema tenant_client_x cascade`,
	}
}

func TestDriftIsFoundAndHealed(t *testing.T) {
	t.Parallel()
	bothAdministrators(t, func(t *testing.T, b *bundle) {
		x, y := spec("client-x", "core", "billing"), spec("client-y", "core", "billing")
		b.provision(t, x, y)
		before := b.privileges(t)
		for name, sql := range drifts() {
			b.exec(t, sql)
			plans, err := b.p.Plan(b.ctx, x)
			require.NoError(t, err, name)
			require.NotEmpty(t, plans[0].Steps, name)
			outcome, err := b.p.Apply(b.ctx, x, plans[0])
			require.NoError(t, err, name)
			require.NotEmpty(t, outcome.Steps, name)
			b.requireDeclared(t, x, y)
			require.Equal(t, before, b.privileges(t), name)
		}
	})
}

// privileges is every privilege and membership that concerns the tenants, as PostgreSQL tells it.
func (b *bundle) privileges(t *testing.T) string {
	t.Helper()
	return b.text(t, `select string_agg(line, E'\n' order by line) from (
		select format('%s %s %s', c.oid::regclass, c.relowner::regrole, array(select unnest(coalesce(relacl, acldefault(case relkind when 'S' then 's'::"char" else 'r'::"char" end, relowner)))::text order by 1)) as line from pg_class c
		where relnamespace in (select oid from pg_namespace where starts_with(nspname, 'tenant_'))
		union all select format('%s %s', p.oid::regprocedure, array(select unnest(coalesce(proacl, acldefault('f', proowner)))::text order by 1)) from pg_proc p
		where pronamespace in (select oid from pg_namespace where starts_with(nspname, 'tenant_'))
		union all select format('%s %s', nspname, array(select unnest(nspacl)::text order by 1)) from pg_namespace where starts_with(nspname, 'tenant_')
		union all select format('%s in %s', member::regrole, roleid::regrole) from pg_auth_members where starts_with(member::regrole::text, 'PREFIX_')
		union all select format('%s %s %s', rolname, rolcanlogin, rolcreatedb) from pg_roles where starts_with(rolname, 'PREFIX_')) as lines`)
}

func TestWhatOthersMadeIsRefused(t *testing.T) {
	t.Parallel()
	bothAdministrators(t, func(t *testing.T, b *bundle) {
		for name, tc := range map[tenant.Name]struct{ sql, undo string }{
			"schema":  {`create schema tenant_schema`, `drop schema tenant_schema`},
			"role":    {`create role PREFIX_t_role__core`, `drop role PREFIX_t_role__core`},
			"control": {`create schema tenant_control; comment on schema tenant_control is 'tenantctl:other:control'`, `drop schema tenant_control`},
			"tenant":  {`create role PREFIX_t_tenant__core; comment on role PREFIX_t_tenant__core is 'tenantctl:` + b.opts.Control + `:another'`, `drop role PREFIX_t_tenant__core`},
		} {
			b.exec(t, tc.sql)
			_, err := b.p.Provision(b.ctx, spec(name, "core"))
			require.ErrorIs(t, err, tenant.ErrConflict, name)
			require.NotEmpty(t, tenant.Hints(err), name)
			require.Equal(t, "0", b.text(t, `select count(*)::text from pg_class where relnamespace = to_regnamespace('tenant_`+name.Ident()+`')`))
			b.exec(t, tc.undo)
			b.provision(t, spec(name, "core"))
		}
	})
}

func TestAnInstanceOfOthersIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, managed)
	b.exec(t, `create role PREFIX_tenantctl_admin`)
	require.ErrorIs(t, b.p.Prepare(b.ctx), tenant.ErrConflict)
	b.exec(t, `drop role PREFIX_tenantctl_admin; create schema ext`)
	require.ErrorIs(t, b.p.Prepare(b.ctx), tenant.ErrConflict)
	b.exec(t, `drop schema ext`)
	require.NoError(t, b.p.Prepare(b.ctx))
	require.Equal(t, "true", b.text(t, `select has_schema_privilege('public', 'ext', 'usage')::text`), "it is on every statement's path")
	other := b.opts
	other.Control = "another"
	require.ErrorIs(t, b.open(t, other).Prepare(b.ctx), tenant.ErrConflict, "another control database")
}

func TestManyAtOnceFromManyProcesses(t *testing.T) {
	t.Parallel()
	bothAdministrators(t, func(t *testing.T, b *bundle) {
		var specs []tenant.Spec
		for i := range 12 {
			specs = append(specs, spec(tenant.Name(fmt.Sprintf("t%d", i)), "core", "billing"))
		}
		errs := make([]error, 3)
		var wait sync.WaitGroup
		for i := range errs {
			p := b.open(t, b.opts) // as another process has it
			wait.Go(func() { _, errs[i] = p.ProvisionAll(b.ctx, specs, nil) })
		}
		wait.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		b.requireDeclared(t, specs...)
		require.Empty(t, b.templates(t))
	})
}

// templates lists the schemas that templates were taken from.
func (b *bundle) templates(t *testing.T) string {
	t.Helper()
	return b.text(t, `select coalesce(string_agg(nspname, ','), '') from pg_namespace where starts_with(nspname, 'tenantctl_template')`)
}

func TestIsolation(t *testing.T) {
	t.Parallel()
	bothAdministrators(t, func(t *testing.T, b *bundle) {
		opts := b.opts
		opts.TenantsPerCell = 1
		p := b.open(t, opts)
		outcomes, err := p.ProvisionAll(b.ctx, []tenant.Spec{spec("x", "core", "billing"), spec("y", "core", "billing")}, nil)
		require.NoError(t, err)
		cells := map[tenant.Name]string{}
		for _, outcome := range outcomes {
			cells[outcome.Tenant] = outcome.Cell
		}
		require.NotEqual(t, cells["x"], cells["y"])
		conn := b.login(t, cells["x"], "core")
		role := func(name, service string) string { return b.opts.RolePrefix + "t_" + name + "__" + service }

		require.Empty(t, as(t, conn, role("x", "core"), "tenant_x", `insert into customers (code, name) values ('a', 'A'); `))
		require.Empty(t, as(t, conn, role("x", "core"), "tenant_x", `insert into products (name) values ('P')`))
		require.Empty(t, as(t, conn, role("x", "core"), "tenant_x", `select * from order_totals`))

		require.Equal(t, forbidden, as(t, conn, role("y", "core"), "tenant_y", `select 1`), "a tenant of another cell")
		require.Equal(t, forbidden, as(t, conn, role("x", "billing"), "tenant_x", `select 1`), "the role of another service")
		require.Equal(t, forbidden, as(t, conn, role("x", "core"), "tenant_x", `select * from plans`), "a table of another service")
		require.Equal(t, forbidden, as(t, conn, role("x", "core"), "tenant_x", `select * from tenant_y.customers`), "a neighbor's table")
		require.Equal(t, forbidden, as(t, conn, role("x", "core"), "tenant_x", `create table mine ()`))
		require.Equal(t, forbidden, as(t, conn, role("x", "core"), "tenant_x", `truncate customers`))
		require.Equal(t, forbidden, as(t, conn, role("x", "core"), "tenant_x", `drop table customers`), "not the owner")
		require.Equal(t, forbidden, as(t, conn, role("x", "core"), "tenant_x", `update schema_migrations_core set version = 9`))
		require.Equal(t, forbidden, as(t, conn, role("x", "core"), "tenant_x", `select * from tenantctl_instance.template`))
		require.Equal(t, forbidden, as(t, conn, role("x", "core"), "tenant_x", `select tenant_x.monthly(null)`), "functions are not PUBLIC's")

		_, err = conn.Exec(b.ctx, `select * from tenant_x.customers`)
		require.Equal(t, forbidden, postgres.Code(err), "a login is no tenant until it becomes one")

		billing := b.login(t, cells["x"], "billing")
		require.Empty(t, as(t, billing, role("x", "billing"), "tenant_x",
			`with p as (insert into plans (cycle, rebate) values ('year', 5) returning *) select monthly(p::plans) from p`))
		require.Empty(t, as(t, billing, role("x", "billing"), "tenant_x",
			`insert into subscriptions (customer_code, plan_id, started) values ('a', 1, '2019-01-01')`), "across services, through the foreign key")
	})
}

func TestSuspendAndResume(t *testing.T) {
	t.Parallel()
	bothAdministrators(t, func(t *testing.T, b *bundle) {
		x, y := spec("x", "core"), spec("y", "core")
		_, err := b.p.Suspend(b.ctx, x, "")
		require.Error(t, err, "there is nothing to suspend")
		b.provision(t, x, y)
		conn := b.login(t, "c1", "core")
		roleX, roleY := b.opts.RolePrefix+"t_x__core", b.opts.RolePrefix+"t_y__core"
		require.Empty(t, as(t, conn, roleX, "tenant_x", `select * from orders`))

		_, err = b.p.Suspend(b.ctx, x, "unpaid")
		require.NoError(t, err)
		require.Equal(t, forbidden, as(t, conn, roleX, "tenant_x", `select * from orders`), "also for a session that was there before")
		require.Empty(t, as(t, conn, roleY, "tenant_y", `select * from orders`))
		suspended := x
		suspended.State = tenant.Suspended
		b.requireDeclared(t, suspended)
		status, err := b.records.Tenant(b.ctx, "x")
		require.NoError(t, err)
		require.Equal(t, tenant.Suspended, status.State)

		_, err = b.p.Resume(b.ctx, x, "paid")
		require.NoError(t, err)
		require.Empty(t, as(t, conn, roleX, "tenant_x", `select * from orders`))
		b.requireDeclared(t, x)
	})
}

func TestAServiceIsAddedAndTakenAway(t *testing.T) {
	t.Parallel()
	bothAdministrators(t, func(t *testing.T, b *bundle) {
		b.provision(t, spec("x", "core"))
		both := spec("x", "billing", "core") // in any order
		plans, err := b.p.Plan(b.ctx, both)
		require.NoError(t, err)
		require.NotEmpty(t, plans[0].Steps)
		b.provision(t, both)
		b.requireDeclared(t, both)
		conn := b.login(t, "c1", "billing")
		role := b.opts.RolePrefix + "t_x__billing"
		require.Empty(t, as(t, conn, role, "tenant_x", `select * from active_plans`))

		b.provision(t, spec("x", "core"))
		b.requireDeclared(t, spec("x", "core"))
		require.Equal(t, forbidden, as(t, conn, role, "tenant_x", `select 1`))
		require.Equal(t, "plans", b.text(t, `select relname from pg_class where oid = to_regclass('tenant_x.plans')`), "its data stay")
	})
}

func TestForeignObjectsAreListedAndLeftAlone(t *testing.T) {
	t.Parallel()
	b := setup(t, managed)
	x := spec("x", "core")
	b.provision(t, x)
	b.exec(t, `create role PREFIX_analyst; create table tenant_x.notes (); grant select on tenant_x.notes to public; alter table tenant_x.notes owner to PREFIX_analyst`)
	plans, err := b.p.Plan(b.ctx, x)
	require.NoError(t, err)
	require.Empty(t, plans[0].Steps)
	require.Equal(t, []string{"table tenant_x.notes of " + b.opts.RolePrefix + "analyst"}, plans[0].Foreign)
}

func TestNamesAtTheirBounds(t *testing.T) {
	t.Parallel()
	b := setup(t, managed)
	long := spec(tenant.Name(strings.Repeat("n", 40)), "core")
	schema, err := long.Name.SchemaFor(`We"ird Ünïcode {tenant}` + strings.Repeat("x", 63-len(`We"ird Ünïcode `)-40))
	require.NoError(t, err)
	require.Len(t, schema, 63)
	long.Schema = schema
	b.provision(t, long)
	b.requireDeclared(t, long)
	conn := b.login(t, "c1", "core")
	require.Empty(t, as(t, conn, b.opts.RolePrefix+"t_"+string(long.Name)+"__core", schema, `insert into products (name) values ('x')`))

	too := spec("t", "core")
	too.Schema = strings.Repeat("x", 64)
	_, err = b.p.Provision(b.ctx, too)
	require.ErrorIs(t, err, tenant.ErrInvalid)
	_, err = b.p.Provision(b.ctx, spec(tenant.Name(strings.Repeat("n", 40)), "a-service-of-a-very-long-name"))
	require.ErrorIs(t, err, tenant.ErrInvalid)
	_, err = b.p.Provision(b.ctx, spec("t", "nosuch"))
	require.ErrorIs(t, err, tenant.ErrInvalid)
	for _, reserved := range []string{"legacy", "owner"} {
		opts := b.opts
		s := *coreStream(t)
		s.Service = reserved
		opts.Streams = append(opts.Streams, &s)
		_, err = provision.Open(b.ctx, opts)
		require.ErrorIs(t, err, tenant.ErrInvalid)
	}
}

func TestOneTenantsTroubleIsNotTheOthers(t *testing.T) {
	t.Parallel()
	b := setup(t, managed)
	b.exec(t, `create schema tenant_bad`)
	var told []tenant.Name
	outcomes, err := b.p.ProvisionAll(b.ctx, []tenant.Spec{spec("a", "core"), spec("bad", "core"), spec("c", "core")},
		func(outcome provision.Outcome) { told = append(told, outcome.Tenant) })
	require.ErrorIs(t, err, tenant.ErrPartial)
	require.ErrorIs(t, err, tenant.ErrConflict)
	require.Len(t, outcomes, 3)
	require.Len(t, told, 3)
	b.requireDeclared(t, spec("a", "core"), spec("c", "core"))
}

func TestAStalePlanIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, managed)
	x := spec("x", "core")
	require.NoError(t, b.p.Prepare(b.ctx))
	plans, err := b.p.Plan(b.ctx, x)
	require.NoError(t, err)
	b.provision(t, x)
	_, err = b.p.Apply(b.ctx, x, plans[0])
	require.ErrorIs(t, err, tenant.ErrConflict)
}

func TestADeletedTenantIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	b := setup(t, managed)
	x := spec("x", "core")
	x.State = tenant.Deleted
	_, err := b.p.Provision(b.ctx, x)
	require.ErrorIs(t, err, tenant.ErrRefused)
}
