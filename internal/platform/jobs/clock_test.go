package jobs_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
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

// The server's clock goes an hour ahead, and two hours back, while a worker does one job, another waits after a failure, and a third was
// that of a worker that died. The first is nobody else's, and the others don't wait for that hour.
func TestTheServersClockIsSet(t *testing.T) {
	t.Parallel()
	server, clock := localtest.NewClockedServer(t, nil, 0)
	b := setupOn(t, server, "a")
	begun, finish := make(chan struct{}), make(chan struct{})
	first := effect("slow")
	slow := jobs.Kind{Name: "slow", Length: jobs.Short, Do: func(ctx context.Context, task *jobs.Task) error {
		close(begun)
		select {
		case <-finish:
		case <-ctx.Done():
		}
		return first.Do(ctx, task)
	}}
	second := effect("fails")
	fails := jobs.Kind{Name: "fails", Length: jobs.Short, Do: func(ctx context.Context, task *jobs.Task) error {
		if task.Failures == 0 {
			return errors.New("once")
		}
		return second.Do(ctx, task)
	}}
	brief := func(o *jobs.Options) { o.Lease = 2 * time.Second }
	b.worker(t, brief, slow)
	b.worker(t, brief)
	id := b.submit(t, "a", 1, jobs.Request{Kind: "slow"})[0]
	<-begun
	clock.Set(time.Hour)
	dead := b.submit(t, "a", 1, jobs.Request{Kind: "dead"})[0]
	b.Exec(t, `update jobs.job set state = 'running', attempt = 1, worker = 'dead', leased_to = clock_timestamp() + interval '2 s' where id = '`+dead+`'`)
	again := b.submit(t, "a", 1, jobs.Request{Kind: "fails"})[0]
	stop := b.worker(t, func(o *jobs.Options) { brief(o); o.Pause = time.Minute }, fails)
	b.becomes(t, "a", again, jobs.Scheduled)
	stop()
	clock.Set(-time.Hour)
	b.worker(t, func(o *jobs.Options) { brief(o); o.Pause = time.Minute }, effect("dead"), fails)
	b.becomes(t, "a", dead, jobs.Done)
	b.becomes(t, "a", again, jobs.Done)
	close(finish)
	b.becomes(t, "a", id, jobs.Done)
	require.Equal(t, "1 0", b.Text(t, `select attempt || ' ' || failures from jobs.job where id = '`+id+`'`))
	done, twice := b.effects(t, "a")
	require.Equal(t, []int{3, 0}, []int{done, twice})
}
