package upgrade_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

func second() files {
	return base().and("002_more", "alter table customers add city text; create table notes (id int)", "drop table notes; alter table customers drop city")
}

func TestAFleetGoesThroughItsWaves(t *testing.T) {
	t.Parallel()
	b := setup(t, base(), 11)
	b.provision(t, base(), "canary", "c1", "c2")
	report, err := b.upgrade(t, second())
	require.NoError(t, err)
	require.Equal(t, upgrade.Done, report.Rollout.State)
	require.Equal(t, map[upgrade.Result]int{upgrade.Upgraded: 13}, results(report))
	require.Equal(t, "2: c1 c2 t01 t02 t03 t04 t05 t06 t07 t08 t09 t10 t11", b.versions(t))
	var sizes []string
	for _, wave := range b.seen.waves {
		sizes = append(sizes, fmt.Sprint(wave.Ring, " ", wave.Size))
	}
	require.Equal(t, []string{"canary 2", "general 2", "general 4", "general 5"}, sizes)
	require.Equal(t, []tenant.Name{"c1", "c2"}, b.seen.ended[:2])
	// The service may use what was made, and provisioning finds nothing to mend.
	plans, err := b.provisioner(t, second()).Plan(b.ctx, spec("t01", "general"))
	require.NoError(t, err)
	require.Empty(t, plans[0].Steps)
	// The records tell it, too.
	status, err := b.records.Tenant(b.ctx, "t05")
	require.NoError(t, err)
	require.Equal(t, map[string]tenant.Version{service: {Number: 2}}, status.Versions)

	u := b.upgrader(t, second())
	members, err := b.members(b.ctx)
	require.NoError(t, err)
	p, err := u.Plan(b.ctx, members)
	require.NoError(t, err)
	require.True(t, p.Empty())
	require.Equal(t, 13, p.Current)
	_, err = u.Run(b.ctx, report.Rollout.ID)
	require.ErrorIs(t, err, tenant.ErrConflict, "there is nothing to resume")
}

func TestOneOfFortyFailsByItsData(t *testing.T) {
	t.Parallel()
	b := setup(t, base(), 40)
	b.exec(t, `insert into tenant_t03.customers values (1)`)
	strict := base().and("002_strict", "create table notes ();\n\nalter table customers alter name set not null", "drop table notes; alter table customers alter name drop not null")
	report, err := b.upgrade(t, strict)
	require.ErrorIs(t, err, tenant.ErrPartial)
	require.Equal(t, upgrade.Partial, report.Rollout.State)
	require.Equal(t, map[upgrade.Result]int{upgrade.Upgraded: 39, upgrade.Failed: 1}, results(report))
	failed := outcomeOf(t, report, "t03")
	require.Equal(t, &upgrade.Failure{
		Service: service, File: "002_strict.up.sql", Line: 3, Statement: "alter table customers alter name set not null", Code: "23502",
		Message: `column "name" of relation "customers" contains null values`,
	}, failed.Failure)
	require.Equal(t, 1, failed.Attempts, "trying again gives the same")
	require.True(t, strings.HasPrefix(b.versions(t), "1: t03; 2: t01"), b.versions(t))
	require.Equal(t, "", b.text(t, `select coalesce(to_regclass('tenant_t03.notes')::text, '')`), "nothing of the file is left")

	b.exec(t, `update tenant_t03.customers set name = 'x'`)
	b.seen.ended = nil
	report, err = b.upgrader(t, strict).Run(b.ctx, report.Rollout.ID)
	require.NoError(t, err)
	require.Equal(t, upgrade.Done, report.Rollout.State)
	require.Equal(t, []tenant.Name{"t03"}, b.seen.ended, "only what failed is tried again")

	report, err = b.upgrader(t, strict).Revert(b.ctx, report.Rollout.ID)
	require.NoError(t, err)
	require.Equal(t, upgrade.RolledBack, report.Rollout.State)
	require.Equal(t, map[upgrade.Result]int{upgrade.Reverted: 40}, results(report))
	require.NotContains(t, b.versions(t), "2:")
	_, err = b.upgrader(t, strict).Revert(b.ctx, report.Rollout.ID)
	require.ErrorIs(t, err, tenant.ErrConflict)
}

