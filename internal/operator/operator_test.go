package operator

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/config"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/provision"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

// The file is made true: tenants are made, changed, suspended and resumed as it changes, and what was set by hand stays.
func TestTheFileIsMadeTrue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.declare("  a: {}\n  b: { state: suspended }\n")
	b.run(b.options(&shop{}))
	b.stands("a=active", "b=suspended")
	b.declare("  a: { limits: { jobs: 9 } }\n  b: {}\n  c: {}\n")
	b.stands("a=active", "b=active", "c=active")
	b.eventually("limits", func() bool {
		a, err := b.Records.Tenant(t.Context(), "a")
		return err == nil && a.Limits.Jobs == 9
	})
	// By hand: the operator leaves it, until that is lifted.
	require.NoError(t, b.Records.SetOverride(t.Context(), registry.Override{Tenant: "a", Kind: reconcile.OverrideState, Value: "suspended", Actor: "ann"}))
	b.stands("a=suspended", "b=active", "c=active")
	require.NoError(t, b.Records.ClearOverride(t.Context(), "a", reconcile.OverrideState, "ann"))
	b.stands("a=active", "b=active", "c=active")
	// What isn't declared any more is left alone.
	b.declare("  a: {}\n  b: {}\n  d: {}\n")
	b.stands("a=active", "b=active", "c=active", "d=active")
}

// What somebody changed on the instance by hand is put back.
func TestDriftIsHealed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.declare("  a: {}\n")
	opts := b.options(&shop{})
	opts.Heal = time.Second
	b.run(opts)
	b.stands("a=active")
	may := "select has_table_privilege('PREFIX_t_a__notes', 'tenant_a.note', 'insert')::text"
	b.eventually("provisioned", func() bool { return b.told("tenant.provisioned") })
	b.Exec(t, "revoke insert on tenant_a.note from PREFIX_t_a__notes")
	require.Equal(t, "false", b.Text(t, may))
	b.eventually("healed", func() bool { return b.Text(t, may) == "true" })
}

// A tenant that can't be made is told of once and not tried again until its declaration changes; the others aren't kept waiting.
func TestWhatCantWorkWaitsForItsDeclaration(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Exec(t, "create schema tenant_a")
	b.declare("  a: {}\n  b: {}\n")
	o, _ := b.run(b.options(&shop{}))
	record := func() Record {
		records, err := o.Store.Records(t.Context(), "a")
		require.NoError(t, err)
		return records[key{"a", TaskTenant}]
	}
	b.eventually("refused", func() bool { return record().Result == Refused })
	b.eventually("b", func() bool {
		s, err := b.Records.Tenant(t.Context(), "b")
		return err == nil && s.State == tenant.Active
	})
	require.Contains(t, record().Message, "tenant_a")
	time.Sleep(2 * time.Second) // two looks at the fleet
	require.Equal(t, 1, record().Attempts)
	b.Exec(t, "drop schema tenant_a")
	b.declare("  a: { limits: { jobs: 2 } }\n  b: {}\n")
	b.eventually("made", func() bool { return record().Result == Settled })
}

// An instance that is away is tried again, with pauses that grow.
func TestAnInstanceThatIsAwayIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var away atomic.Bool
	away.Store(true)
	b.declare("  a: {}\n")
	o, _ := b.run(b.options(&shop{away: &away}))
	b.eventually("failed", func() bool {
		records, err := o.Store.Records(t.Context())
		return err == nil && records[key{"a", TaskTenant}].Result == Failed && records[key{"a", TaskTenant}].RetryAt != nil
	})
	away.Store(false)
	b.stands("a=active")
}

func TestPausedTenantsAreLeftAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NoError(t, b.Records.SetOverride(t.Context(), Pause("a", "ann", "")))
	b.declare("  a: {}\n  b: {}\n")
	b.run(b.options(&shop{}))
	b.stands("b=active")
	require.NoError(t, b.Records.SetOverride(t.Context(), Pause("", "ann", "")))
	require.NoError(t, b.Records.ClearOverride(t.Context(), "a", reconcile.OverridePause, "ann"))
	b.declare("  a: {}\n  b: {}\n  c: {}\n")
	time.Sleep(2 * time.Second) // two looks at the fleet
	b.stands("b=active")
	require.NoError(t, b.Records.ClearOverride(t.Context(), "", reconcile.OverridePause, "ann"))
	b.stands("a=active", "b=active", "c=active")
}

