package drift_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/drift"
	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

func TestNothingIsFoundOfATenantAsMade(t *testing.T) {
	t.Parallel()
	b := setup(t, zoo(t))
	a, odd := spec("a", "zoo"), spec("odd", "zoo")
	odd.Schema = `An "odd" name`
	animals := spec("animals", "zoo")
	animals.Schema = "animals" // as a table of its own
	b.provision(t, a, odd, animals)
	b.requireNone(t, a, odd, animals)
	prints, err := drift.Fingerprints(b.ctx, b.root, []string{a.Schema, odd.Schema}, []string{b.p.Owner("zoo")})
	require.NoError(t, err)
	require.Equal(t, prints[a.Schema], prints[odd.Schema])
	require.Len(t, prints[a.Schema], 64)
}

// The same drift is told once, however many tenants share it, and however far they are.
func TestTenantsThatShareADifferenceAreOneGroup(t *testing.T) {
	t.Parallel()
	b := setup(t, zoo(t))
	specs := []tenant.Spec{spec("a", "zoo"), spec("b", "zoo"), spec("c", "zoo"), spec("d", "zoo"), spec("e")}
	b.provision(t, specs...)
	second := uint64(2)
	b.revert(t, specs[1], &second)
	for _, schema := range []string{"tenant_a", "tenant_b", "tenant_c"} {
		b.exec(t, `drop index `+schema+`.animals_diet; revoke select on `+schema+`.animals from PREFIX_t_`+schema[len(schema)-1:]+`__zoo`)
	}
	b.exec(t, `alter table tenant_c.animals add extra int; create table tenant_d.mine (a int)`)
	findings := b.check(t, specs...)
	require.Equal(t, "zoo 3", findings[0].Cohort)
	require.Equal(t, "zoo 2", findings[1].Cohort)
	require.Equal(t, "no versions", findings[4].Cohort)
	groups := drift.Groups(findings)
	require.Len(t, groups, 2)
	require.Equal(t, []tenant.Name{"a", "b", "c"}, groups[0].Tenants)
	require.Equal(t, []string{
		b.named("access: make privileges on what PREFIX_tenantctl_owner__zoo owns as declared"), "index animals_diet is missing",
	}, lines(groups[0].Differences))
	require.Equal(t, []tenant.Name{"c"}, groups[1].Tenants)
	require.Empty(t, findings[3].Differences)
	require.Equal(t, []string{"table mine of " + b.root.Config().User}, findings[3].Foreign)
}

// Upgrades, going back and going forward again leave nothing to be found, though columns stand in another order then.
func TestNothingIsFoundAfterUpgradesAndTheWayBack(t *testing.T) {
	t.Parallel()
	all := zoo(t)
	b := setup(t, all)
	b.opts.Versions = map[string]uint64{"zoo": 1}
	b.reopen(t, all)
	a := spec("a", "zoo")
	b.provision(t, a)
	b.requireNone(t, a)
	b.apply(t, a, 2)
	b.requireNone(t, a)
	b.apply(t, a, 3)
	b.requireNone(t, a)
	second := uint64(2)
	b.revert(t, a, &second)
	b.requireNone(t, a)
	b.apply(t, a, 3)
	b.requireNone(t, a)
	require.Equal(t, "3", b.text(t, `select count(*)::text from tenantctl_instance.reference`), "one for each combination of versions")
	require.Equal(t, "0", b.text(t, `select count(*)::text from pg_namespace where nspname like 'tenantctl_template_%'`))
}

// What a reference is made from that others made and nobody dropped is swept, and one that is kept isn't made again.
func TestReferencesAreKept(t *testing.T) {
	t.Parallel()
	b := setup(t, zoo(t))
	a := spec("a", "zoo")
	b.provision(t, a)
	b.requireNone(t, a)
	b.exec(t, `update tenantctl_instance.reference set objects = objects || jsonb_build_array(jsonb_build_object('kind', 'table', 'name', 'marked', 'owner', 'PREFIX_tenantctl_owner__zoo', 'facts', '{}'::jsonb))`)
	b.reopen(t, b.opts.Streams...)
	require.Equal(t, []string{"table marked is missing"}, lines(b.check(t, a)[0].Differences))
}

// A schema that stands where these files can't follow isn't compared, and the others are.
func TestATenantThatCantBeComparedDoesntHideTheOthers(t *testing.T) {
	t.Parallel()
	b := setup(t, zoo(t))
	a, c := spec("a", "zoo"), spec("c", "zoo")
	b.provision(t, a, c)
	b.exec(t, `update tenant_a.schema_migrations_zoo set version = 9; drop view tenant_c.kept`)
	findings := b.check(t, a, c)
	require.ErrorContains(t, findings[0].Err, "version 9 of zoo (it has 1 to 3)")
	require.Equal(t, []string{"view kept is missing"}, lines(findings[1].Differences))
}

// A lift, and a service that the tenant no longer has, are no drift.
func TestALiftIsNoDrift(t *testing.T) {
	t.Parallel()
	b := setup(t, zoo(t), files(t, "billing", [2]string{"create table bills (animal int references animals)", ""}))
	a := spec("a", "zoo", "billing")
	a.Legacy, a.Mapping = true, "mapping.yaml"
	b.provision(t, a)
	owner, err := b.p.Tenancy(a).Provision(b.ctx, []string{"tenant_a"})
	require.NoError(t, err)
	b.exec(t, `set role `+postgres.Ident(owner)+`; create table tenant_a.own (a int); create index on tenant_a.own (a)`)
	require.NoError(t, b.p.Tenancy(a).Grant(b.ctx, []string{"tenant_a"}))
	b.exec(t, `reset role; create table tenant_a.strange (a int)`)
	a.Services = []string{"zoo"}
	b.provision(t, a)
	found := b.check(t, a)[0]
	require.NoError(t, found.Err)
	require.Empty(t, lines(found.Differences))
	require.Equal(t, "billing 1, zoo 3", found.Cohort)
	require.Equal(t, []string{"table strange of " + b.root.Config().User}, found.Foreign)
}

func (b *bundle) apply(t *testing.T, of tenant.Spec, to uint64) {
	t.Helper()
	_, err := stream.Apply(b.ctx, b.root, b.target(t, of), b.opts.Streams[0], to)
	require.NoError(t, err)
}

func (b *bundle) revert(t *testing.T, of tenant.Spec, to *uint64) {
	t.Helper()
	_, err := stream.Revert(b.ctx, b.root, b.target(t, of), b.opts.Streams[0], to)
	require.NoError(t, err)
}

// target is as an upgrade has it.
func (b *bundle) target(t *testing.T, of tenant.Spec) stream.Target {
	t.Helper()
	hands, err := b.p.Hands(of, of.Services[0])
	require.NoError(t, err)
	return stream.Target{Schema: of.Schema, Role: hands.Role, Path: hands.Path, Grants: hands.Grants, Record: true}
}

// A process that died while it made a reference leaves a schema; the next one that makes any drops it.
func TestWhatADeadProcessLeftIsSwept(t *testing.T) {
	t.Parallel()
	b := setup(t, zoo(t))
	a := spec("a", "zoo")
	b.provision(t, a)
	b.exec(t, `set role PREFIX_tenantctl_admin; create schema tenantctl_template_dead; create table tenantctl_template_dead.t ();
		comment on schema tenantctl_template_dead is 'tenantctl:`+b.opts.Control+`:*template'; reset role`)
	b.requireNone(t, a)
	require.Equal(t, "0", b.text(t, `select count(*)::text from pg_namespace where nspname like 'tenantctl_template_%'`))
}
