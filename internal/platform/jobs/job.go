package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/telemetry"
	"tenantctl/internal/tenant"
)

// State is where a job is.
type State string

// The states of a job.
const (
	New       State = "new"
	Backlog   State = "backlog"
	Ready     State = "ready"
	Scheduled State = "scheduled"
	Running   State = "running"
	Done      State = "done"
	Failed    State = "failed"
	Canceled  State = "canceled"
)

// Ended tells whether nothing more comes.
func (s State) Ended() bool { return s == Done || s == Failed || s == Canceled }

// Request asks for a job.
type Request struct {
	Queue     string    // the service whose workers do it
	Kind      string    // one that they know
	Arguments any       // becomes JSON, of 256 kB at most
	Cost      float64   // seconds of work until it ends or gives way; 0 means 1. What a job that gave way had used counts from then on.
	Due       time.Time // not before; zero: at once
}

// Job is what its tenant sees of a job.
type Job struct {
	ID         string          `db:"id" json:"id"`
	Queue      string          `db:"queue" json:"-"`
	Kind       string          `db:"kind" json:"kind"`
	State      State           `db:"state" json:"state"`
	Progress   float64         `db:"progress" json:"progress"` // 0 to 1
	Result     json.RawMessage `db:"result" json:"result,omitempty"`
	Error      string          `db:"error" json:"error,omitempty"`
	Failures   int             `db:"failures" json:"failures"`
	CreatedAt  time.Time       `db:"created_at" json:"created_at"`
	StartedAt  *time.Time      `db:"started_at" json:"started_at,omitempty"` // the last attempt
	FinishedAt *time.Time      `db:"finished_at" json:"finished_at,omitempty"`
}

// inLine is how many jobs of a tenant wait in line before the others lie behind it. It is more than a tenant may have running
// by default, so that whoever may run more at once has one ready when another ends.
const inLine = 16

const longestArguments = 256 << 10

// Submit asks for a job in the transaction of what it is about. The row is the tenant's whose role the transaction has; the work
// belongs to the context's trace.
func Submit(ctx context.Context, tx scope.Tx, r Request) (id string, err error) {
	arguments, err := json.Marshal(r.Arguments)
	if err != nil {
		return "", fmt.Errorf("arguments of a job %s: %w", r.Kind, err)
	}
	if r.Arguments == nil {
		arguments = []byte("{}")
	}
	if len(arguments) > longestArguments {
		return "", fmt.Errorf("arguments of a job %s are %d bytes long, and may be %d: %w", r.Kind, len(arguments), longestArguments, tenant.ErrInvalid)
	}
	if r.Cost == 0 {
		r.Cost = 1
	}
	var due *time.Time
	if !r.Due.IsZero() {
		due = &r.Due
	}
	ctx, span := telemetry.Start(ctx, telemetry.Producer, "submit "+r.Kind, slog.String("job.queue", r.Queue), slog.String("job.kind", r.Kind))
	defer span.End()
	err = tx.QueryRow(ctx, `insert into jobs.job (id, queue, kind, arguments, cost, due_at, traceparent, state)
		select gen_random_uuid(), $1, $2, $3::jsonb, $4, coalesce($5, now()), nullif($6, ''), case when $5 > now() then 'scheduled'
			when (select count(*) from (select from jobs.job where queue = $1 and role = current_user and state in ('new', 'ready') limit $7) as line) < $7 then 'new'
			else 'backlog' end
		returning id::text`, r.Queue, r.Kind, string(arguments), r.Cost, due, telemetry.Parent(ctx), inLine).Scan(&id)
	if err != nil {
		return "", fmt.Errorf("submit a job %s: %w", r.Kind, err)
	}
	return id, nil
}

var uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

const jobColumns = `id::text, queue, kind, case when state in ('new', 'backlog') then 'ready' else state end as state, progress, result, coalesce(error, '') as error,
	failures, created_at, started_at, finished_at`

// List gives a tenant's jobs, the newest first, from before a job on; "" is from the newest.
func List(ctx context.Context, tx scope.Tx, queue, before string, limit int) ([]Job, error) {
	rows, err := tx.Query(ctx, `select `+jobColumns+` from jobs.job where queue = $1 and role = current_user
		and ($2 = '' or number < (select number from jobs.job where id = nullif($2, '')::uuid)) order by number desc limit $3`, queue, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Job])
}

// Get gives one of a tenant's jobs, or tenant.ErrNotFound.
func Get(ctx context.Context, tx scope.Tx, queue, id string) (Job, error) {
	if !uuidPattern.MatchString(id) {
		return Job{}, fmt.Errorf("job %q: %w", id, tenant.ErrNotFound)
	}
	rows, err := tx.Query(ctx, `select `+jobColumns+` from jobs.job where id = $1::uuid and queue = $2 and role = current_user`, id, queue)
	if err != nil {
		return Job{}, fmt.Errorf("job %s: %w", id, err)
	}
	job, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Job])
	if errors.Is(err, pgx.ErrNoRows) {
		return Job{}, fmt.Errorf("job %s: %w", id, tenant.ErrNotFound)
	}
	return job, err
}

// Cancel asks for a job to end: one that waits ends at once, one that runs within seconds. One that has ended stays as it is. It
// gives the job as it is then, or tenant.ErrNotFound.
func Cancel(ctx context.Context, tx scope.Tx, queue, id string) (Job, error) {
	if !uuidPattern.MatchString(id) {
		return Job{}, fmt.Errorf("job %q: %w", id, tenant.ErrNotFound)
	}
	_, err := tx.Exec(ctx, `update jobs.job set cancel = true, state = case when state = 'running' then state else 'canceled' end,
			finished_at = case when state = 'running' then null else now() end
		where id = $1::uuid and queue = $2 and role = current_user and state not in ('done', 'failed', 'canceled')`, id, queue)
	if err != nil {
		return Job{}, fmt.Errorf("cancel job %s: %w", id, err)
	}
	return Get(ctx, tx, queue, id)
}

// Retry has a job done once more that failed or was canceled, from its last checkpoint on and as if it hadn't failed before. One in
// another state stays as it is. It gives the job as it is then, or tenant.ErrNotFound.
func Retry(ctx context.Context, tx scope.Tx, queue, id string) (Job, error) {
	if !uuidPattern.MatchString(id) {
		return Job{}, fmt.Errorf("job %q: %w", id, tenant.ErrNotFound)
	}
	_, err := tx.Exec(ctx, `update jobs.job set state = 'new', cancel = false, failures = 0, error = null, finished_at = null
		where id = $1::uuid and queue = $2 and role = current_user and state in ('failed', 'canceled')`, id, queue)
	if err != nil {
		return Job{}, fmt.Errorf("retry job %s: %w", id, err)
	}
	return Get(ctx, tx, queue, id)
}
