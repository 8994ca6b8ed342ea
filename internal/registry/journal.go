package registry

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

var (
	//go:embed sql/step_started.sql
	stepStartedSQL string
	//go:embed sql/step_ended.sql
	stepEndedSQL string
	//go:embed sql/steps.sql
	stepsSQL string
)

// newestFact is the newest thing said of each step of an operation, by its newest attempt: an older attempt belongs to a
// process that lost its lease.
const newestFact = `select distinct on (step) step, attempt, state from tenantctl.journal where operation = $1 order by step, attempt desc, id desc`

// StepsDone names the steps of an operation whose newest attempt ended well and wasn't voided since.
func (r *Registry) StepsDone(ctx context.Context, operation string) (map[string]bool, error) {
	rows, err := r.pool.Query(ctx, `select step from (`+newestFact+`) as newest where state = 'done'`, operation)
	if err != nil {
		return nil, r.failed(err, "read the journal of operation %s", operation)
	}
	steps, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, r.failed(err, "read the journal of operation %s", operation)
	}
	done := make(map[string]bool, len(steps))
	for _, step := range steps {
		done[step] = true
	}
	return done, nil
}

// StepStarted records an attempt at a step, which becomes the operation's phase, and returns the attempt's number, from 1.
func (r *Registry) StepStarted(ctx context.Context, operation, step string) (attempt int, err error) {
	attempted := fmt.Sprintf("record the start of step %s of operation %s", step, operation)
	err = r.queryRow(ctx, stepStartedSQL, []any{operation, step}, []any{&attempt}, attempted)
	if postgres.Code(err) == uniqueViolation {
		return 0, fmt.Errorf("%s: another process has just started it: %w", attempted, tenant.ErrConflict)
	}
	return attempt, err
}

// StepEnded records how an attempt at a step ended; a nil cause is success.
func (r *Registry) StepEnded(ctx context.Context, operation, step string, attempt int, cause error) error {
	state := "done"
	if cause != nil {
		state = "failed"
	}
	return r.queryRow(ctx, stepEndedSQL, []any{operation, step, attempt, state, errorText(cause)}, []any{&operation},
		fmt.Sprintf("record the end of step %s of operation %s", step, operation))
}

// Forget voids steps that were done, so that the next run does them again; none named means all.
func (r *Registry) Forget(ctx context.Context, operation string, steps ...string) error {
	_, err := r.pool.Exec(ctx, `
		insert into tenantctl.journal (operation, step, attempt, state, actor, reason)
		select o.id, f.step, f.attempt, 'voided', o.actor, o.reason
		from (`+newestFact+`) as f, tenantctl.operation as o
		where o.id = $1 and f.state = 'done' and ($2::text[] is null or f.step = any ($2))`, operation, steps)
	if err != nil {
		return r.failed(err, "void steps of operation %s", operation)
	}
	return nil
}

// Steps lists an operation's attempts at steps, in the order they began.
func (r *Registry) Steps(ctx context.Context, operation string) ([]tenant.StepRecord, error) {
	rows, err := r.pool.Query(ctx, stepsSQL, operation)
	if err != nil {
		return nil, r.failed(err, "read the journal of operation %s", operation)
	}
	type row struct {
		tenant.StepRecord
		Ended *time.Time
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return nil, r.failed(err, "read the journal of operation %s", operation)
	}
	records := make([]tenant.StepRecord, len(found))
	for i, f := range found {
		records[i] = f.StepRecord
		records[i].Started = f.Started.UTC()
		if f.Ended != nil {
			records[i].Ended = f.Ended.UTC()
		}
	}
	return records, nil
}
