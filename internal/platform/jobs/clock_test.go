package jobs_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/jobs"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/tenant"
)

// One of two processes has a clock that is decades behind, and that leaps whenever it has nothing to do: in a bubble of synctest it is
// the year 2000. What it asks for and what it takes is done once; what is to come again comes by the server's clock.
func TestAProcessWithAWrongClock(t *testing.T) {
	t.Parallel()
	const each = 40
	names := []tenant.Name{"a", "b"}
	b := setup(t, names...)
	monthly := jobs.Schedule{Queue: queue, Name: "monthly", Kind: "k", Spec: "0 3 1 * *"}
	b.worker(t, nil, effect("k"))
	synctest.Test(t, func(t *testing.T) {
		require.Equal(t, 2000, time.Now().UTC().Year())
		wrong := &bundle{Fleet: b.Fleet, pools: b.Pools(t, scope.PoolOptions{}), known: b.known} // connections have timers, which belong where they were opened
		defer wrong.worker(t, nil, effect("k"))()
		ids := map[tenant.Name][]string{}
		for range each {
			for _, name := range names {
				ids[name] = append(ids[name], wrong.submit(t, name, 1, jobs.Request{Kind: "k"})...)
			}
		}
		for _, name := range names {
			for _, id := range ids[name] {
				wrong.becomes(t, name, id, jobs.Done)
			}
		}
		planned := func(change func(ctx context.Context, tx scope.Tx) error) (p jobs.Planned) {
			require.NoError(t, wrong.in(t, "a", func(ctx context.Context, tx scope.Tx) (err error) {
				if err := change(ctx, tx); err != nil {
					return err
				}
				p, err = jobs.GetSchedule(ctx, tx, queue, "monthly")
				return err
			}))
			return p
		}
		next := planned(func(ctx context.Context, tx scope.Tx) error { return jobs.SetSchedule(ctx, tx, monthly) }).NextAt
		planned(func(ctx context.Context, tx scope.Tx) error {
			_, err := tx.Exec(ctx, `update jobs.schedule set next_at = now() - interval '1 hour'`)
			return err
		})
		require.Eventually(t, func() bool {
			return planned(func(context.Context, scope.Tx) error { return nil }).NextAt.Equal(next)
		}, patience, tick)
	})
	require.Equal(t, "true", b.Text(t, `select (next_at > now() and next_at < now() + interval '32 days')::text from jobs.schedule`))
	require.Equal(t, "2", b.Text(t, `select count(distinct worker)::text from jobs.job`), "both take some")
	require.Eventually(t, func() bool { return b.Text(t, `select count(*)::text from jobs.job where finished_at is null`) == "0" }, patience, tick)
	for i, name := range names {
		done, twice := b.effects(t, name)
		require.Equal(t, []int{each + 1 - i, 0}, []int{done, twice}, "%s, of which a has one by its schedule", name)
	}
}