func TestTheBudgetStopsAWave(t *testing.T) {
	t.Parallel()
	b := setup(t, base(), 20)
	for i := 3; i <= 10; i++ {
		b.exec(t, fmt.Sprintf(`insert into tenant_t%02d.customers values (1)`, i))
	}
	b.rollout.Budget.Failures = 2
	b.rollout.Rings[1].Parallel = 1
	strict := base().and("002_strict", "alter table customers alter name set not null", "alter table customers alter name drop not null")
	report, err := b.upgrade(t, strict)
	require.ErrorIs(t, err, tenant.ErrPartial)
	require.ErrorContains(t, err, "3 of 8 tenants failed, the budget allows 2")
	require.Equal(t, upgrade.Stopped, report.Rollout.State)
	require.Equal(t, map[upgrade.Result]int{upgrade.Upgraded: 2, upgrade.Failed: 3, upgrade.Pending: 15}, results(report))

	_, err = b.upgrader(t, strict).Begin(b.ctx, upgrade.Proposal{}, upgrade.BeginOptions{})
	require.ErrorIs(t, err, tenant.ErrConflict, "it has to be resumed or rolled back first")
	report, err = b.upgrader(t, strict).Revert(b.ctx, report.Rollout.ID)
	require.NoError(t, err)
	require.Equal(t, map[upgrade.Result]int{upgrade.Reverted: 2, upgrade.Failed: 3, upgrade.Pending: 15}, results(report), "what it never touched isn't touched")
}

func TestAWaveOfFailuresStopsWhateverTheBudgetSays(t *testing.T) {
	t.Parallel()
	b := setup(t, base(), 2)
	b.provision(t, base(), "canary", "c1")
	b.exec(t, `insert into tenant_c1.customers values (1)`)
	report, err := b.upgrade(t, base().and("002_strict", "alter table customers alter name set not null", ""))
	require.ErrorContains(t, err, "every tenant of the wave failed")
	require.Equal(t, map[upgrade.Result]int{upgrade.Failed: 1, upgrade.Pending: 2}, results(report))
}

// A tenant whose table is locked for the whole time is deferred, tried once more, and named with who holds it.
func TestALockedTenantDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	b := setup(t, base(), 12)
	locker, err := b.connect(t).Begin(b.ctx)
	require.NoError(t, err)
	defer func() { _ = locker.Rollback(context.Background()) }()
	_, err = locker.Exec(b.ctx, `lock table tenant_t04.customers in access share mode`)
	require.NoError(t, err)
	report, err := b.upgrade(t, second())
	require.ErrorIs(t, err, tenant.ErrPartial)
	require.Equal(t, map[upgrade.Result]int{upgrade.Upgraded: 11, upgrade.Deferred: 1}, results(report))
	deferred := outcomeOf(t, report, "t04")
	require.Equal(t, 2*b.pace.Attempts, deferred.Attempts)
	require.Equal(t, "55P03", deferred.Failure.Code)
	require.Contains(t, deferred.Failure.Blockers, "tenantctl/test")
	require.NoError(t, locker.Rollback(b.ctx))
	report, err = b.upgrader(t, second()).Run(b.ctx, report.Rollout.ID)
	require.NoError(t, err)
	require.Equal(t, upgrade.Done, report.Rollout.State)
}

func TestIndexesAreBuiltOneAtATimeAndNeverLeftInvalid(t *testing.T) {
	t.Parallel()
	b := setup(t, base(), 6)
	b.exec(t, `insert into tenant_t02.customers values (1, 'a', 'x'), (2, 'b', 'x')`)
	indexed := base().and("002_index", "create unique index concurrently customers_email on customers (email)", "drop index concurrently customers_email")
	report, err := b.upgrade(t, indexed)
	require.ErrorIs(t, err, tenant.ErrPartial)
	require.Equal(t, map[upgrade.Result]int{upgrade.Upgraded: 5, upgrade.Failed: 1}, results(report))
	require.Equal(t, "1: t02; 2: t01 t03 t04 t05 t06", b.versions(t), "not dirty either")
	require.Equal(t, "0", b.text(t, `select count(*)::text from pg_index where not indisvalid`))
	report, err = b.upgrader(t, indexed).Revert(b.ctx, report.Rollout.ID)
	require.NoError(t, err)
	require.Equal(t, "0", b.text(t, `select count(*)::text from pg_class where relname = 'customers_email'`))
	require.Equal(t, upgrade.RolledBack, report.Rollout.State)
}

func TestTwoRolloutsExcludeEachOther(t *testing.T) {
	t.Parallel()
	b := setup(t, base(), 3)
	u := b.upgrader(t, second())
	r := b.begin(t, u)
	lease, err := b.records.Acquire(b.ctx, "rollout", "somebody else")
	require.NoError(t, err)
	_, err = u.Run(b.ctx, r.ID)
	require.ErrorIs(t, err, tenant.ErrLocked)
	require.NoError(t, lease.Release(b.ctx))
	_, err = u.Run(b.ctx, r.ID)
	require.NoError(t, err)
}

