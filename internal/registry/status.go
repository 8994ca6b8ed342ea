package registry

import (
	"context"
	_ "embed"
	"fmt"

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
	statuses, err := pgx.CollectRows(rows, pgx.RowToStructByName[tenant.Status])
	if err != nil {
		return nil, r.failed(err, "read the tenants' status")
	}
	for i := range statuses {
		status := &statuses[i]
		status.Created, status.Updated = status.Created.UTC(), status.Updated.UTC()
		if status.Operation != nil {
			tidy(status.Operation)
		}
	}
	return statuses, nil
}
