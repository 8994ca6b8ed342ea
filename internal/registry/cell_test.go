package registry

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/tenant"
)

func TestCellsUnderConcurrency(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	const tenants, capacity = 60, 7
	cells := make([]string, tenants)
	var group sync.WaitGroup
	for i := range tenants {
		group.Go(func() {
			for range 2 { // asked twice, the answer is the same
				cell, err := r.AssignCell(ctx, "shared-1", nth(i), capacity)
				require.NoError(t, err)
				if cells[i] != "" {
					require.Equal(t, cells[i], cell)
				}
				cells[i] = cell
			}
		})
	}
	group.Wait()
	taken := map[string]int{}
	for _, cell := range cells {
		taken[cell]++
	}
	require.Len(t, taken, (tenants+capacity-1)/capacity)
	for cell, count := range taken {
		require.LessOrEqual(t, count, capacity, cell)
	}
}

func TestCellsFillTheEmptiestGap(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	assign := func(name tenant.Name) string {
		cell, err := r.AssignCell(ctx, "shared-1", name, 3)
		require.NoError(t, err)
		return cell
	}
	for i := range 9 {
		require.Equal(t, fmt.Sprintf("c%d", i/3+1), assign(nth(i)))
	}
	for _, gone := range []int{0, 3, 4} { // one free in c1, two in c2
		require.NoError(t, r.DeleteTenant(ctx, nth(gone), actor, ""))
	}
	require.Equal(t, "c2", assign("new-1"))
	require.Equal(t, "c1", assign("new-2"))
	require.Equal(t, "c2", assign("new-3"))
	require.Equal(t, "c4", assign("new-4"))

	other, err := r.AssignCell(ctx, "shared-2", "elsewhere", 3)
	require.NoError(t, err)
	require.Equal(t, "c1", other)
	_, err = r.AssignCell(ctx, "shared-2", "new-1", 3)
	require.ErrorIs(t, err, tenant.ErrConflict)
	_, err = r.AssignCell(ctx, "shared-2", "new-9", 0)
	require.ErrorIs(t, err, tenant.ErrInvalid)
}

// Many tenants are recorded and seated together, some of them for the second time, by several processes at once.
func TestManyAreEnrolled(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	specs := func(from, to int) (list []tenant.Spec) {
		for i := from; i < to; i++ {
			list = append(list, spec(nth(i)))
		}
		return list
	}
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			own := specs(10*i, 10*i+10)
			require.NoError(t, r.UpsertTenant(ctx, own[0], actor))
			cells, err := r.Enroll(ctx, "shared-1", own, 7, actor)
			require.NoError(t, err)
			again, err := r.Enroll(ctx, "shared-1", own, 7, actor)
			require.NoError(t, err)
			require.Equal(t, cells, again)
		})
	}
	group.Wait()
	statuses, err := r.Statuses(ctx, StatusFilter{})
	require.NoError(t, err)
	taken := map[string]int{}
	for _, s := range statuses {
		taken[s.Cell]++
		require.Equal(t, tenant.RoutePlatform, s.Route)
	}
	require.Len(t, taken, 6)
	require.Len(t, types(t, r), 40) // each was registered once, and nothing changed
	// One that lives elsewhere, or has another's schema, keeps all of them from being recorded.
	for _, wrong := range []func(*tenant.Spec){func(s *tenant.Spec) { s.Name = nth(3) }, func(s *tenant.Spec) { s.Schema = "tenant_" + nth(3).Ident() }} {
		batch := specs(40, 43)
		wrong(&batch[1])
		_, err = r.Enroll(ctx, "shared-1", batch, 7, actor)
		require.Error(t, err)
		_, err = r.Tenant(ctx, nth(40))
		require.ErrorIs(t, err, tenant.ErrNotFound)
	}
}

func nth(i int) tenant.Name { return tenant.Name(fmt.Sprintf("client-%05d", i)) }