// A broken file leaves the one before in force, and is told of; half a file isn't acted upon.
func TestABrokenFileKeepsTheOneBefore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.declare("  a: {}\n")
	o, _ := b.run(b.options(&shop{}))
	b.stands("a=active")
	b.write("version: 1\ntenants: [")
	b.eventually("told", func() bool { return b.told("operator.file_broken") })
	b.eventually("in the status", func() bool {
		replicas, err := o.Store.Replicas(t.Context())
		return err == nil && len(replicas) == 1 && replicas[0].Trouble != "" && replicas[0].Hash != ""
	})
	// Somebody suspends behind its back: the file before is still obeyed.
	require.NoError(t, b.Records.SetState(t.Context(), "a", tenant.Suspended, "ann", ""))
	b.stands("a=active")
	b.declare("  a: {}\n  b: {}\n")
	b.stands("a=active", "b=active")
	require.True(t, b.told("operator.file_mended"))
}

// A file that changes while a replica starts is read again: nothing tells of it later.
func TestAFileThatChangesAtTheStartIsRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.declare("  a: {}\n")
	opts := b.options(&shop{})
	var once sync.Once
	opts.Load = func() (*config.File, error) {
		file, err := config.Load(b.file)
		once.Do(func() { b.declare("  a: {}\n  b: {}\n") })
		return file, err
	}
	b.run(opts)
	b.stands("a=active", "b=active")
}

// A mounted ConfigMap is a link to a folder that is swapped.
func TestASwappedLinkIsSeen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dir := t.TempDir()
	version := func(name, tenants string) {
		b.file = filepath.Join(dir, name, "tenants.yaml")
		require.NoError(t, os.Mkdir(filepath.Dir(b.file), 0o700))
		b.declare("%s", tenants)
		require.NoError(t, os.Symlink(name, filepath.Join(dir, "..data_tmp")))
		require.NoError(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	version("..1", "  a: {}\n")
	mounted := filepath.Join(dir, "tenants.yaml")
	require.NoError(t, os.Symlink("..data/tenants.yaml", mounted))
	b.file = mounted
	b.run(b.options(&shop{}))
	b.stands("a=active")
	version("..2", "  a: {}\n  b: {}\n")
	b.stands("a=active", "b=active")
}

// Half the fleet out of service by mistake: nothing is done until somebody accepts it.
func TestAMistakeOfManyWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.declare("  a: {}\n  b: {}\n  c: {}\n  d: {}\n")
	o, _ := b.run(b.options(&shop{}))
	b.stands("a=active", "b=active", "c=active", "d=active")
	b.declare("  a: {}\n  b: { state: suspended }\n  d: {}\n  e: {}\n")
	var g Generation
	b.eventually("held", func() bool {
		var err error
		g, err = o.Store.Generation(t.Context())
		return err == nil && g.Held != ""
	})
	require.Equal(t, []tenant.Name{"b", "c"}, g.Removals)
	b.eventually("told", func() bool { return b.told("operator.change_held") }) // after it is held
	time.Sleep(time.Second)                                                     // a look at the fleet
	b.stands("a=active", "b=active", "c=active", "d=active")
	_, err := o.Store.Accept(t.Context(), "000000000000", "ann")
	require.ErrorIs(t, err, tenant.ErrConflict)
	_, err = o.Store.Accept(t.Context(), g.Token(), "ann")
	require.NoError(t, err)
	b.stands("a=active", "b=suspended", "c=active", "d=active", "e=active")
	// One tenant is no mistake of many.
	b.declare("  a: { state: suspended }\n  b: { state: suspended }\n  d: {}\n  e: {}\n")
	b.stands("a=suspended", "b=suspended", "c=active", "d=active", "e=active")
}

// A second operator with another file does nothing and says so; it may lead when nobody has what the fleet follows.
func TestTwoOperatorsWithDifferentFiles(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.declare("  a: {}\n")
	_, stop := b.run(b.options(&shop{}))
	b.stands("a=active")
	b.file = filepath.Join(t.TempDir(), "tenants.yaml")
	b.declare("  a: {}\n  b: {}\n")
	b.run(b.options(&shop{}))
	b.eventually("told", func() bool { return b.told("operator.files_differ") })
	b.stands("a=active")
	stop()
	b.stands("a=active", "b=active")
}

// A slow move has a queue of its own; what is drained goes on elsewhere.
func TestASlowMoveDelaysNobody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := &shop{slow: make(chan struct{}), moved: make(chan tenant.Name, 10)}
	b.declare("  m: { legacy: { dsn: '${LEGACY}' }, services: [], move: {} }\n")
	_, stop := b.run(b.options(s))
	require.Equal(t, tenant.Name("m"), <-s.moved)
	b.declare("  m: { legacy: { dsn: '${LEGACY}' }, services: [], move: {} }\n  a: {}\n")
	b.stands("a=active", "m=active")
	next := b.options(s)
	b.run(next)
	stop()
	require.Equal(t, tenant.Name("m"), <-s.moved)
	close(s.slow)
}

