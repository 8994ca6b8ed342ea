package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/robfig/cron/v3"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/tenant"
)

// Schedule has a job submitted again and again.
type Schedule struct {
	Queue, Name string // Name is the tenant's own for it, of which there is one in a queue
	Kind        string
	Arguments   any
	Cost        float64
	Spec        string // of cron: "0 3 1 * *" is the first of each month at three
	Zone        string // of tzdata, "Europe/Berlin"; "" is UTC
	Paused      bool   // it is kept, and nothing is submitted
}

// SetSchedule makes or changes a schedule in a transaction of its tenant. What it missed while it was paused stays missed.
func SetSchedule(ctx context.Context, tx scope.Tx, s Schedule) error {
	var now time.Time // the server's: whose clock else is wrong doesn't matter
	if err := tx.QueryRow(ctx, `select clock_timestamp()`).Scan(&now); err != nil {
		return fmt.Errorf("schedule %q: %w", s.Name, err)
	}
	next, err := nextAfter(s.Spec, s.Zone, now)
	if err != nil {
		return fmt.Errorf("schedule %q: %w: %w", s.Name, err, tenant.ErrInvalid)
	}
	arguments, err := json.Marshal(s.Arguments)
	if err != nil {
		return fmt.Errorf("schedule %q: %w", s.Name, err)
	}
	if s.Arguments == nil {
		arguments = []byte("{}")
	}
	if s.Cost == 0 {
		s.Cost = 1
	}
	_, err = tx.Exec(ctx, `insert into jobs.schedule as s (queue, name, kind, arguments, cost, spec, zone, next_at, paused)
		values ($1, $2, $3, $4::jsonb, $5, $6, $7, $8, $9)
		on conflict (queue, role, name) do update set kind = excluded.kind, arguments = excluded.arguments, cost = excluded.cost,
			spec = excluded.spec, zone = excluded.zone, paused = excluded.paused,
			next_at = case when (s.spec, s.zone, s.paused) = (excluded.spec, excluded.zone, false) then s.next_at else excluded.next_at end`,
		s.Queue, s.Name, s.Kind, string(arguments), s.Cost, s.Spec, s.Zone, next, s.Paused)
	if err != nil {
		return fmt.Errorf("schedule %q: %w", s.Name, err)
	}
	return nil
}

// Planned is what its tenant sees of a schedule.
type Planned struct {
	Name   string    `db:"name" json:"name"`
	Kind   string    `db:"kind" json:"kind"`
	Spec   string    `db:"spec" json:"spec"`
	Zone   string    `db:"zone" json:"zone"`
	Paused bool      `db:"paused" json:"paused"`
	NextAt time.Time `db:"next_at" json:"next_at"` // when it comes, unless it is paused
}

const plannedSQL = `select name, kind, spec, zone, paused, next_at from jobs.schedule where queue = $1 and role = current_user `

// Schedules gives a tenant's schedules by name, from behind one on; "" is from the first.
func Schedules(ctx context.Context, tx scope.Tx, queue, after string, limit int) ([]Planned, error) {
	rows, err := tx.Query(ctx, plannedSQL+`and name > $2 order by name limit $3`, queue, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list schedules: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Planned])
}

// GetSchedule gives one of a tenant's schedules, or tenant.ErrNotFound.
func GetSchedule(ctx context.Context, tx scope.Tx, queue, name string) (Planned, error) {
	rows, err := tx.Query(ctx, plannedSQL+`and name = $2`, queue, name)
	if err != nil {
		return Planned{}, fmt.Errorf("schedule %q: %w", name, err)
	}
	found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Planned])
	if errors.Is(err, pgx.ErrNoRows) {
		return Planned{}, fmt.Errorf("schedule %q: %w", name, tenant.ErrNotFound)
	}
	return found, err
}

// DeleteSchedule removes one of a tenant's schedules, or tells tenant.ErrNotFound. What it submitted stays.
func DeleteSchedule(ctx context.Context, tx scope.Tx, queue, name string) error {
	tag, err := tx.Exec(ctx, `delete from jobs.schedule where queue = $1 and role = current_user and name = $2`, queue, name)
	if err == nil && tag.RowsAffected() == 0 {
		err = tenant.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("schedule %q: %w", name, err)
	}
	return nil
}

// nextAfter is the first time of a schedule after another.
func nextAfter(spec, zone string, after time.Time) (time.Time, error) {
	place, err := time.LoadLocation(zone)
	if err != nil {
		return time.Time{}, err
	}
	parsed, err := cron.ParseStandard(spec)
	if err != nil {
		return time.Time{}, err
	}
	next := parsed.Next(after.In(place))
	if next.IsZero() {
		return time.Time{}, fmt.Errorf("%q never comes", spec)
	}
	return next, nil
}

const scheduleLimit = 100

// schedule submits what is due. A time that several workers see has one job, by its id; times that were missed have one for the
// last of them.
func (q *queue) schedule(ctx context.Context) error {
	return pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `select role, name, spec, zone, now() from jobs.schedule where queue = $1 and next_at <= now() and not paused order by next_at limit $2 for update skip locked`, q.name, scheduleLimit)
		if err != nil {
			return fmt.Errorf("queue %s: schedules: %w", q.name, err)
		}
		type due struct {
			Role, Name, Spec, Zone string
			Now                    time.Time
		}
		list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[due])
		if err != nil {
			return fmt.Errorf("queue %s: schedules: %w", q.name, err)
		}
		for _, d := range list {
			next, err := nextAfter(d.Spec, d.Zone, d.Now)
			if err != nil {
				return fmt.Errorf("queue %s: schedule %q of %s: %w", q.name, d.Name, d.Role, err)
			}
			_, err = tx.Exec(ctx, `with at as (
					select * from jobs.schedule where queue = $1 and role = $2 and name = $3
				), submitted as (
					insert into jobs.job (id, queue, role, kind, arguments, cost, state)
					select md5(format('%s/%s/%s/%s', queue, role, name, extract(epoch from next_at)))::uuid, queue, role, kind, arguments, cost, 'new' from at
					on conflict (id) do nothing
				)
				update jobs.schedule as s set next_at = $4 from at where s.queue = at.queue and s.role = at.role and s.name = at.name`, q.name, d.Role, d.Name, next)
			if err != nil {
				return fmt.Errorf("queue %s: schedule %q of %s: %w", q.name, d.Name, d.Role, err)
			}
		}
		return nil
	})
}
