package operator

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

const queueSchema = "tenantctl_river"

// job is work for whichever replica takes it. There is one of a kind for each tenant at a time.
type job struct {
	Task   Task        `json:"task" river:"unique"`
	Tenant tenant.Name `json:"tenant" river:"unique"`
}

// Kind implements river.JobArgs.
func (job) Kind() string { return "operator" }

func (j job) queue() Task { return j.Task }

// errand is a job of any kind.
type errand interface {
	river.JobArgs
	// queue is where it waits for a worker.
	queue() Task
}

// queue is a River client whose jobs lie in a schema of their own.
type queue struct {
	client *river.Client[pgx.Tx]
	pool   *pgxpool.Pool
	doing  *doing
}

// workers do the jobs of each kind.
type workers struct {
	one   func(context.Context, job) error
	share func(context.Context, share) error
}

// pace is how jobs go from the queue to the workers.
type pace struct{ Tenants, Removals, Moves int }

const (
	fetchCooldown = 10 * time.Millisecond
	fetchPoll     = time.Second
	keepCompleted = time.Hour
	// softStop is how long jobs may go on after the word to end; then their contexts end, and others take them up.
	softStop = 15 * time.Second
	// neverRescue leaves jobs of dead replicas to rescue, which knows who is dead.
	neverRescue = 365 * 24 * time.Hour
)

// openQueue brings the queue's schema up to date, which any number of processes may do at once, and makes a client that works
// jobs once it is started. Each task has a queue of its own, so that slow ones don't delay the others.
func openQueue(ctx context.Context, pool *pgxpool.Pool, id string, clock *Clock, p pace, work workers, log *slog.Logger) (*queue, error) {
	driver := riverpgxv5.New(pool)
	if err := migrateQueue(ctx, pool, driver, log); err != nil {
		return nil, err
	}
	known := river.NewWorkers()
	doing := &doing{jobs: map[int64]bool{}}
	addWorker(known, doing, work.one)
	addWorker(known, doing, work.share)
	client, err := river.NewClient(driver, &river.Config{
		ID: id, Schema: queueSchema, Workers: known, Logger: log,
		Queues: map[string]river.QueueConfig{
			string(TaskTenant): {MaxWorkers: p.Tenants}, string(TaskRemove): {MaxWorkers: p.Removals},
			string(TaskMove): {MaxWorkers: p.Moves}, string(TaskRollout): {MaxWorkers: 1},
		},
		FetchCooldown: fetchCooldown, FetchPollInterval: fetchPoll, JobTimeout: -1, JobStuckThreshold: neverRescue, RescueStuckJobsAfter: neverRescue,
		CompletedJobRetentionPeriod: keepCompleted, SoftStopTimeout: softStop,
		// Without these, jobs would be put into the queue and put off by this machine's clock, and taken by the database's.
		Hooks: []rivertype.Hook{river.HookInsertBeginFunc(clock.stamp)}, Test: river.TestConfig{Time: clock},
	})
	if err != nil {
		return nil, fmt.Errorf("open the queue: %w", err)
	}
	return &queue{client: client, pool: pool, doing: doing}, nil
}

func addWorker[E river.JobArgs](known *river.Workers, doing *doing, work func(context.Context, E) error) {
	river.AddWorker(known, river.WorkFunc(func(ctx context.Context, j *river.Job[E]) error {
		defer doing.begin(j.ID)()
		return work(ctx, j.Args)
	}))
}

// migrateQueue holds a lock in one transaction while River migrates in its own: it can't do all of it in one.
func migrateQueue(ctx context.Context, pool *pgxpool.Pool, driver *riverpgxv5.Driver, log *slog.Logger) error {
	if _, err := pool.Exec(ctx, `create schema if not exists `+queueSchema); err != nil && postgres.Classify(err) != postgres.Conflict {
		return fmt.Errorf("make the queue's schema: %w", err)
	}
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended($1, 0))`, "tenantctl:"+queueSchema); err != nil {
			return fmt.Errorf("lock the queue's schema: %w", err)
		}
		migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Schema: queueSchema, Logger: log})
		if err == nil {
			_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
		}
		if err != nil {
			return fmt.Errorf("bring the queue's schema up to date: %w", err)
		}
		return nil
	})
}

// put adds jobs. Those that are there already are left as they are, and counted: one of them may be at work on what was declared
// before.
func (q *queue) put(ctx context.Context, jobs []errand) (twice int, err error) {
	states := []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled,
	}
	const atOnce = 1000
	for len(jobs) > 0 {
		n := min(len(jobs), atOnce)
		params := make([]river.InsertManyParams, n)
		for i, j := range jobs[:n] {
			params[i] = river.InsertManyParams{Args: j, InsertOpts: &river.InsertOpts{
				Queue: string(j.queue()), MaxAttempts: 3, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: states},
			}}
		}
		results, err := q.client.InsertMany(ctx, params)
		if err != nil {
			return twice, fmt.Errorf("put %d jobs into the queue: %w", n, err)
		}
		for _, r := range results {
			if r.UniqueSkippedAsDuplicate {
				twice++
			}
		}
		jobs = jobs[n:]
	}
	return twice, nil
}

// putBack makes jobs of the queue ready again, for whoever takes them. What follows says which.
const putBack = `update tenantctl_river.river_job as j
	set state = 'available', scheduled_at = now(), max_attempts = greatest(j.max_attempts, j.attempt + 1)
	`

// rescue gives jobs to others that replicas took which aren't heard of any more, and tells how many.
func (q *queue) rescue(ctx context.Context) (int64, error) {
	tag, err := q.pool.Exec(ctx, putBack+`where j.state = 'running' and not exists (
			select from tenantctl_operator.replica as r
			where r.id = j.attempted_by[array_upper(j.attempted_by, 1)] and r.heartbeat > now() - make_interval(secs => $1))`, replicaAlive.Seconds())
	if err != nil {
		return 0, fmt.Errorf("take jobs over: %w", err)
	}
	return tag.RowsAffected(), nil
}

// again has a job tried later, without counting that as a failure.
func again(after time.Duration) error { return river.JobSnooze(after) }
