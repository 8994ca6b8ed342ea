package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/jobs"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/tenant"
)

// A job is done by its tenant's role, once, if its transaction was committed; what came of it is for its tenant to see.
func TestAJobIsItsTenantsOwn(t *testing.T) {
	t.Parallel()
	b := setup(t, "a", "b")
	failed := errors.New("the order was refused")
	require.ErrorIs(t, b.in(t, "a", func(ctx context.Context, tx scope.Tx) error {
		_, err := jobs.Submit(ctx, tx, jobs.Request{Queue: queue, Kind: "statement"})
		require.NoError(t, err)
		return failed
	}), failed)
	id := b.submit(t, "a", 1, jobs.Request{Kind: "statement"})[0]
	b.worker(t, nil, effect("statement"))
	done := b.becomes(t, "a", id, jobs.Done)
	require.JSONEq(t, `{"of": "a"}`, string(done.Result))
	require.InDelta(t, 1, done.Progress, 0)
	n, twice := b.effects(t, "a")
	require.Equal(t, []int{1, 0}, []int{n, twice})

	require.NoError(t, b.in(t, "b", func(ctx context.Context, tx scope.Tx) error {
		list, err := jobs.List(ctx, tx, queue, "", 10)
		require.NoError(t, err)
		require.Empty(t, list)
		_, err = jobs.Get(ctx, tx, queue, id)
		require.ErrorIs(t, err, tenant.ErrNotFound)
		_, err = jobs.Get(ctx, tx, queue, "x")
		require.ErrorIs(t, err, tenant.ErrNotFound)
		_, err = jobs.Cancel(ctx, tx, queue, id)
		require.ErrorIs(t, err, tenant.ErrNotFound)
		tag, err := tx.Exec(ctx, `update jobs.job set cancel = true`)
		require.NoError(t, err)
		require.Zero(t, tag.RowsAffected(), "row security keeps others' jobs from it")
		return nil
	}))
	for _, sql := range []string{
		`insert into jobs.job (id, queue, role, kind, cost, state) values (gen_random_uuid(), 'shop', 't_a__shop', 'statement', 1, 'new')`,
		`insert into jobs.job (id, queue, kind, cost, state, place) values (gen_random_uuid(), 'shop', 'statement', 1, 'new', 0)`,
		`update jobs.job set place = 0`,
		`update jobs.share set weight = 100`,
		`select * from jobs.line`,
		`delete from jobs.job`,
	} {
		require.ErrorContains(t, b.in(t, "b", func(ctx context.Context, tx scope.Tx) error {
			_, err := tx.Exec(ctx, sql)
			return err
		}), "permission denied", sql)
	}
	for _, values := range []string{
		`'shop', 'statement', '{}', 1, 'ready'`,
		`'shop', 'statement', '{}', 0, 'new'`,
		`'shop', 'statement', '{}', 'infinity', 'new'`,
		`'shop', 'statement', '{}', 'nan', 'new'`,
		`'shop', '', '{}', 1, 'new'`,
		`repeat('x', 64), 'statement', '{}', 1, 'new'`,
		`'shop', 'statement', to_jsonb(repeat('x', 524288)), 1, 'new'`,
	} {
		require.ErrorContains(t, b.in(t, "b", func(ctx context.Context, tx scope.Tx) error {
			_, err := tx.Exec(ctx, `insert into jobs.job (id, queue, kind, arguments, cost, state) values (gen_random_uuid(), `+values+`)`)
			return err
		}), "row-level security", values)
	}
	require.ErrorIs(t, b.in(t, "b", func(ctx context.Context, tx scope.Tx) error {
		_, err := jobs.Submit(ctx, tx, jobs.Request{Queue: queue, Kind: "statement", Arguments: strings.Repeat("x", 256<<10)})
		return err
	}), tenant.ErrInvalid)
}

