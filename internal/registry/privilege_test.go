package registry

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/tenant"
)

// Everything works for the owner of the database who is no superuser: what managed services give.
func TestWithoutSuperuser(t *testing.T) {
	t.Parallel()
	dsn := localtest.DatabaseAs(t, localtest.DatabaseOptions{Admin: true})
	ctx, r := t.Context(), openAt(t, dsn)
	add(t, r, "client-x")
	lease, err := r.Acquire(ctx, leaseOf, "ann")
	require.NoError(t, err)
	_, err = r.Acquire(ctx, leaseOf, "bob")
	require.ErrorIs(t, err, tenant.ErrLocked)
	conn := connect(t, dsn)
	held, err := r.holder(ctx, conn, leaseOf)
	require.NoError(t, err)
	require.NoError(t, takeOver(ctx, conn, leaseOf, "bob", held), "it may not end a session of its own role")
	require.ErrorIs(t, lease.Check(ctx), tenant.ErrLeaseLost)
	require.ErrorIs(t, lease.Release(ctx), tenant.ErrLeaseLost)

	require.NoError(t, OpenInstance(ctx, conn))
	require.NoError(t, RaiseToken(ctx, conn, leaseOf, lease.Token(), RaiseOptions{}))
	require.Equal(t, []string{"tenant.registered", "lease.taken_over"}, types(t, r))
}