// Tenants that change while a rollout runs, each by its rule.
func TestTheFleetChangesMeanwhile(t *testing.T) {
	t.Parallel()
	b := setup(t, base(), 8)
	b.provision(t, base(), "canary", "c1")
	require.NoError(t, b.records.SetState(b.ctx, "t07", tenant.Suspended, "test", ""))
	require.NoError(t, b.records.SetState(b.ctx, "t08", tenant.Archived, "test", ""))
	_, _, err := b.records.Begin(b.ctx, "t06", "migrate", "test", "", nil)
	require.NoError(t, err)
	held, err := b.records.Acquire(b.ctx, registry.LeaseName("t05"), "somebody else")
	require.NoError(t, err)
	defer func() { _ = held.Release(context.Background()) }()
	once := false
	b.seen.after = func(upgrade.Outcome) { // the canary is through
		if once {
			return
		}
		once = true
		b.exec(t, `drop schema tenant_t04 cascade`)
		b.provision(t, base(), "general", "t99")
	}
	report, err := b.upgrade(t, second())
	require.NoError(t, err)
	require.Equal(t, upgrade.Upgraded, outcomeOf(t, report, "t01").Result)
	require.Equal(t, "its schema was dropped meanwhile", outcomeOf(t, report, "t04").Note)
	require.Equal(t, "its work of another process isn't finished; the next upgrade brings it along", outcomeOf(t, report, "t05").Note)
	require.Equal(t, "its migrate isn't finished; the next upgrade brings it along", outcomeOf(t, report, "t06").Note)
	require.Equal(t, upgrade.Upgraded, outcomeOf(t, report, "t07").Result, "what is suspended comes back at the others' version")
	require.Equal(t, "is archived", outcomeOf(t, report, "t08").Note)
	late := outcomeOf(t, report, "t99")
	require.Equal(t, upgrade.Upgraded, late.Result)
	require.Equal(t, len(report.Rollout.Waves), late.Wave, "in a wave of its own")
}

func TestNewTenantsGetWhatTheFleetHas(t *testing.T) {
	t.Parallel()
	b := setup(t, base(), 2)
	versions := func() map[string]uint64 {
		found, err := b.store.VersionsForNew(b.ctx)
		require.NoError(t, err)
		return found
	}
	require.Empty(t, versions(), "no rollout yet: the newest files")
	u := b.upgrader(t, second())
	r := b.begin(t, u)
	require.Equal(t, map[string]uint64{service: 1}, versions(), "while the first one is under way")
	_, err := u.Run(b.ctx, r.ID)
	require.NoError(t, err)
	third := second().and("003_x", "create table x ()", "drop table x")
	require.Equal(t, map[string]uint64{service: 2}, versions(), "not files that nobody rolled out")
	b.begin(t, b.upgrader(t, third))
	require.Equal(t, map[string]uint64{service: 2}, versions())
}

func TestEditedFilesAreRefusedBeforeAnythingRuns(t *testing.T) {
	t.Parallel()
	b := setup(t, base(), 3)
	edited := files{{"001_base", "create table customers (id int)", ""}}.and("002_x", "create table x ()", "")
	members, err := b.members(b.ctx)
	require.NoError(t, err)
	_, err = b.upgrader(t, edited).Plan(b.ctx, members)
	require.ErrorIs(t, err, tenant.ErrConflict)
	require.Regexp(t, `shop: the files aren't those that 3 schemas \(tenant_t01, tenant_t02, tenant_t03\) were made from: 001_base.up.sql \(SHA-256 \w+…\) was applied, 001_base.up.sql \(SHA-256 \w+…\) is there now`, err.Error())
	require.Len(t, tenant.Hints(err), 1)
}

func TestRollbackRefusesBeforehand(t *testing.T) {
	t.Parallel()
	b := setup(t, base(), 3)
	oneWay := base().and("002_gone", "alter table customers drop email", "")
	report, err := b.upgrade(t, oneWay)
	require.NoError(t, err)
	_, err = b.upgrader(t, oneWay).Revert(b.ctx, report.Rollout.ID)
	require.ErrorIs(t, err, tenant.ErrRefused)
	require.ErrorContains(t, err, "shop: no way down for 002_gone.up.sql")
	require.Equal(t, 1, strings.Count(err.Error(), "002_gone"), "said once, not for each tenant")
	require.Equal(t, "2: t01 t02 t03", b.versions(t))

	third := oneWay.and("003_x", "create table x ()", "drop table x")
	later, err := b.upgrade(t, third)
	require.NoError(t, err)
	_, err = b.upgrader(t, third).Revert(b.ctx, report.Rollout.ID)
	require.ErrorIs(t, err, tenant.ErrConflict)
	require.ErrorContains(t, err, "3 tenants were changed since rollout r1")
	_, err = b.upgrader(t, third).Revert(b.ctx, later.Rollout.ID)
	require.NoError(t, err)
	require.Equal(t, "2: t01 t02 t03", b.versions(t))
}

