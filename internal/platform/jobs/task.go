package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/operation/pause"
	"tenantctl/internal/platform/scope"
)

// Task is an attempt at a job, as its handler sees it.
type Task struct {
	ID        string
	Tenant    scope.Tenant
	Kind      string
	Arguments json.RawMessage
	Attempt   int
	Failures  int // of attempts before

	pools   *scope.Pools
	crowded func() bool // others wait for a slot
	began   time.Time
	slice   time.Duration

	mutex      sync.Mutex
	checkpoint json.RawMessage
	complete   bool
}

// change changes the job's row, which locks it until the transaction ends: nobody else takes the job in between.
func (t *Task) change(ctx context.Context, tx scope.Tx, sql string, args ...any) error {
	tag, err := tx.Exec(ctx, sql, append([]any{t.ID, t.Attempt}, args...)...)
	if err != nil {
		return fmt.Errorf("job %s: %w", t.ID, err)
	}
	if tag.RowsAffected() != 1 {
		return fmt.Errorf("job %s, attempt %d: %w", t.ID, t.Attempt, ErrLost)
	}
	return nil
}

// Read runs what queue puts into a batch in a transaction of the job's tenant that changes nothing.
func (t *Task) Read(ctx context.Context, queue func(*pgx.Batch)) error {
	return t.pools.Read(ctx, t.Tenant, queue)
}

// Complete runs the last of the job's work in a transaction of its tenant, in which the job is done, with a result: both or
// neither. do may be nil; what it returns becomes JSON.
func (t *Task) Complete(ctx context.Context, do func(ctx context.Context, tx scope.Tx) (result any, err error)) error {
	err := t.pools.Tx(ctx, t.Tenant, func(ctx context.Context, tx scope.Tx) error {
		if do == nil {
			return t.change(ctx, tx, doneSQL, nil)
		}
		result, err := do(ctx, tx)
		if err != nil {
			return err
		}
		text, err := json.Marshal(result)
		if err != nil {
			return fmt.Errorf("result of job %s: %w", t.ID, err)
		}
		pause.Point(ctx, pause.JobWorked)
		return t.change(ctx, tx, doneSQL, string(text))
	})
	if err == nil {
		t.mutex.Lock()
		t.complete = true
		t.mutex.Unlock()
		pause.Point(ctx, pause.JobCompleted)
	}
	return err
}

const doneSQL = `update jobs.job set state = 'done', result = $3::jsonb, error = null, progress = 1, leased_to = null, finished_at = now()
	where id = $1::uuid and attempt = $2 and state = 'running' and not cancel`

// Resume gives what the last checkpoint saved; false where there is none.
func (t *Task) Resume(into any) (bool, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if len(t.checkpoint) == 0 {
		return false, nil
	}
	if err := json.Unmarshal(t.checkpoint, into); err != nil {
		return false, Permanent(fmt.Errorf("checkpoint of job %s: %w", t.ID, err))
	}
	return true, nil
}

// Checkpoint saves how far the job is, with what do writes, in one transaction of the tenant: the next attempt begins there. It
// returns ErrYield when the job has had its time and others wait; the handler returns that, and is called again later. progress is
// from 0 to 1; do may be nil.
func (t *Task) Checkpoint(ctx context.Context, state any, progress float64, do func(ctx context.Context, tx scope.Tx) error) error {
	text, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("checkpoint of job %s: %w", t.ID, err)
	}
	err = t.pools.Tx(ctx, t.Tenant, func(ctx context.Context, tx scope.Tx) error {
		err := t.change(ctx, tx, `update jobs.job set checkpoint = $3::jsonb, progress = $4 where id = $1::uuid and attempt = $2 and state = 'running' and not cancel`,
			string(text), min(max(progress, 0), 1))
		if err != nil || do == nil {
			return err
		}
		return do(ctx, tx)
	})
	if err != nil {
		return err
	}
	t.mutex.Lock()
	t.checkpoint = text
	t.mutex.Unlock()
	pause.Point(ctx, pause.JobCheckpoint)
	if time.Since(t.began) >= t.slice && t.crowded() {
		return ErrYield
	}
	return nil
}

func (t *Task) completed() bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.complete
}
