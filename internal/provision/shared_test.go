package provision_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// ledger is a stream of scope instance: tenants add rows of their own and read none.
func ledger(t *testing.T, more ...string) *stream.Stream {
	t.Helper()
	ups := map[string]string{"001_ledger": `
		create table ledger (role text not null default current_user, note text not null);
		alter table ledger enable row level security;
		create policy own on ledger for insert with check (role = current_user);
		grant insert on ledger to public`}
	for _, sql := range more {
		ups["002_more"] = sql
	}
	s := readFiles(t, "led-ger", ups)
	s.Scope = stream.PerInstance
	return s
}

func TestAStreamOfScopeInstanceIsThereOnce(t *testing.T) {
	t.Parallel()
	bothAdministrators(t, func(t *testing.T, b *bundle) {
		opts := b.opts
		opts.Streams = []*stream.Stream{ledger(t), coreStream(t)}
		p := b.open(t, opts)
		pending, err := p.PlanShared(b.ctx)
		require.NoError(t, err)
		require.Len(t, pending, 1)
		require.Nil(t, pending[0].From)
		require.EqualValues(t, 1, pending[0].To)
		plans, err := p.Plan(b.ctx, spec("a", "core"))
		require.NoError(t, err)
		require.False(t, plans[0].Empty())

		outcomes, err := p.ProvisionAll(b.ctx, []tenant.Spec{spec("a", "core"), spec("b", "core")}, nil)
		require.NoError(t, err)
		require.Len(t, outcomes, 2)
		again := b.open(t, opts)
		require.NoError(t, again.Prepare(b.ctx))
		pending, err = again.PlanShared(b.ctx)
		require.NoError(t, err)
		require.Empty(t, pending)
		plans, err = again.Plan(b.ctx, spec("a", "core"))
		require.NoError(t, err)
		require.True(t, plans[0].Empty(), "the instance's tables are no tenant's business")
		require.Equal(t, "1", b.text(t, `select count(*)::text from pg_namespace where nspname = 'led_ger'`))
		require.Equal(t, b.opts.RolePrefix+"tenantctl_owner__led_ger", b.text(t, `select pg_get_userbyid(relowner)::text from pg_class where oid = 'led_ger.ledger'::regclass`))
	})
}

func TestTenantsAddRowsOfTheirOwnAndReadNone(t *testing.T) {
	t.Parallel()
	b := setup(t, managed)
	opts := b.opts
	opts.Streams = []*stream.Stream{ledger(t), coreStream(t)}
	p := b.open(t, opts)
	_, err := p.ProvisionAll(b.ctx, []tenant.Spec{spec("a", "core"), spec("b", "core")}, nil)
	require.NoError(t, err)
	service := b.login(t, "c1", "core")
	_, err = service.Exec(b.ctx, `insert into led_ger.ledger (note) values ('as nobody')`)
	require.ErrorContains(t, err, "permission denied", "a service's login is nobody until it takes a tenant's role")
	require.Empty(t, as(t, service, opts.RolePrefix+"t_a__core", "led_ger", `insert into led_ger.ledger (note) values ('mine')`))
	require.Empty(t, as(t, service, opts.RolePrefix+"t_b__core", "led_ger", `insert into led_ger.ledger (note) values ('mine')`))
	require.Equal(t, forbidden, as(t, service, opts.RolePrefix+"t_a__core", "led_ger", `insert into led_ger.ledger (role, note) values ('`+opts.RolePrefix+`t_b__core', 'forged')`))
	require.Equal(t, forbidden, as(t, service, opts.RolePrefix+"t_a__core", "led_ger", `select note from led_ger.ledger`))
	require.Equal(t, forbidden, as(t, service, opts.RolePrefix+"t_a__core", "led_ger", `delete from led_ger.ledger`))
	require.Equal(t, forbidden, as(t, service, opts.RolePrefix+"t_a__core", "led_ger", `select version from led_ger."schema_migrations_led-ger"`))
	require.Equal(t, forbidden, as(t, service, opts.RolePrefix+"t_a__core", "led_ger", `create table led_ger.mine (id int)`))

	own := b.login(t, "shared", "led-ger")
	var rows int
	require.NoError(t, own.QueryRow(b.ctx, `select count(*) from led_ger.ledger`).Scan(&rows))
	require.Equal(t, 2, rows, "the service itself sees all")
	_, err = own.Exec(b.ctx, `drop table led_ger.ledger`)
	require.ErrorContains(t, err, "must be owner")
}

func TestAnInstancesStreamGoesForwardAndNeverBack(t *testing.T) {
	t.Parallel()
	b := setup(t, managed)
	opts := b.opts
	opts.Streams = []*stream.Stream{ledger(t), coreStream(t)}
	require.NoError(t, b.open(t, opts).Prepare(b.ctx))
	newer := opts
	newer.Streams = []*stream.Stream{ledger(t, `create table pages (role text not null); alter table pages enable row level security`), coreStream(t)}
	p := b.open(t, newer)
	pending, err := p.PlanShared(b.ctx)
	require.NoError(t, err)
	require.EqualValues(t, 1, *pending[0].From)
	require.EqualValues(t, 2, pending[0].To)
	require.NoError(t, p.Prepare(b.ctx))
	require.NoError(t, b.open(t, opts).Prepare(b.ctx), "an older release leaves what a newer one made")
	require.Equal(t, "2", b.text(t, `select version::text from led_ger."schema_migrations_led-ger"`))
	own := b.login(t, "shared", "led-ger")
	_, err = own.Exec(b.ctx, `insert into led_ger.pages values ('x')`)
	require.NoError(t, err, "what comes later is the service's, too")
}

func TestASchemaOfSomebodyElsesIsLeftAlone(t *testing.T) {
	t.Parallel()
	b := setup(t, superuser)
	_, err := b.root.Exec(b.ctx, `create schema led_ger`)
	require.NoError(t, err)
	opts := b.opts
	opts.Streams = []*stream.Stream{ledger(t)}
	err = b.open(t, opts).Prepare(b.ctx)
	require.ErrorIs(t, err, tenant.ErrConflict)
	require.NotEmpty(t, tenant.Hints(err))
}
