package upgrade_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

// runs has a service say which versions it serves.
func (b *bundle) runs(t *testing.T, id, name string, from, to uint64, calls ...string) {
	t.Helper()
	require.NoError(t, b.records.ServiceSeen(b.ctx, registry.RunningService{
		ID: id, Service: name, URL: "http://127.0.0.1:1", Build: "v" + id, Serves: map[string]registry.ServedRange{name: {From: from, To: to}}, Calls: calls,
	}))
}

// No tenant is brought to a version that a running service can't work with, nor taken back to one.
func TestServicesThatCantServeAVersion(t *testing.T) {
	t.Parallel()
	b := setup(t, base(), 4)
	b.runs(t, "old", service, 1, 1)
	b.runs(t, "new", service, 1, 2)
	b.runs(t, "caller", "gateway", 1, 1, service)
	u := b.upgrader(t, second())
	members, err := b.members(b.ctx)
	require.NoError(t, err)
	p, err := u.Plan(b.ctx, members)
	require.NoError(t, err)
	_, err = u.Begin(b.ctx, p, upgrade.BeginOptions{Whole: true})
	require.ErrorIs(t, err, tenant.ErrConflict)
	require.EqualError(t, err, "service "+service+" at http://127.0.0.1:1 (build vold) serves "+service+" 1, not 2, and is called by gateway: conflict")

	require.NoError(t, b.records.ServiceGone(b.ctx, "old"))
	report, err := b.upgrade(t, second())
	require.NoError(t, err)
	require.Equal(t, upgrade.Done, report.Rollout.State)

	b.runs(t, "new", service, 2, 2) // a build that has left the old version behind
	_, err = b.upgrader(t, second()).Revert(b.ctx, report.Rollout.ID)
	require.ErrorIs(t, err, tenant.ErrConflict)
	require.Equal(t, "2: t01 t02 t03 t04", b.versions(t))
	b.runs(t, "new", service, 1, 2)
	_, err = b.upgrader(t, second()).Revert(b.ctx, report.Rollout.ID)
	require.NoError(t, err)
}

// A service that starts in the middle of a rollout and is too old stops it before the next wave.
func TestAnOldServiceStartsMeanwhile(t *testing.T) {
	t.Parallel()
	b := setup(t, base(), 4)
	b.provision(t, base(), "canary", "c1")
	b.gates = []upgrade.Gate{starts(func() { b.runs(t, "old", service, 1, 1) })}
	report, err := b.upgrade(t, second())
	require.ErrorIs(t, err, tenant.ErrConflict)
	require.Equal(t, upgrade.Stopped, report.Rollout.State)
	require.Equal(t, map[upgrade.Result]int{upgrade.Upgraded: 1, upgrade.Pending: 4}, results(report))
	require.NoError(t, b.records.ServiceGone(b.ctx, "old"))
	b.gates = nil
	report, err = b.upgrader(t, second()).Run(b.ctx, report.Rollout.ID)
	require.NoError(t, err)
	require.Equal(t, map[upgrade.Result]int{upgrade.Upgraded: 5}, results(report))
}

// starts is a gate that lets pass, and has something begin meanwhile.
type starts func()

func (s starts) Name() string { return "start" }

func (s starts) Judge(context.Context, upgrade.Passage) (upgrade.Judgement, error) {
	s()
	return upgrade.Judgement{Verdict: upgrade.Pass, Message: "it started"}, nil
}