func TestList(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	ids := b.submit(t, "a", 5, jobs.Request{Kind: "statement"})
	require.NoError(t, b.in(t, "a", func(ctx context.Context, tx scope.Tx) error {
		var seen []string
		for before := ""; ; before = seen[len(seen)-1] {
			page, err := jobs.List(ctx, tx, queue, before, 2)
			require.NoError(t, err)
			for _, job := range page {
				seen = append(seen, job.ID)
				require.Equal(t, jobs.Ready, job.State)
			}
			if len(page) < 2 {
				break
			}
		}
		slices.Reverse(seen)
		require.Equal(t, ids, seen)
		return nil
	}))
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	var tries atomic.Int32
	b.worker(t, nil,
		jobs.Kind{Name: "third", Length: jobs.Short, Do: func(context.Context, *jobs.Task) error {
			if tries.Add(1) < 3 {
				return errors.New("not yet")
			}
			return nil
		}},
		jobs.Kind{Name: "never", Length: jobs.Short, Do: func(context.Context, *jobs.Task) error { return errors.New("the printer is on fire") }},
		jobs.Kind{Name: "permanent", Length: jobs.Short, Do: func(context.Context, *jobs.Task) error { return jobs.Permanent(errors.New("no such month")) }},
		jobs.Kind{Name: "panics", Length: jobs.Short, Do: func(context.Context, *jobs.Task) error { panic("a nil map") }},
		jobs.Kind{Name: "slow", Length: jobs.Short, Timeout: 20 * time.Millisecond, Do: func(ctx context.Context, _ *jobs.Task) error { <-ctx.Done(); return context.Cause(ctx) }},
	)
	submit := func(kind string) string { return b.submit(t, "a", 1, jobs.Request{Kind: kind})[0] }
	third, never, permanent, panics, slow := submit("third"), submit("never"), submit("permanent"), submit("panics"), submit("slow")
	require.Equal(t, 2, b.becomes(t, "a", third, jobs.Done).Failures)
	failed := b.becomes(t, "a", never, jobs.Failed)
	require.Equal(t, 3, failed.Failures)
	require.Equal(t, "the printer is on fire", failed.Error)
	require.Equal(t, 1, b.becomes(t, "a", permanent, jobs.Failed).Failures)
	require.Contains(t, b.becomes(t, "a", panics, jobs.Failed).Error, "panic: a nil map")
	require.Contains(t, b.becomes(t, "a", slow, jobs.Failed).Error, "deadline")
}

func TestCancel(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	cancel := func(id string) (job jobs.Job) {
		require.NoError(t, b.in(t, "a", func(ctx context.Context, tx scope.Tx) (err error) {
			job, err = jobs.Cancel(ctx, tx, queue, id)
			return err
		}))
		return job
	}
	waiting := b.submit(t, "a", 1, jobs.Request{Kind: "wait"})[0]
	require.Equal(t, jobs.Canceled, cancel(waiting).State)

	begun, over := make(chan struct{}), make(chan error, 1)
	b.worker(t, func(o *jobs.Options) { o.Lease = 300 * time.Millisecond }, jobs.Kind{Name: "wait", Length: jobs.Short, Do: func(ctx context.Context, _ *jobs.Task) error {
		close(begun)
		<-ctx.Done()
		over <- context.Cause(ctx)
		return ctx.Err()
	}}, jobs.Kind{Name: "deaf", Length: jobs.Short, Do: func(ctx context.Context, task *jobs.Task) error {
		require.Eventually(t, func() bool { return b.get(t, "a", task.ID).State == jobs.Running && canceled(t, b, task.ID) }, patience, tick)
		return task.Complete(context.WithoutCancel(ctx), nil)
	}})
	running := b.submit(t, "a", 1, jobs.Request{Kind: "wait"})[0]
	<-begun
	require.Equal(t, jobs.Running, cancel(running).State)
	require.ErrorIs(t, <-over, jobs.ErrLost)
	b.becomes(t, "a", running, jobs.Canceled)
	require.Equal(t, jobs.Canceled, cancel(running).State, "what has ended stays")

	deaf := b.submit(t, "a", 1, jobs.Request{Kind: "deaf"})[0]
	b.becomes(t, "a", deaf, jobs.Running)
	cancel(deaf)
	b.becomes(t, "a", deaf, jobs.Canceled)
}

func canceled(t *testing.T, b *bundle, id string) (is bool) {
	t.Helper()
	require.NoError(t, b.in(t, "a", func(ctx context.Context, tx scope.Tx) error {
		return tx.QueryRow(ctx, `select cancel from jobs.job where id = $1::uuid`, id).Scan(&is)
	}))
	return is
}

