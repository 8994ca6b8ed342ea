package cli

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/jobs"
	"tenantctl/internal/platform/notifications"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
	"tenantctl/internal/tui"
)

// mostWaiters is how many tenants are named of each queue.
const mostWaiters = 5

// waitingJobs counts what waits by tenant, and how long what was done of late had waited; of each queue those tenants first that wait most.
const waitingJobs = `
	with open as (
		select queue, role, state, greatest(created_at, due_at) as since from jobs.job where state in ('new', 'ready', 'running')
		union all select queue, role, state, greatest(created_at, due_at) from jobs.job where state = 'backlog'
	), counted as (
		select queue, role, count(*) filter (where state <> 'running') as waiting, count(*) filter (where state = 'running') as running,
			coalesce(extract(epoch from now() - min(since) filter (where state <> 'running')), 0) as oldest
		from open group by queue, role
	), done as (
		select queue, role, percentile_disc(0.99) within group (order by extract(epoch from started_at - greatest(created_at, due_at))) as dwell
		from jobs.job where finished_at > now() - interval '1 minute' and started_at is not null group by queue, role
	), each as (
		select queue, role, coalesce(waiting, 0) as waiting, coalesce(running, 0) as running, coalesce(oldest, 0) as oldest, coalesce(dwell, 0) as dwell
		from counted full join done using (queue, role)
	), ranked as (
		select queue, role, waiting, running, oldest, dwell, sum(waiting) over q as all_waiting, sum(running) over q as all_running, max(oldest) over q as all_oldest,
			row_number() over (partition by queue order by waiting desc, dwell desc, role) as rank
		from each window q as (partition by queue)
	)
	select 'jobs of ' || queue, coalesce(role, ''), coalesce(waiting, 0), coalesce(running, 0), coalesce(oldest, 0)::float8, coalesce(dwell, 0)::float8,
		coalesce(all_waiting, 0)::bigint, coalesce(all_running, 0)::bigint, coalesce(all_oldest, 0)::float8
	from jobs.line left join ranked using (queue) where coalesce(rank, 1) <= $1 order by queue, rank`

const waitingEvents = `
	with counted as (
		select role, count(*) as waiting, extract(epoch from now() - min(occurred_at)) as oldest from bus.outbox where sent_at is null and due_at is null group by role
	), ranked as (
		select role, waiting, oldest, sum(waiting) over () as all_waiting, max(oldest) over () as all_oldest, row_number() over (order by waiting desc, role) as rank
		from counted
	)
	select 'events to send', coalesce(role, ''), coalesce(waiting, 0), 0::bigint, coalesce(oldest, 0)::float8, 0::float8,
		coalesce(all_waiting, 0)::bigint, 0::bigint, coalesce(all_oldest, 0)::float8
	from (select) as always left join ranked on true where coalesce(rank, 1) <= $1 order by rank`

// waitingOn asks an instance what waits there in the queues that it has.
func (f *Factory) waitingOn(ctx context.Context, instance string) (found []tui.Queue, err error) {
	file, err := f.Config()
	if err != nil {
		return nil, err
	}
	declared, err := file.Instance(instance)
	if err != nil {
		return nil, err
	}
	dsn, err := f.InstanceDSN(ctx, instance)
	if err != nil {
		return nil, err
	}
	conn, err := postgres.Connect(ctx, dsn, postgres.Options{Application: "dashboard"})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	for _, q := range []struct{ schema, sql string }{{jobs.Service, waitingJobs}, {bus.Service, waitingEvents}} {
		var there bool
		if err := conn.QueryRow(ctx, `select exists (select from pg_namespace where nspname = $1)`, q.schema).Scan(&there); err != nil {
			return nil, err
		}
		if !there {
			continue
		}
		queues, err := readQueues(ctx, conn, q.sql, instance, declared.RolePrefix)
		if err != nil {
			return nil, err
		}
		found = append(found, queues...)
	}
	return found, nil
}

// waitingAtBroker asks the broker how much waits for whom, where there is one that runs: a look starts none.
func (f *Factory) waitingAtBroker(ctx context.Context) ([]tui.Queue, error) {
	file, err := f.Config()
	if err != nil || !hasBuiltin(file, bus.Service) {
		return nil, err
	}
	broker, err := f.openBus(nil, f.runningBroker)
	if err != nil || broker == nil {
		return nil, err
	}
	depths, parked, err := broker.Depths(ctx, notifications.Consumers()...)
	if err != nil {
		return nil, err
	}
	var found []tui.Queue
	for _, d := range depths {
		found = append(found, tui.Queue{Name: d.Consumer + " (broker)", Waiting: int64(d.Ready), Again: int64(d.Again), Takers: d.Takers})
	}
	return append(found, tui.Queue{Name: "parked (broker)", Waiting: int64(parked), Parked: true}), nil
}

func readQueues(ctx context.Context, conn *pgx.Conn, sql, instance, prefix string) ([]tui.Queue, error) {
	var found []tui.Queue
	var name, role string
	var waiting, running, allWaiting, allRunning int64
	var oldest, dwell, allOldest float64
	into := []any{&name, &role, &waiting, &running, &oldest, &dwell, &allWaiting, &allRunning, &allOldest}
	err := postgres.Each(ctx, conn, sql, []any{mostWaiters}, into, func() error {
		if len(found) == 0 || found[len(found)-1].Name != name {
			found = append(found, tui.Queue{Instance: instance, Name: name, Waiting: allWaiting, Running: allRunning, Oldest: spanOf(allOldest)})
		}
		if role != "" {
			who, _, err := tenant.OfRole(prefix, role)
			if err != nil {
				who = tenant.Name(role) // it waits all the same
			}
			q := &found[len(found)-1]
			q.Tenants = append(q.Tenants, tui.Waiter{Tenant: who, Waiting: waiting, Running: running, Oldest: spanOf(oldest), Dwell: spanOf(dwell)})
		}
		return nil
	})
	return found, err
}

func spanOf(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
