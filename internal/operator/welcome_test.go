package operator

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

// Many new tenants are made together, by two replicas. What stands in one's way keeps nobody else from being made: a schema of
// somebody else's, a process that has its lease, a pause.
func TestManyNewTenants(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const many = 30
	var file strings.Builder
	var want []string
	for i := range many {
		fmt.Fprintf(&file, "  t-%02d: {}\n", i)
		want = append(want, fmt.Sprintf("t-%02d=active", i))
	}
	b.Exec(t, "create schema tenant_t_03")
	require.NoError(t, b.Records.SetOverride(t.Context(), Pause("t-04", "ann", "")))
	lease, err := b.Records.Acquire(t.Context(), registry.LeaseName("t-05"), "ann")
	require.NoError(t, err)
	b.declare("%s", file.String())
	o, _ := b.run(b.options(&shop{}))
	b.run(b.options(&shop{}))
	record := func(name tenant.Name) Record {
		records, err := o.Store.Records(t.Context(), name)
		require.NoError(t, err)
		return records[key{name, TaskTenant}]
	}
	b.eventually("all that can be", func() bool { return b.count("tenant.provisioned") == many-3 })
	b.eventually("t-03 refused", func() bool { return record("t-03").Result == Refused })
	b.eventually("t-05 waits for ann", func() bool { r := record("t-05"); return r.Result == Waiting && strings.Contains(r.Message, "ann") })
	require.NoError(t, lease.Release(t.Context()))
	require.NoError(t, b.Records.ClearOverride(t.Context(), "t-04", "pause", "ann"))
	b.Exec(t, "drop schema tenant_t_03")
	b.declare("%s", strings.Replace(file.String(), "t-03: {}", "t-03: { limits: { jobs: 2 } }", 1))
	b.stands(want...)
	b.eventually("all recorded", func() bool {
		records, err := o.Store.Records(t.Context())
		require.NoError(t, err)
		settled := 0
		for _, r := range records {
			if r.Result == Settled {
				settled++
			}
		}
		return settled == many
	})
	require.Equal(t, many, b.count("tenant.provisioned"), "each was made once")
}

// Many new tenants are divided among few jobs, each tenant belongs to one of them, and the largest come first.
func TestNewTenantsAreDivided(t *testing.T) {
	t.Parallel()
	require.Equal(t, []errand{job{TaskTenant, "a"}, job{TaskTenant, "b"}}, welcome("i", []tenant.Name{"a", "b"}))
	names := make([]tenant.Name, 500)
	sizes := map[errand]int{}
	for i := range names {
		names[i] = tenant.Name(fmt.Sprintf("t-%d", i))
		sizes[share{"i", shareOf(names[i])}]++
	}
	jobs := welcome("i", names)
	require.Len(t, jobs, shares)
	total := 0
	for i, j := range jobs {
		total += sizes[j]
		require.True(t, i == 0 || sizes[j] <= sizes[jobs[i-1]])
	}
	require.Equal(t, len(names), total)
}

// Whoever dies in the middle of making a tenant leaves it recorded and not made. It is made, although its record looks right.
func TestATenantThatIsOnlyRecordedIsMade(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NoError(t, b.Records.UpsertTenant(t.Context(), b.Spec("a"), "ann"))
	b.declare("  a: {}\n")
	o, _ := b.run(b.options(&shop{}))
	b.eventually("made", func() bool { return b.count("tenant.provisioned") == 1 })
	b.eventually("settled", func() bool {
		records, err := o.Store.Records(t.Context(), "a")
		return err == nil && records[key{"a", TaskTenant}].Result == Settled
	})
}

func (b *bench) count(kind string) int {
	events, err := b.Records.Events(b.t.Context(), 0, registry.EventFilter{Types: []string{kind}, Limit: 1000})
	require.NoError(b.t, err)
	return len(events)
}