// Where a worker dies its jobs are done by another once the lease is over; the dead one's late completion is refused.
func TestALostLeaseIsLost(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	id := b.submit(t, "a", 1, jobs.Request{Kind: "statement"})[0]
	begun, taken, over := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	first := effect("statement")
	late := jobs.Kind{Name: "statement", Length: jobs.Short, Do: func(ctx context.Context, task *jobs.Task) error {
		if task.Attempt > 1 {
			return first.Do(ctx, task)
		}
		close(begun)
		<-taken
		err := first.Do(context.WithoutCancel(ctx), task)
		over <- err
		return err
	}}
	b.worker(t, nil, late)
	<-begun
	b.Exec(t, `update jobs.job set worker = 'another'`) // who doesn't renew it
	b.worker(t, func(o *jobs.Options) { o.Lease = time.Second }, late)
	b.becomes(t, "a", id, jobs.Done)
	close(taken)
	require.ErrorIs(t, <-over, jobs.ErrLost)
	done, twice := b.effects(t, "a")
	require.Equal(t, []int{1, 0}, []int{done, twice})
}

// A job that a worker was given and never heard of, since its session ended before the answer, is done once its lease is over, though that
// worker lives on and renews what it has.
func TestAJobThatItsWorkerNeverHeardOfIsDone(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	working := b.submit(t, "a", 1, jobs.Request{Kind: "slow"})[0]
	unheard := b.submit(t, "a", 1, jobs.Request{Kind: "statement", Due: time.Now().Add(time.Hour)})[0]
	end := make(chan struct{})
	slow := until(end, jobs.Kind{Name: "slow", Length: jobs.Short})
	b.worker(t, func(o *jobs.Options) { o.Lease = time.Second }, slow, effect("statement"))
	b.becomes(t, "a", working, jobs.Running)
	b.Exec(t, `update jobs.job as j set state = 'running', attempt = 1, place = w.place, worker = w.worker, leased_to = w.leased_to
		from jobs.job as w where w.state = 'running' and j.state = 'scheduled'`)
	b.becomes(t, "a", unheard, jobs.Done)
	close(end)
	b.becomes(t, "a", working, jobs.Done)
	require.Equal(t, "1", b.Text(t, `select attempt::text from jobs.job where kind = 'slow'`), "it was held all the time")
}

// Jobs of a tenant that is suspended wait, and nobody waits for them.
func TestSuspended(t *testing.T) {
	t.Parallel()
	b := setup(t, "a", "b")
	b.known.set("a", tenant.Suspended)
	held := b.submit(t, "a", 20, jobs.Request{Kind: "statement"})
	b.worker(t, nil, effect("statement"))
	b.becomes(t, "b", b.submit(t, "b", 1, jobs.Request{Kind: "statement"})[0], jobs.Done)
	require.Equal(t, jobs.Ready, b.get(t, "a", held[0]).State)
	b.known.set("a", tenant.Active)
	for _, id := range held {
		b.becomes(t, "a", id, jobs.Done)
	}
}

// What is in line of tenants that are suspended, on the move or gone is nobody's to wait for, however much it is and though it came first;
// it waits itself, and what is under way at that moment is finished.
func TestSuspendedMovedOrGoneWithJobsUnderWay(t *testing.T) {
	t.Parallel()
	names := []tenant.Name{"suspended", "moved", "gone"}
	b := setup(t, append([]tenant.Name{"stays"}, names...)...)
	begun, finish := make(chan struct{}, len(names)), make(chan struct{})
	first := effect("statement")
	b.worker(t, func(o *jobs.Options) { o.Slots = len(names) }, jobs.Kind{Name: "statement", Length: jobs.Short, Do: func(ctx context.Context, task *jobs.Task) error {
		if task.Tenant.Name != "stays" {
			select {
			case begun <- struct{}{}:
			default:
			}
			<-finish
		}
		return first.Do(ctx, task)
	}})
	under := map[tenant.Name][]string{}
	for _, name := range names {
		b.known.limit(name, tenant.Limits{Jobs: 1, Weight: 1})
	}
	require.Eventually(t, func() bool { return b.Text(t, `select count(*)::text from jobs.share where most = 1 and open`) == "3" }, patience, tick)
	for _, name := range names {
		under[name] = b.submit(t, name, 40, jobs.Request{Kind: "statement"})
	}
	for range names {
		<-begun
	}
	require.NoError(t, b.Records.SetState(t.Context(), "suspended", tenant.Suspended, "test", ""))
	_, err := b.Records.SetRoute(t.Context(), "moved", tenant.RouteHold, "test")
	require.NoError(t, err)
	require.NoError(t, b.Records.DeleteTenant(t.Context(), "gone", "test", ""))
	require.Eventually(t, func() bool {
		return b.Text(t, `select count(*) filter (where open) || ' ' || (select count(*) from jobs.job where state = 'ready') from jobs.share`) == "1 0"
	}, patience, tick)
	close(finish)
	b.becomes(t, "stays", b.submit(t, "stays", 1, jobs.Request{Kind: "statement"})[0], jobs.Done)
	require.Eventually(t, func() bool { return b.Text(t, `select count(*)::text from jobs.job where state = 'running'`) == "0" }, patience, tick)
	for _, name := range names {
		done, twice := b.effects(t, name)
		require.Equal(t, []int{1, 0}, []int{done, twice}, name)
	}
	require.NoError(t, b.Records.SetState(t.Context(), "suspended", tenant.Active, "test", ""))
	_, err = b.Records.SetRoute(t.Context(), "moved", tenant.RoutePlatform, "test")
	require.NoError(t, err)
	for _, name := range []tenant.Name{"suspended", "moved"} {
		for _, id := range under[name] {
			b.becomes(t, name, id, jobs.Done)
		}
		done, twice := b.effects(t, name)
		require.Equal(t, []int{40, 0}, []int{done, twice}, name)
	}
}

