package bench_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/core"
	jobqueue "tenantctl/internal/platform/jobs"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
	fleets "tenantctl/test/fleet"
)

const (
	quietTenants = 20
	floodFactor  = 100 // times what all quiet ones submit
	jobTime      = 2 * time.Millisecond
	jobSlots     = 8
	backlog      = 3000 // jobs that a contest with a plain queue is about
	dwellBar     = 2.0
	jainBar      = 0.95
	fifoBar      = 1 / 0.9 // in time
)

// BenchmarkJobs is a queue of 20 quiet tenants, each with a job a second, and one that floods it.
func BenchmarkJobs(b *testing.B) {
	for b.Loop() {
		seconds := max(scaled(b, 15), 3)
		q := newQueueStage(b)
		stop := q.work(nil)
		alone := q.submitted(func() { q.everySecond(seconds, q.quiet[:1]) }, q.quiet[:1])
		calm := q.submitted(func() { q.everySecond(seconds, q.quiet) }, q.quiet)
		var flooded time.Time
		crowded := q.submitted(func() {
			over := q.flood(seconds)
			q.everySecond(seconds, q.quiet)
			over()
			flooded = time.Now()
		}, q.quiet)
		q.drained()
		recovery := time.Since(flooded)
		stop()
		fmt.Printf("\n  dwell of quiet tenants, median and p99: alone %s, all of them %s, beside a flood %s; the flood's backlog was done %.1f s after it\n",
			alone, calm, crowded, recovery.Seconds())
		announce(b, "quiet-dwell-p99/alone", calm.p99/alone.p99, dwellBar)
		announce(b, "flooded-dwell-p99/quiet", crowded.p99/calm.p99, dwellBar)
		jain := q.jain()
		b.ReportMetric(jain, "jain")
		verdict := ""
		if jain < jainBar {
			verdict = " MISSED"
		}
		fmt.Printf("Jain index of ten tenants with unequal backlogs %.3f (bar %.2f)%s\n", jain, jainBar, verdict)
	}
}

// BenchmarkJobsThroughput is how long a backlog takes that is put in fair order, against one that is done first come, first served.
func BenchmarkJobsThroughput(b *testing.B) {
	for b.Loop() {
		q := newQueueStage(b)
		compete(b, "fair", []func() laps{
			func() laps { return laps{"fair": q.fair()} },
			func() laps { return laps{"fifo": q.fifo()} },
			func() laps { return laps{"fifo-taken-ahead": q.fifoAhead()} },
		}, bar{"fifo", fifoBar}, bar{"fifo-taken-ahead", 0})
	}
}

// queueStage is a fleet with a queue.
type queueStage struct {
	*fleets.Fleet
	b         *testing.B
	pools     *scope.Pools
	directory *scope.Directory
	plain     *pgxpool.Pool // of the plain queue's workers
	quiet     []tenant.Name
}

const flooder = tenant.Name("flood")

func newQueueStage(b *testing.B) *queueStage {
	b.Helper()
	ofCore, err := core.Stream()
	require.NoError(b, err)
	ofJobs, err := jobqueue.Stream()
	require.NoError(b, err)
	q := &queueStage{b: b, Fleet: fleets.New(b, fleets.Options{Server: newServer(b), Streams: []*stream.Stream{ofCore, ofJobs}})}
	for i := range quietTenants {
		q.quiet = append(q.quiet, tenant.Name(fmt.Sprintf("q%d", i)))
	}
	q.Provision(b, append([]tenant.Name{flooder}, q.quiet...)...)
	q.pools, q.directory = q.Pools(b, scope.PoolOptions{Service: core.Service, MaxConns: 2 * jobSlots, Share: 2 * jobSlots}), q.Directory(b)
	config, err := pgxpool.ParseConfig(q.Config.ConnString())
	require.NoError(b, err)
	config.MaxConns = jobSlots
	q.plain, err = pgxpool.NewWithConfig(context.Background(), config)
	require.NoError(b, err)
	b.Cleanup(q.plain.Close)
	q.Exec(b, `create schema plain; grant usage on schema plain to public; create table plain.fifo (id uuid primary key default gen_random_uuid(), number bigint not null generated always as identity, tenant text not null,
			state text not null default 'new', taken_at timestamptz, done_at timestamptz);
		create index on plain.fifo (number) where state = 'new'; grant select, update on plain.fifo to public`)
	return q
}

// generous lets each tenant have as many jobs at once as there are slots.
type generous struct{ *scope.Directory }

func (g generous) All() []scope.Tenant {
	all := g.Directory.All()
	for i := range all {
		all[i].Limits = tenant.Limits{Jobs: jobSlots, Weight: 1}
	}
	return all
}

