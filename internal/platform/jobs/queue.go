package jobs

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed sql/admit.sql
var admitSQL string

//go:embed sql/fresh_new.sql
var freshNewSQL string

//go:embed sql/fresh_backlog.sql
var freshBacklogSQL string

//go:embed sql/roles_taken.sql
var rolesTakenSQL string

//go:embed sql/roles_waiting.sql
var rolesWaitingSQL string

//go:embed sql/claim.sql
var claimSQL string

//go:embed sql/keep.sql
var keepSQL string

//go:embed sql/mine.sql
var mineSQL string

//go:embed sql/expire.sql
var expireSQL string

//go:embed sql/leases.sql
var leasesSQL string

//go:embed sql/wake.sql
var wakeSQL string

//go:embed sql/due.sql
var dueSQL string

//go:embed sql/shares.sql
var sharesSQL string

//go:embed sql/close.sql
var closeSQL string

//go:embed sql/forget.sql
var forgetSQL string

//go:embed sql/purge.sql
var purgeSQL string

//go:embed sql/give_back.sql
var giveBackSQL string

// queue is one service's queue on one instance, as the workers' login sees it: all tenants' jobs.
type queue struct {
	pool   *pgxpool.Pool
	name   string
	worker string
	lease  time.Duration

	leases leases    // everybody's, as of the last look
	woken  time.Time // when it was looked for what waits too long
}

// claimed is a job that is this worker's for now.
type claimed struct {
	ID         string          `db:"id"`
	Role       string          `db:"role"`
	Kind       string          `db:"kind"`
	Arguments  json.RawMessage `db:"arguments"`
	Checkpoint json.RawMessage `db:"checkpoint"`
	Attempt    int             `db:"attempt"`
	Failures   int             `db:"failures"`
	Trace      string          `db:"trace"`
	Dwell      float64         `db:"dwell"` // seconds that it waited, by the server's clock
}

// wanted says what a worker has room for.
type wanted struct {
	slots, long int // of these, how many may be long
	ahead       int // how many are taken before there are slots for them
	kinds       []string
	longKinds   []string
}

// locked runs statements in one round trip, one worker at a time: who comes next depends on who was taken before.
func (q *queue) locked(ctx context.Context, fill func(b *pgx.Batch)) error {
	b := &pgx.Batch{}
	b.Queue("begin")
	b.Queue("select pg_advisory_xact_lock(hashtextextended($1, 0))", "tenantctl:jobs:"+q.name)
	fill(b)
	b.Queue("commit")
	err := q.pool.SendBatch(ctx, b).Close()
	if err != nil {
		return fmt.Errorf("queue %s: %w", q.name, err)
	}
	return nil
}

// claim puts what came in line, takes what comes next, and fills the line up behind it.
func (q *queue) claim(ctx context.Context, w wanted) (list []claimed, err error) {
	err = q.locked(ctx, func(b *pgx.Batch) {
		b.Queue(admit(freshNewSQL), q.name, inLine)
		b.Queue(claimSQL, q.name, w.slots, q.worker, q.lease.Seconds(), w.kinds, w.longKinds, w.long, inLine).Query(func(rows pgx.Rows) (err error) {
			list, err = pgx.CollectRows(rows, pgx.RowToStructByName[claimed])
			return err
		})
		b.Queue(admit(backlogOf(rolesTakenSQL)), q.name, inLine)
	})
	return list, err
}

// waiting tells whether jobs wait for a slot.
func (q *queue) waiting(ctx context.Context) (some bool, err error) {
	err = q.pool.QueryRow(ctx, `select exists (select from jobs.job where queue = $1 and state = 'ready') or exists (select from jobs.job where queue = $1 and state = 'new')`, q.name).Scan(&some)
	if err != nil {
		return false, fmt.Errorf("queue %s: %w", q.name, err)
	}
	return some, nil
}

// tidy brings in what is due, what was lost and what was passed over, and removes what ended long ago.
func (q *queue) tidy(ctx context.Context, o Options) error {
	now := time.Now()
	ids, attempts, untils := q.leases.over(now, q.lease)
	wake := now.Sub(q.woken) >= wakeEvery
	var list []lease
	err := q.locked(ctx, func(b *pgx.Batch) {
		b.Queue("insert into jobs.line (queue) values ($1) on conflict do nothing", q.name)
		b.Queue(expireSQL, q.name, o.Attempts, ids, attempts, untils)
		b.Queue(leasesSQL, q.name).Query(func(rows pgx.Rows) (err error) {
			list, err = readLeases(rows)
			return err
		})
		if wake {
			b.Queue(wakeSQL, q.name, o.Pause.Seconds(), longestPause.Seconds())
		}
		b.Queue(dueSQL, q.name)
		b.Queue(closeSQL, q.name)
		b.Queue(admit(backlogOf(rolesWaitingSQL)), q.name, inLine)
		b.Queue(purgeSQL, o.Keep.Seconds(), now)
		b.Queue(forgetSQL, q.name)
	})
	if err != nil {
		return err
	}
	q.leases = q.leases.seen(now, list)
	if wake {
		q.woken = now
	}
	return nil
}

func admit(fresh string) string { return strings.Replace(admitSQL, "{fresh}", fresh, 1) }

func backlogOf(roles string) string { return strings.Replace(freshBacklogSQL, "{roles}", roles, 1) }

// held is a job that is still this worker's.
type held struct {
	attempt int
	cancel  bool
}

// keep renews the leases of the jobs that this worker works on, and tells what it has.
func (q *queue) keep(ctx context.Context, jobs []string) (map[string]held, error) {
	mine := map[string]held{}
	b := &pgx.Batch{}
	b.Queue(keepSQL, q.name, q.worker, q.lease.Seconds(), jobs)
	b.Queue(mineSQL, q.name, q.worker).Query(func(rows pgx.Rows) error {
		var id string
		var h held
		_, err := pgx.ForEachRow(rows, []any{&id, &h.attempt, &h.cancel}, func() error { mine[id] = h; return nil })
		return err
	})
	if err := q.pool.SendBatch(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("queue %s: renew leases: %w", q.name, err)
	}
	return mine, nil
}

// share is what a tenant may have of the queue.
type share struct {
	role   string
	weight float64
	most   int
	open   bool
}

func (q *queue) setShares(ctx context.Context, list []share) error {
	var roles []string
	var weights []float64
	var most []int
	var open []bool
	for _, s := range list {
		roles, weights, most, open = append(roles, s.role), append(weights, s.weight), append(most, s.most), append(open, s.open)
	}
	if _, err := q.pool.Exec(ctx, sharesSQL, q.name, roles, weights, most, open); err != nil {
		return fmt.Errorf("queue %s: shares: %w", q.name, err)
	}
	return nil
}

// ending is how an attempt ends that didn't complete.
type ending struct {
	state    State
	wait     time.Duration
	problem  string
	failures int
	cost     *float64 // nil: as it was
}

// giveBack ends an attempt. One that isn't this worker's any more stays as it is.
func (q *queue) giveBack(ctx context.Context, c claimed, e ending) error {
	var problem *string
	if e.problem != "" {
		problem = &e.problem
	}
	if _, err := q.pool.Exec(ctx, giveBackSQL, c.ID, c.Attempt, string(e.state), e.wait.Seconds(), problem, e.failures, e.cost); err != nil {
		return fmt.Errorf("queue %s: end attempt %d of job %s: %w", q.name, c.Attempt, c.ID, err)
	}
	return nil
}