func TestDue(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	b.worker(t, nil, effect("statement"))
	later := b.submit(t, "a", 1, jobs.Request{Kind: "statement", Due: time.Now().Add(time.Hour)})[0]
	b.becomes(t, "a", b.submit(t, "a", 1, jobs.Request{Kind: "statement"})[0], jobs.Done)
	require.Equal(t, jobs.Scheduled, b.get(t, "a", later).State)
	b.Exec(t, `update jobs.job set due_at = now() where state = 'scheduled'`)
	b.becomes(t, "a", later, jobs.Done)
}

// A schedule's time has one job, however many workers see it.
func TestSchedule(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	monthly := jobs.Schedule{Queue: queue, Name: "statements", Kind: "statement", Spec: "0 3 1 * *", Zone: "Europe/Berlin", Arguments: map[string]int{"copies": 2}}
	set := func(s jobs.Schedule) error {
		return b.in(t, "a", func(ctx context.Context, tx scope.Tx) error { return jobs.SetSchedule(ctx, tx, s) })
	}
	require.NoError(t, set(monthly))
	require.NoError(t, set(monthly), "again it is the same")
	wrong := monthly
	wrong.Zone = "Europe/Nowhere"
	require.ErrorIs(t, set(wrong), tenant.ErrInvalid)
	wrong = monthly
	wrong.Spec = "0 0 31 2 *"
	require.ErrorIs(t, set(wrong), tenant.ErrInvalid)
	for range 3 {
		b.worker(t, nil, effect("statement"))
	}
	b.Exec(t, `update jobs.schedule set next_at = '2026-01-01 02:00Z'`)
	require.Eventually(t, func() bool { done, _ := b.effects(t, "a"); return done == 1 }, patience, tick)
	require.Equal(t, `{"copies": 2}`, b.Text(t, `select arguments::text from jobs.job`))
	require.Equal(t, "t", b.Text(t, `select (next_at > now())::text from jobs.schedule`)[:1], "what was missed is one job")
	b.Exec(t, `update jobs.schedule set next_at = '2026-01-01 02:00Z'`)
	require.Eventually(t, func() bool { return b.Text(t, `select (next_at > now())::text from jobs.schedule`) == "true" }, patience, tick)
	require.Equal(t, "1", b.Text(t, `select count(*)::text from jobs.job`), "the same time is the same job")
}

// What ends is kept for a while, unless its tenant is gone.
func TestKept(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	b.worker(t, nil, effect("statement"))
	old, young := b.submit(t, "a", 1, jobs.Request{Kind: "statement"})[0], b.submit(t, "a", 1, jobs.Request{Kind: "statement"})[0]
	b.becomes(t, "a", old, jobs.Done)
	b.becomes(t, "a", young, jobs.Done)
	b.Exec(t, `update jobs.job set finished_at = now() - interval '8 days' where id = '`+old+`'`)
	require.Eventually(t, func() bool { return b.Text(t, `select string_agg(id::text, ' ') from jobs.job`) == young }, patience, tick)

	b.Exec(t, `insert into jobs.share values ('shop', 'dropped', 1, 1, false);
		insert into jobs.job (id, queue, role, kind, cost, state) select gen_random_uuid(), 'shop', 'dropped', 'statement', 1, 'backlog' from generate_series(1, 3)`)
	require.Eventually(t, func() bool { return b.Text(t, `select count(*)::text from jobs.job where role = 'dropped'`) == "0" }, patience, tick, "a tenant that was deleted leaves nothing")
}