// `state: deleted` alone removes nothing; confirmed and after its retention the tenant is archived and removed.
func TestDeletionNeedsConfirmationAndTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.declare("  a: {}\n  b: {}\n  c: {}\n")
	o, _ := b.run(b.options(&shop{}))
	b.stands("a=active", "b=active", "c=active")
	b.declare("  a: { state: deleted }\n  b: {}\n  c: {}\n")
	b.eventually("refused", func() bool {
		records, err := o.Store.Records(t.Context(), "a")
		return err == nil && records[key{"a", TaskRemove}].Result == Refused
	})
	b.stands("a=active", "b=active", "c=active")
	b.declare("  a: { state: deleted, deletion: { confirm: a } }\n  b: {}\n  c: {}\n")
	b.stands("a=suspended", "b=active", "c=active")
	b.declare("  a: { state: deleted, deletion: { confirm: a, retention: 0s } }\n  b: {}\n  c: {}\n")
	b.stands("b=active", "c=active")
	require.True(t, b.told("tenant.archived"))
	require.Equal(t, "0", b.Text(t, "select count(*)::text from pg_namespace where nspname = 'tenant_a'"))
}

// Who has lost a tenant's lease can't change it on the instance, however late its message comes.
func TestALostLeaseWritesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := b.Spec("a")
	_, err := b.Provisioner.ProvisionUnder(t.Context(), spec, provision.Fence{Lease: "tenant:a", Token: 7})
	require.NoError(t, err)
	spec.State = tenant.Suspended
	_, err = b.Provisioner.ProvisionUnder(t.Context(), spec, provision.Fence{Lease: "tenant:a", Token: 6})
	require.True(t, errors.Is(err, tenant.ErrLeaseLost), err)
	require.Equal(t, "1", b.Text(t, "select count(*)::text from pg_auth_members as m join pg_roles as r on r.oid = m.roleid where r.rolname = 'PREFIX_t_a__notes' and m.member <> 'PREFIX_tenantctl_admin'::regrole"))
}

// Many tenants' tokens are raised at once, also on an instance where nobody raised one before; what stands in one's way is its own
// affair.
func TestManyTokensAreRaisedAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	each := func(tokens map[tenant.Name]int64) map[tenant.Name]error {
		var wanted []provision.Leased
		for name, token := range tokens {
			wanted = append(wanted, provision.Leased{Spec: b.Spec(name), Fence: provision.Fence{Lease: registry.LeaseName(name), Token: token}})
		}
		failed := map[tenant.Name]error{}
		require.NoError(t, b.Provisioner.ProvisionEach(t.Context(), wanted, func(o provision.Outcome) bool {
			failed[o.Tenant] = o.Err
			return true
		}))
		return failed
	}
	require.Equal(t, map[tenant.Name]error{"a": nil, "b": nil}, each(map[tenant.Name]int64{"a": 7, "b": 7}))
	require.Equal(t, "1", b.Text(t, "select count(distinct raised_at)::text from tenantctl_instance.lease"))
	failed := each(map[tenant.Name]int64{"a": 6, "b": 8, "c": 8})
	require.ErrorIs(t, failed["a"], tenant.ErrLeaseLost)
	require.NoError(t, errors.Join(failed["b"], failed["c"]))
}

// A job that the queue gave to a replica which never heard of it, since its session ended before the answer, is done all the same, though
// the replica lives.
func TestAJobThatItsReplicaNeverHeardOfIsDone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.declare("  a: { ring: general }\n")
	o, _ := b.run(b.options(&shop{}))
	b.eventually("made", func() bool { return b.count("tenant.provisioned") == 1 })
	b.eventually("the job is over", func() bool {
		return b.Text(t, `select count(*)::text from tenantctl_river.river_job where state = 'completed'`) == "1"
	})
	b.Exec(t, `update tenantctl_river.river_job set state = 'running', finalized_at = null, attempted_by = array['`+o.ID()+`']`)
	b.declare("  a: { limits: { requestsPerSecond: 7 } }\n")
	require.Eventually(t, func() bool {
		statuses, err := b.Records.Statuses(t.Context(), registry.StatusFilter{})
		return err == nil && len(statuses) == 1 && statuses[0].Limits.RequestsPerSecond == 7
	}, time.Minute, 50*time.Millisecond)
}
