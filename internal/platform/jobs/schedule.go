package jobs

import (
	"context"
	"encoding/json"
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
}

// SetSchedule makes or changes a schedule in a transaction of its tenant.
func SetSchedule(ctx context.Context, tx scope.Tx, s Schedule) error {
	next, err := nextAfter(s.Spec, s.Zone, time.Now())
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
	_, err = tx.Exec(ctx, `insert into jobs.schedule as s (queue, name, kind, arguments, cost, spec, zone, next_at) values ($1, $2, $3, $4::jsonb, $5, $6, $7, $8)
		on conflict (queue, role, name) do update set kind = excluded.kind, arguments = excluded.arguments, cost = excluded.cost,
			spec = excluded.spec, zone = excluded.zone, next_at = case when (s.spec, s.zone) = (excluded.spec, excluded.zone) then s.next_at else excluded.next_at end`,
		s.Queue, s.Name, s.Kind, string(arguments), s.Cost, s.Spec, s.Zone, next)
	if err != nil {
		return fmt.Errorf("schedule %q: %w", s.Name, err)
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
		rows, err := tx.Query(ctx, `select role, name, spec, zone, now() from jobs.schedule where queue = $1 and next_at <= now() order by next_at limit $2 for update skip locked`, q.name, scheduleLimit)
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
