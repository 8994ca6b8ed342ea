package registry

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

//go:embed sql/events.sql
var eventsSQL string

// EventFilter narrows events; its zero value is all of them.
type EventFilter struct {
	Tenant tenant.Name
	Types  []string // any of these
	Limit  int      // how many at most; 0 means 1,000. Follow doesn't end at it.
	Newest bool     // the newest of them instead of the oldest; Follow ignores it
}

// Publish records an event of its own.
func (r *Registry) Publish(ctx context.Context, event tenant.Event) error {
	if err := PublishIn(ctx, r.pool, event); err != nil {
		return r.failed(err, "publish")
	}
	return nil
}

// PublishIn records an event in the transaction of the change that it tells of. Readers wait for that transaction to end, so it
// should be a short one. ID and Time are the server's to give.
func PublishIn(ctx context.Context, db postgres.Querier, event tenant.Event) error {
	args, err := eventArgs(event)
	if err != nil {
		return err
	}
	if _, err := db.Exec(ctx, tellSQL+` values ($1, $2, $3, $4, $5::jsonb)`, args...); err != nil {
		return fmt.Errorf("event %s: %w", event.Type, err)
	}
	return nil
}

const tellSQL = `insert into tenantctl.event (type, tenant, actor, message, data)`

func eventArgs(event tenant.Event) ([]any, error) {
	data, err := jsonArg(event.Data)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", event.Type, err)
	}
	return []any{event.Type, string(event.Tenant), event.Actor, text(event.Message), data}, nil
}

// Events lists events after an id, in order of id. An event appears only when no lower id can appear after it, so that
// whoever asks for what comes after the last id misses none.
func (r *Registry) Events(ctx context.Context, after int64, filter EventFilter) ([]tenant.Event, error) {
	events, _, err := readEvents(ctx, r.pool, after, filter)
	if err != nil {
		return nil, r.failed(err, "read events")
	}
	return events, nil
}

const eventPage = 1000

// readEvents reads a page of events, and the id from which the next page begins: the last one's, or, after the last page, the
// last id that was looked at.
func readEvents(ctx context.Context, db postgres.Querier, after int64, filter EventFilter) ([]tenant.Event, int64, error) {
	limit, direction := filter.Limit, "asc"
	if limit <= 0 {
		limit = eventPage
	}
	if filter.Newest {
		direction = "desc"
	}
	// The horizon is found before the events are read: what it promises must hold for the later snapshot.
	var horizon int64
	if err := db.QueryRow(ctx, `select tenantctl.event_horizon()`).Scan(&horizon); err != nil {
		return nil, after, err
	}
	if horizon <= after {
		return nil, after, nil
	}
	sql := strings.ReplaceAll(eventsSQL, "{direction}", direction)
	rows, err := db.Query(ctx, sql, after, horizon, string(filter.Tenant), filter.Types, limit)
	if err != nil {
		return nil, after, err
	}
	events, err := pgx.CollectRows(rows, pgx.RowToStructByName[tenant.Event])
	if err != nil {
		return nil, after, err
	}
	for i := range events {
		events[i].Time = events[i].Time.UTC()
	}
	if len(events) == limit {
		return events, events[len(events)-1].ID, nil
	}
	return events, horizon, nil
}
