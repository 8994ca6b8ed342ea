package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// RunningService is a process of the platform, as it says of itself.
type RunningService struct {
	ID      string                 `json:"id"` // of the process
	Service string                 `json:"service"`
	URL     string                 `json:"url"` // where other services reach it
	Build   string                 `json:"build"`
	Serves  map[string]ServedRange `json:"serves,omitempty"` // by stream
	Calls   []string               `json:"calls,omitempty"`  // services that it asks over HTTP
	Started time.Time              `json:"started"`
	Seen    time.Time              `json:"seen"` // its newest heartbeat
}

// ServedRange is which schema versions of a stream a service works with, both ends included.
type ServedRange struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// ServesText is which versions a service works with, for people: core 4-7.
func (s RunningService) ServesText() string {
	parts := make([]string, 0, len(s.Serves))
	for stream, r := range s.Serves {
		text := fmt.Sprintf("%s %d-%d", stream, r.From, r.To)
		if r.From == r.To {
			text = fmt.Sprintf("%s %d", stream, r.To)
		}
		parts = append(parts, text)
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// serviceAlive is how old a service's heartbeat may be for it to count as running.
const serviceAlive = 10 * time.Second

// ServiceSeen is a service's heartbeat.
func (r *Registry) ServiceSeen(ctx context.Context, s RunningService) error {
	serves, err := json.Marshal(s.Serves)
	if err != nil {
		return fmt.Errorf("versions that %s serves: %w", s.Service, err)
	}
	calls := s.Calls
	if calls == nil {
		calls = []string{}
	}
	_, err = r.pool.Exec(ctx, `
		insert into tenantctl.running_service (id, service, url, build, serves, calls) values ($1, $2, $3, $4, coalesce(nullif($5::jsonb, 'null'), '{}'), $6)
		on conflict (id) do update set url = excluded.url, build = excluded.build, serves = excluded.serves, calls = excluded.calls, heartbeat = now()`,
		s.ID, s.Service, s.URL, s.Build, string(serves), calls)
	if err != nil {
		return r.failed(err, "heartbeat of service %s", s.Service)
	}
	return nil
}

// ServiceGone takes a service that ends off the list, and those that died without a word.
func (r *Registry) ServiceGone(ctx context.Context, id string) error {
	_, err := r.pool.Exec(ctx, `delete from tenantctl.running_service where id = $1 or heartbeat < now() - interval '1 day'`, id)
	if err != nil {
		return r.failed(err, "take a service off the list")
	}
	return nil
}

// Running lists the services that run, by name and start.
func (r *Registry) Running(ctx context.Context) ([]RunningService, error) {
	rows, err := r.pool.Query(ctx, `
		select id, service, url, build, serves::text, calls, started_at, heartbeat from tenantctl.running_service
		where heartbeat > now() - make_interval(secs => $1) order by service, started_at, id`, serviceAlive.Seconds())
	if err != nil {
		return nil, r.failed(err, "list the running services")
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (RunningService, error) {
		var s RunningService
		var serves string
		if err := row.Scan(&s.ID, &s.Service, &s.URL, &s.Build, &serves, &s.Calls, &s.Started, &s.Seen); err != nil {
			return s, err
		}
		s.Started, s.Seen = s.Started.UTC(), s.Seen.UTC()
		return s, json.Unmarshal([]byte(serves), &s.Serves)
	})
	if err != nil {
		return nil, r.failed(err, "list the running services")
	}
	return list, nil
}