// handle is what each job does: a little time and a row, which has the job's id and when its transaction began.
func handle(ctx context.Context, tx scope.Tx, job string) error {
	time.Sleep(jobTime)
	_, err := tx.Exec(ctx, `insert into customers (code, name) values ($1, 'x')`, job)
	return err
}

// work runs a worker until it is stopped. Whoever wants to hear of each job that is done gives a channel.
func (q *queueStage) work(done chan<- struct{}) (stop func()) {
	q.b.Helper()
	w, err := jobqueue.NewWorker(jobqueue.Options{
		Queue: core.Service, Instance: fleets.Instance, Pools: q.pools, Tenants: generous{q.directory}, Slots: jobSlots,
		DSN: func(ctx context.Context) (string, error) {
			return q.Login(jobqueue.Service)(ctx, scope.Cell{Cell: "shared"})
		},
		Kinds: []jobqueue.Kind{{Name: "k", Length: jobqueue.Short, Do: func(ctx context.Context, task *jobqueue.Task) error {
			err := task.Complete(ctx, func(ctx context.Context, tx scope.Tx) (any, error) { return nil, handle(ctx, tx, task.ID) })
			if err == nil && done != nil {
				done <- struct{}{}
			}
			return err
		}}},
	})
	require.NoError(q.b, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); w.Run(ctx) }()
	return func() { cancel(); <-ended }
}

