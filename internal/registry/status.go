package registry

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/tenant"
)

//go:embed sql/statuses.sql
var statusesSQL string

// StatusFilter narrows Statuses; its zero value is the whole fleet.
type StatusFilter struct {
	Names    []tenant.Name
	Instance string
	Ring     string
	State    tenant.State
}

// Tenant is how one tenant stands, with its newest operation that isn't finished; tenant.ErrNotFound where there is none of
// that name.
func (r *Registry) Tenant(ctx context.Context, name tenant.Name) (tenant.Status, error) {
	statuses, err := r.Statuses(ctx, StatusFilter{Names: []tenant.Name{name}})
	if err != nil {
		return tenant.Status{}, err
	}
	if len(statuses) == 0 {
		return tenant.Status{}, fmt.Errorf("tenant %q: %w", name, tenant.ErrNotFound)
	}
	return statuses[0], nil
}

// Statuses is how the tenants stand, by name: one query for any number of them.
func (r *Registry) Statuses(ctx context.Context, filter StatusFilter) ([]tenant.Status, error) {
	var names []string
	for _, name := range filter.Names {
		names = append(names, string(name))
	}
	rows, err := r.pool.Query(ctx, statusesSQL, names, filter.Instance, filter.Ring, string(filter.State))
	if err != nil {
		return nil, r.failed(err, "read the tenants' status")
	}
	statuses, err := scanStatuses(rows)
	if err != nil {
		return nil, r.failed(err, "read the tenants' status")
	}
	return statuses, nil
}

// scanStatuses reads the rows of statuses.sql. What is kept as JSON is the same for most tenants of a fleet: each text is
// decoded once, which is most of the time of a large one.
func scanStatuses(rows pgx.Rows) ([]tenant.Status, error) {
	var s tenant.Status
	var versions, limits, services, path string
	var operation *string
	var (
		versionsOf = decoder[map[string]tenant.Version]{}
		limitsOf   = decoder[tenant.Limits]{}
		listOf     = decoder[[]string]{}
	)
	var statuses []tenant.Status
	scans := []any{
		&s.Name, &s.Instance, &s.Schema, &s.Cell, &s.Ring, &s.State, &s.Override, &s.Route, &s.Epoch, &s.HeldFrom, &versions, &limits, &services,
		&path, &s.Upstream, &s.Created, &s.Updated, &operation,
	}
	_, err := pgx.ForEachRow(rows, scans, func() error {
		status := s
		status.Created, status.Updated = s.Created.UTC(), s.Updated.UTC()
		status.Versions = maps.Clone(versionsOf.decode(versions))
		status.Limits = limitsOf.decode(limits)
		status.Services, status.SearchPath = slices.Clone(listOf.decode(services)), slices.Clone(listOf.decode(path))
		if operation != nil {
			if err := json.Unmarshal([]byte(*operation), &status.Operation); err != nil {
				return fmt.Errorf("operation of tenant %q: %w", s.Name, err)
			}
			tidy(status.Operation)
		}
		if len(statuses) == cap(statuses) {
			statuses = slices.Grow(statuses, len(statuses)+1) // append would grow, and move, a large fleet by quarters
		}
		statuses = append(statuses, status)
		return errors.Join(versionsOf.err, limitsOf.err, listOf.err)
	})
	return statuses, err
}

// decoder decodes JSON, equal texts once.
type decoder[T any] struct {
	known map[string]T
	err   error // the first
}

func (d *decoder[T]) decode(text string) T {
	value, known := d.known[text]
	if known {
		return value
	}
	if err := json.Unmarshal([]byte(text), &value); err != nil && d.err == nil {
		d.err = fmt.Errorf("decode %s: %w", text, err)
	}
	if d.known == nil {
		d.known = map[string]T{}
	}
	d.known[text] = value
	return value
}