// A long job gives way at a checkpoint, and goes on from there.
func TestALongJobGivesWay(t *testing.T) {
	t.Parallel()
	b := setup(t, "a", "b")
	const parts = 100 // so many that it sees others wait before it is through
	var attempts atomic.Int32
	order := &record{}
	next := make(chan struct{})
	long := jobs.Kind{Name: "export", Length: jobs.Long, Do: func(ctx context.Context, task *jobs.Task) error {
		attempts.Add(1)
		var part int
		if _, err := task.Resume(&part); err != nil {
			return err
		}
		for ; part < parts; part++ {
			if part == 1 && task.Attempt == 1 {
				<-next // others wait by now
			}
			err := task.Checkpoint(ctx, part+1, float64(part+1)/parts, func(ctx context.Context, tx scope.Tx) error {
				_, err := tx.Exec(ctx, `insert into effects (job, part) values ($1::uuid, $2)`, task.ID, part)
				return err
			})
			if err != nil {
				return err
			}
		}
		return task.Complete(ctx, nil)
	}}
	b.worker(t, func(o *jobs.Options) { o.Slots, o.Slice = 1, time.Nanosecond }, long, order.kind("mail", jobs.Short))
	id := b.submit(t, "a", 1, jobs.Request{Kind: "export"})[0]
	b.becomes(t, "a", id, jobs.Running)
	mails := b.submit(t, "b", 3, jobs.Request{Kind: "mail"})
	close(next)
	for _, mail := range mails {
		b.becomes(t, "b", mail, jobs.Done)
	}
	b.becomes(t, "a", id, jobs.Done)
	require.Greater(t, attempts.Load(), int32(1), "it gave way")
	require.Equal(t, "100 0", b.Text(t, `select count(*) || ' ' || count(*) - count(distinct part) from tenant_a.effects`), "each part was done once")
	require.Zero(t, b.get(t, "a", id).Failures)
}

// until is a kind whose jobs last until end is closed.
func until(end <-chan struct{}, of jobs.Kind) jobs.Kind {
	of.Do = func(ctx context.Context, _ *jobs.Task) error {
		select {
		case <-end:
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	return of
}

// Long jobs leave a slot to short ones.
func TestLongJobsLeaveASlot(t *testing.T) {
	t.Parallel()
	b := setup(t, "a", "b")
	end := make(chan struct{})
	long := until(end, jobs.Kind{Name: "export", Length: jobs.Long})
	b.worker(t, func(o *jobs.Options) { o.Slots = 4 }, long, effect("mail"))
	b.submit(t, "a", 10, jobs.Request{Kind: "export"})
	require.Eventually(t, func() bool { return b.Text(t, `select count(*)::text from jobs.job where state = 'running'`) == "3" }, patience, tick)
	b.becomes(t, "b", b.submit(t, "b", 1, jobs.Request{Kind: "mail"})[0], jobs.Done)
	require.Equal(t, "3", b.Text(t, `select count(*)::text from jobs.job where state = 'running'`))
	close(end)
}

// A worker that is told to end finishes what runs.
func TestDrain(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	begun, end := make(chan struct{}), make(chan struct{})
	slow := jobs.Kind{Name: "slow", Length: jobs.Short, Do: func(ctx context.Context, task *jobs.Task) error {
		close(begun)
		<-end
		return task.Complete(ctx, nil)
	}}
	stop := b.worker(t, func(o *jobs.Options) { o.Slots = 1 }, slow)
	first, second := b.submit(t, "a", 1, jobs.Request{Kind: "slow"})[0], b.submit(t, "a", 1, jobs.Request{Kind: "slow"})[0]
	<-begun
	time.AfterFunc(50*time.Millisecond, func() { close(end) })
	stop()
	require.Equal(t, jobs.Done, b.get(t, "a", first).State)
	require.Equal(t, jobs.Ready, b.get(t, "a", second).State)
}

func TestArguments(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	got := make(chan json.RawMessage, 1)
	b.worker(t, nil, jobs.Kind{Name: "k", Length: jobs.Short, Do: func(_ context.Context, task *jobs.Task) error { got <- task.Arguments; return nil }})
	b.submit(t, "a", 1, jobs.Request{Kind: "k", Arguments: map[string]any{"month": "2026-10"}})
	require.JSONEq(t, `{"month": "2026-10"}`, string(<-got))
	_, err := jobs.NewWorker(jobs.Options{Kinds: []jobs.Kind{effect("k"), effect("k")}})
	require.ErrorIs(t, err, tenant.ErrInvalid)
}
