package operator

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
)

// doing are the jobs that this replica works on. The queue may have given it others: where a session ends between the commit and its
// answer, nobody has heard of the job that was taken, or of the one that was done. As long as the replica lives nobody rescues those.
type doing struct {
	mu      sync.Mutex
	jobs    map[int64]bool
	unheard map[attempt]bool // what wasn't worked on at the last look, though the queue had it so
}

// attempt is one at a job of the queue.
type attempt struct {
	ID     int64
	Number int16
}

// begin notes a job until the function that it gives is called.
func (d *doing) begin(id int64) (end func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.jobs[id] = true
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.jobs, id)
	}
}

// look tells which of the attempts that the queue says run here don't, now as at the look before: in between one may just begin, or
// its end be on its way.
func (d *doing) look(running []attempt) (lost []attempt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	unheard := map[attempt]bool{}
	for _, a := range running {
		switch {
		case d.jobs[a.ID]:
		case d.unheard[a]:
			lost = append(lost, a)
		default:
			unheard[a] = true
		}
	}
	d.unheard = unheard
	return lost
}

// reclaim puts back what the queue gave this replica without its hearing of it, and tells how many jobs.
func (q *queue) reclaim(ctx context.Context) (int64, error) {
	rows, err := q.pool.Query(ctx, `select id, attempt from tenantctl_river.river_job
		where state = 'running' and attempted_by[array_upper(attempted_by, 1)] = $1`, q.client.ID())
	if err != nil {
		return 0, fmt.Errorf("look at this replica's jobs: %w", err)
	}
	running, err := pgx.CollectRows(rows, pgx.RowToStructByPos[attempt])
	if err != nil {
		return 0, fmt.Errorf("look at this replica's jobs: %w", err)
	}
	var ids []int64
	var numbers []int16
	for _, a := range q.doing.look(running) {
		ids, numbers = append(ids, a.ID), append(numbers, a.Number)
	}
	if len(ids) == 0 {
		return 0, nil
	}
	tag, err := q.pool.Exec(ctx, putBack+`from unnest($1::bigint[], $2::smallint[]) as lost (id, attempt)
		where j.id = lost.id and j.attempt = lost.attempt and j.state = 'running' and j.attempted_by[array_upper(j.attempted_by, 1)] = $3`, ids, numbers, q.client.ID())
	if err != nil {
		return 0, fmt.Errorf("put jobs back: %w", err)
	}
	return tag.RowsAffected(), nil
}