func (q *queueStage) submit(name tenant.Name, n int) {
	t, err := q.directory.Tenant(name)
	require.NoError(q.b, err)
	require.NoError(q.b, q.pools.Tx(context.Background(), t, func(ctx context.Context, tx scope.Tx) error {
		for range n {
			if _, err := jobqueue.Submit(ctx, tx, jobqueue.Request{Queue: core.Service, Kind: "k"}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// everySecond has each of some tenants submit a job a second, spread over it.
func (q *queueStage) everySecond(seconds int, names []tenant.Name) {
	ticker := time.NewTicker(time.Second / time.Duration(len(names)))
	defer ticker.Stop()
	for i := range seconds * len(names) {
		<-ticker.C
		q.submit(names[i%len(names)], 1)
	}
}

// flood begins to submit, in transactions of a hundred, and gives what waits for its end.
func (q *queueStage) flood(seconds int) (over func()) {
	const batch = 100
	times := seconds * quietTenants * floodFactor / batch
	ticker := time.NewTicker(time.Duration(seconds) * time.Second / time.Duration(times))
	var flood sync.WaitGroup
	flood.Go(func() {
		defer ticker.Stop()
		for range times {
			<-ticker.C
			q.submit(flooder, batch)
		}
	})
	return flood.Wait
}

// dwell is how long jobs waited, in seconds.
type dwell struct{ median, p99 float64 }

func (d dwell) String() string { return fmt.Sprintf("%.0f and %.0f ms", 1000*d.median, 1000*d.p99) }

// submitted runs something and tells how long the jobs of some tenants waited that it submitted.
func (q *queueStage) submitted(run func(), names []tenant.Name) (d dwell) {
	q.b.Helper()
	var since time.Time
	require.NoError(q.b, q.Root.QueryRow(context.Background(), `select clock_timestamp()`).Scan(&since))
	run()
	roles, begun := make([]string, len(names)), make([]string, len(names))
	for i, name := range names {
		t, err := q.directory.Tenant(name)
		require.NoError(q.b, err)
		roles[i], err = t.Role(core.Service)
		require.NoError(q.b, err)
		begun[i] = "select code, created_at from " + pgx.Identifier{t.Schema, "customers"}.Sanitize()
	}
	require.Eventually(q.b, func() bool {
		var left int
		err := q.Root.QueryRow(context.Background(), `select count(*) from jobs.job where role = any($1) and finished_at is null`, roles).Scan(&left)
		return err == nil && left == 0
	}, time.Minute, 10*time.Millisecond)
	require.NoError(q.b, q.Root.QueryRow(context.Background(), `select percentile_cont(0.5) within group (order by waited), percentile_cont(0.99) within group (order by waited)
		from (select extract(epoch from begun.created_at - job.created_at)::float8 as waited from jobs.job join (`+strings.Join(begun, " union all ")+`) as begun on code = job.id::text
			where role = any($1) and job.created_at >= $2) as j`, roles, since).Scan(&d.median, &d.p99))
	return d
}

// drained waits until nothing is left to do.
func (q *queueStage) drained() {
	q.b.Helper()
	require.Eventually(q.b, func() bool {
		var left bool
		err := q.Root.QueryRow(context.Background(), `select exists (select from jobs.job where finished_at is null)`).Scan(&left)
		return err == nil && !left
	}, 10*time.Minute, 10*time.Millisecond)
}

// jain is how evenly ten tenants are served who all have enough to do, though some have ten times as much as others.
func (q *queueStage) jain() float64 {
	q.b.Helper()
	const least, served = 100, 600
	q.Exec(q.b, `truncate jobs.job cascade`)
	names := q.quiet[:10]
	for i, name := range names {
		q.submit(name, least*(1+i))
	}
	stop := q.work(nil)
	q.drained()
	stop()
	rows, err := q.Root.Query(context.Background(), `select count(*)::float8 from (select role from jobs.job order by started_at limit $1) as first group by role`, served)
	require.NoError(q.b, err)
	counts, err := pgx.CollectRows(rows, pgx.RowTo[float64])
	require.NoError(q.b, err)
	sum, squares := 0.0, 0.0
	for _, n := range counts {
		sum, squares = sum+n, squares+n*n
	}
	return sum * sum / (float64(len(names)) * squares)
}

// fair does a backlog of all tenants in our queue. Its end is heard of as the plain one's is: asking the server again and again would
// take from what is measured.
func (q *queueStage) fair() time.Duration {
	q.b.Helper()
	q.Exec(q.b, `truncate jobs.job cascade`)
	each := scaled(q.b, backlog) / (quietTenants + 1)
	for _, name := range append(slices.Clone(q.quiet), flooder) {
		q.submit(name, each)
	}
	done := make(chan struct{}, jobSlots)
	began := time.Now()
	stop := q.work(done)
	for range each * (quietTenants + 1) {
		<-done
	}
	elapsed := time.Since(began)
	stop()
	return elapsed
}

// fifo does the same backlog first come, first served, as many at once and by as many workers as want to: each takes the oldest that
// nobody has, which is committed so that nobody else does it, and marks it done in the transaction of its work.
func (q *queueStage) fifo() time.Duration {
	q.b.Helper()
	tenants := q.plainBacklog()
	return q.atOnce(func() {
		for {
			job := q.plainNext(1)
			if len(job) == 0 {
				return
			}
			q.plainDo(tenants, job[0])
		}
	})
}

// fifoAhead is the same with as many taken at a time as there are slots. What it takes with a process that dies isn't done.
func (q *queueStage) fifoAhead() time.Duration {
	q.b.Helper()
	tenants, todo := q.plainBacklog(), make(chan plainJob)
	go func() {
		defer close(todo)
		for list := q.plainNext(jobSlots); len(list) > 0; list = q.plainNext(jobSlots) {
			for _, job := range list {
				todo <- job
			}
		}
	}()
	return q.atOnce(func() {
		for job := range todo {
			q.plainDo(tenants, job)
		}
	})
}

// atOnce is how long it takes until as many workers have ended as there are slots.
func (q *queueStage) atOnce(work func()) time.Duration {
	var workers sync.WaitGroup
	began := time.Now()
	for range jobSlots {
		workers.Go(work)
	}
	workers.Wait()
	return time.Since(began)
}

type plainJob struct{ id, tenant string }

// plainBacklog fills the plain queue, and gives the tenants by their names.
func (q *queueStage) plainBacklog() map[string]scope.Tenant {
	q.Exec(q.b, `truncate plain.fifo`)
	for _, name := range append(slices.Clone(q.quiet), flooder) {
		_, err := q.Root.Exec(context.Background(), `insert into plain.fifo (tenant) select $1 from generate_series(1, $2)`, string(name), scaled(q.b, backlog)/(quietTenants+1))
		require.NoError(q.b, err)
	}
	tenants := map[string]scope.Tenant{}
	for _, t := range q.directory.All() {
		tenants[string(t.Name)] = t
	}
	return tenants
}

func (q *queueStage) plainNext(n int) []plainJob {
	rows, err := q.plain.Query(context.Background(), `update plain.fifo set state = 'running', taken_at = now()
		where id in (select id from plain.fifo where state = 'new' order by number limit $1 for update skip locked) returning id::text, tenant`, n)
	require.NoError(q.b, err)
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (j plainJob, err error) { return j, row.Scan(&j.id, &j.tenant) })
	require.NoError(q.b, err)
	return list
}

func (q *queueStage) plainDo(tenants map[string]scope.Tenant, job plainJob) {
	require.NoError(q.b, q.pools.Tx(context.Background(), tenants[job.tenant], func(ctx context.Context, tx scope.Tx) error {
		if err := handle(ctx, tx, job.id); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `update plain.fifo set state = 'done', done_at = now() where id = $1::uuid and state = 'running'`, job.id)
		return err
	}))
}
