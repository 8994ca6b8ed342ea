package registry

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/tenant"
)

func TestOverrides(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	first := Override{Tenant: "client-x", Kind: "state", Value: "suspended", Actor: actor, Reason: "unpaid"}
	require.NoError(t, r.SetOverride(ctx, first))
	first.Value = "active"
	require.NoError(t, r.SetOverride(ctx, first))
	require.NoError(t, r.SetOverride(ctx, Override{Tenant: "client-y", Kind: "pause", Value: "on", Actor: actor}))
	all, err := r.Overrides(ctx, "")
	require.NoError(t, err)
	require.Len(t, all, 2)
	mine, err := r.Overrides(ctx, "client-x")
	require.NoError(t, err)
	require.Len(t, mine, 1)
	require.WithinDuration(t, time.Now(), mine[0].At, time.Minute)
	mine[0].At = time.Time{}
	require.Equal(t, first, mine[0])

	require.NoError(t, r.ClearOverride(ctx, "client-x", "state", actor))
	require.ErrorIs(t, r.ClearOverride(ctx, "client-x", "state", actor), tenant.ErrNotFound)
	events, err := r.Events(ctx, 0, EventFilter{Tenant: "client-x"})
	require.NoError(t, err)
	require.Len(t, events, 3)
	require.Equal(t, "state=suspended: unpaid", events[0].Message)
	require.Equal(t, "state=active lifted", events[2].Message)
}
