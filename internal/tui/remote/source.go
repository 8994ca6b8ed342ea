package remote

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"tenantctl/internal/tenant"
	"tenantctl/internal/tui"
	"tenantctl/internal/upgrade"
)

// Source implements tui.Source: it asks an operator what Handlers answer there.
type Source struct{ *Client }

// Name implements tui.Source.
func (s Source) Name() string { return "operator at " + s.Server() }

// namesAtOnce keeps addresses short enough for whatever proxy is in between.
const namesAtOnce = 100

// Fleet implements tui.Source.
func (s Source) Fleet(ctx context.Context, names ...tenant.Name) ([]tui.Tenant, error) {
	if len(names) == 0 {
		return items[tui.Tenant](ctx, s, "/v1/fleet", nil)
	}
	var fleet []tui.Tenant
	for some := range slices.Chunk(names, namesAtOnce) {
		query := url.Values{}
		for _, name := range some {
			query.Add("tenant", string(name))
		}
		found, err := items[tui.Tenant](ctx, s, "/v1/fleet", query)
		if err != nil {
			return nil, err
		}
		fleet = append(fleet, found...)
	}
	return fleet, nil
}

// Tenant implements tui.Source.
func (s Source) Tenant(ctx context.Context, name tenant.Name) (d tui.Detail, err error) {
	if err = s.Get(ctx, "/v1/fleet/"+url.PathEscape(string(name)), nil, &d); errors.Is(err, tenant.ErrNotFound) {
		err = fmt.Errorf("tenant %s: %w", name, tenant.ErrNotFound)
	}
	return d, err
}

// Rollouts implements tui.Source.
func (s Source) Rollouts(ctx context.Context, limit int) ([]upgrade.Rollout, error) {
	return items[upgrade.Rollout](ctx, s, "/v1/rollouts", url.Values{"limit": {strconv.Itoa(limit)}})
}

// Rollout implements tui.Source.
func (s Source) Rollout(ctx context.Context, id string) (r tui.Rollout, err error) {
	if err = s.Get(ctx, "/v1/rollouts/"+url.PathEscape(id), nil, &r); errors.Is(err, tenant.ErrNotFound) {
		err = fmt.Errorf("rollout %s: %w", id, tenant.ErrNotFound)
	}
	return r, err
}

// Services implements tui.Source.
func (s Source) Services(ctx context.Context) ([]tui.Service, error) {
	return items[tui.Service](ctx, s, "/v1/services", nil)
}

// Queues implements tui.Source.
func (s Source) Queues(ctx context.Context) ([]tui.Queue, error) {
	return items[tui.Queue](ctx, s, "/v1/queues", nil)
}

// Events implements tui.Source.
func (s Source) Events(ctx context.Context, after int64, limit int) ([]tenant.Event, error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if after >= 0 {
		query.Set("after", strconv.FormatInt(after, 10))
	}
	return items[tenant.Event](ctx, s, "/v1/events/recent", query)
}

// Logs implements tui.Source. They are those of the operator's machine.
func (s Source) Logs(ctx context.Context, q tui.LogQuery) (made tui.Logs, err error) {
	query := url.Values{"after": {strconv.FormatInt(q.After, 10)}}
	if q.Tenant != "" {
		query.Set("tenant", string(q.Tenant))
	}
	if q.Trace != "" {
		query.Set("trace", q.Trace)
	}
	err = s.Get(ctx, "/v1/logs", query, &made)
	return made, err
}

// items reads a list; what it says isn't whole comes as an error beside it.
func items[T any](ctx context.Context, s Source, path string, query url.Values) ([]T, error) {
	var answer Items[T]
	if err := s.Get(ctx, path, query, &answer); err != nil {
		return nil, err
	}
	if answer.Trouble != "" {
		return answer.Items, errors.New(answer.Trouble)
	}
	return answer.Items, nil
}