// Sessions that end at any moment: the version is read again, never assumed.
func TestLostSessionsAreMadeUpFor(t *testing.T) {
	t.Parallel()
	b := setup(t, base(), 30)
	killer := b.connect(t)
	b.pace.Attempts = 50
	b.seen.after = func(upgrade.Outcome) {
		b.seen.mutex.Lock()
		defer b.seen.mutex.Unlock()
		_, err := killer.Exec(b.ctx, `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'tenantctl/upgrade/%' and datname = current_database() order by random() limit 1`)
		require.NoError(t, err)
	}
	// Each version counts itself: applied twice it would fail.
	twice := base().and("002_a", "create table a (); select pg_sleep(0.01)", "drop table a").and("003_b", "create table b ()", "drop table b")
	report, err := b.upgrade(t, twice)
	require.NoError(t, err)
	require.Equal(t, map[upgrade.Result]int{upgrade.Upgraded: 30}, results(report))
}

// gate says what it is told to.
type gate struct {
	name     string
	verdicts []upgrade.Verdict
	seen     []upgrade.Passage
}

func (g *gate) Name() string { return g.name }

func (g *gate) Judge(_ context.Context, p upgrade.Passage) (upgrade.Judgement, error) {
	g.seen = append(g.seen, p)
	verdict := upgrade.Pass
	if len(g.verdicts) > 0 {
		verdict, g.verdicts = g.verdicts[0], g.verdicts[1:]
	}
	if verdict == "" {
		return upgrade.Judgement{}, fmt.Errorf("no answer")
	}
	return upgrade.Judgement{Verdict: verdict, Message: "because"}, nil
}

func TestGatesStopPauseAndLetPass(t *testing.T) {
	t.Parallel()
	b := setup(t, base(), 10)
	g := &gate{name: "metrics", verdicts: []upgrade.Verdict{upgrade.Pass, upgrade.Fail}}
	b.gates = []upgrade.Gate{g}
	report, err := b.upgrade(t, second())
	require.ErrorIs(t, err, tenant.ErrStopped)
	require.ErrorContains(t, err, "gate metrics failed: because")
	require.Equal(t, upgrade.Stopped, report.Rollout.State)
	require.Equal(t, map[upgrade.Result]int{upgrade.Upgraded: 5, upgrade.Pending: 5}, results(report))
	require.Len(t, g.seen[1].Upgraded, 5)
	require.Len(t, g.seen[1].Waiting, 5)
	require.Len(t, g.seen[1].Instances, 1)

	g.verdicts = []upgrade.Verdict{upgrade.Inconclusive}
	report, err = b.upgrader(t, second()).Run(b.ctx, report.Rollout.ID)
	require.ErrorIs(t, err, tenant.ErrStopped)
	require.Equal(t, upgrade.Paused, report.Rollout.State)
	g.verdicts = []upgrade.Verdict{""}
	report, err = b.upgrader(t, second()).Run(b.ctx, report.Rollout.ID)
	require.ErrorContains(t, err, "gate metrics can't tell: no answer")
	require.Equal(t, upgrade.Paused, report.Rollout.State, "a gate that can't be asked isn't one that failed")

	g.verdicts = []upgrade.Verdict{upgrade.Fail}
	u := b.upgrader(t, second())
	u.AcceptGate = "known, not ours"
	report, err = u.Run(b.ctx, report.Rollout.ID)
	require.NoError(t, err)
	require.Equal(t, upgrade.Done, report.Rollout.State)
	require.Equal(t, "fail accepted by test: known, not ours", report.Judgements[len(report.Judgements)-2].Message)
}

func TestADrainedRolloutGoesOn(t *testing.T) {
	t.Parallel()
	b := setup(t, base(), 12)
	drain := make(chan struct{})
	b.rollout.Rings[1].Parallel = 1
	n := 0
	b.seen.after = func(upgrade.Outcome) {
		if n++; n == 4 {
			close(drain)
		}
	}
	u := b.upgrader(t, second())
	u.Drain = drain
	report, err := u.Run(b.ctx, b.begin(t, u).ID)
	require.ErrorIs(t, err, tenant.ErrInterrupted)
	require.Equal(t, upgrade.Stopped, report.Rollout.State)
	require.Equal(t, 4, results(report)[upgrade.Upgraded])
	b.seen.after = nil
	report, err = b.upgrader(t, second()).Run(b.ctx, report.Rollout.ID)
	require.NoError(t, err)
	require.Equal(t, map[upgrade.Result]int{upgrade.Upgraded: 12}, results(report))
}
