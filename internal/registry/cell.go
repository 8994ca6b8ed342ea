package registry

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/tenant"
)

//go:embed sql/assign_cell.sql
var assignCellSQL string

const lockCellsSQL = `select pg_advisory_xact_lock(hashtextextended('tenantctl.cell:' || $1, 0))`

// AssignCell gives a tenant a seat in a cell of an instance and returns the cell's name: the emptiest cell that has fewer than
// capacity tenants, or a new one. A tenant that has a seat keeps it. DeleteTenant frees the seat.
func (r *Registry) AssignCell(ctx context.Context, instance string, name tenant.Name, capacity int) (string, error) {
	if capacity < 1 {
		return "", fmt.Errorf("cell of %d tenants: %w", capacity, tenant.ErrInvalid)
	}
	// Both statements go out at once, as one transaction; the second sees what was committed while the first waited.
	batch := &pgx.Batch{}
	batch.Queue(lockCellsSQL, instance)
	batch.Queue(assignCellSQL, instance, string(name), capacity)
	results := r.pool.SendBatch(ctx, batch)
	defer func() { _ = results.Close() }()
	if _, err := results.Exec(); err != nil {
		return "", r.failed(err, "lock the cells of instance %q", instance)
	}
	var on, cell string
	if err := results.QueryRow().Scan(&on, &cell); err != nil {
		return "", r.failed(err, "assign a cell of instance %q to tenant %q", instance, name)
	}
	if on != instance {
		return "", fmt.Errorf("assign a cell of instance %q to tenant %q: it has one of instance %q: %w", instance, name, on, tenant.ErrConflict)
	}
	if err := results.Close(); err != nil {
		return "", r.failed(err, "assign a cell of instance %q to tenant %q", instance, name)
	}
	return cell, nil
}
