package registry

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/tenant"
)

var (
	//go:embed sql/begin.sql
	beginSQL string
	//go:embed sql/finish.sql
	finishSQL string
	//go:embed sql/operations.sql
	operationsSQL string
)

// Begin begins an operation, or resumes the unfinished one of the tenant and kind, of which there is at most one: that one
// keeps its detail, and its reason where none is given now. The caller holds the tenant's lease. Detail is what the kind
// itself keeps between attempts, as JSON; nil is none.
func (r *Registry) Begin(ctx context.Context, name tenant.Name, kind, actor, reason string, detail any) (op tenant.Operation, resumed bool, err error) {
	attempted := fmt.Sprintf("begin to %s tenant %q", kind, name)
	stored, err := jsonArg(detail)
	if err != nil {
		return tenant.Operation{}, false, fmt.Errorf("%s: %w", attempted, err)
	}
	type begun struct {
		tenant.Operation
		Resumed bool
	}
	// No row means that another process began the same between this statement's start and now: the next try finds that one.
	for try := 0; try < 3; try++ {
		rows, err := r.pool.Query(ctx, beginSQL, string(name), kind, actor, text(reason), stored)
		if err != nil {
			return tenant.Operation{}, false, r.failed(err, "%s", attempted)
		}
		found, err := pgx.CollectOneRow(rows, pgx.RowToStructByName[begun])
		if errors.Is(err, pgx.ErrNoRows) {
			continue
		}
		if err != nil {
			return tenant.Operation{}, false, r.failed(err, "%s", attempted)
		}
		tidy(&found.Operation)
		return found.Operation, found.Resumed, nil
	}
	return tenant.Operation{}, false, fmt.Errorf("%s: another process is beginning it over and over: %w", attempted, tenant.ErrLocked)
}

// Finish records how an attempt at an operation ended; cause is kept with it. What is rolled back stays so, and what is done
// can only be rolled back: anything else is tenant.ErrConflict. A cause that is tenant.ErrLeaseLost records nothing, because the
// operation is then in the hands of the process that took the lease over.
func (r *Registry) Finish(ctx context.Context, id string, state tenant.OperationState, cause error) error {
	if errors.Is(cause, tenant.ErrLeaseLost) {
		return nil
	}
	var was tenant.OperationState
	attempted := fmt.Sprintf("record operation %s as %s", id, state)
	if err := r.queryRow(ctx, finishSQL, []any{id, string(state), errorText(cause)}, []any{&was}, attempted); err != nil {
		return err
	}
	final := was == tenant.OperationUndone || (was == tenant.OperationDone && state != tenant.OperationUndone)
	if final && was != state {
		return fmt.Errorf("%s: it is %s: %w", attempted, was, tenant.ErrConflict)
	}
	return nil
}

// SaveDetail keeps the kind's own state of an operation, as JSON.
func (r *Registry) SaveDetail(ctx context.Context, id string, detail any) error {
	return r.saveJSON(ctx, id, "detail", detail)
}

// SaveProgress keeps how far an operation is, as JSON, for whoever looks.
func (r *Registry) SaveProgress(ctx context.Context, id string, progress any) error {
	return r.saveJSON(ctx, id, "progress", progress)
}

func (r *Registry) saveJSON(ctx context.Context, id, column string, value any) error {
	attempted := fmt.Sprintf("save %s of operation %s", column, id)
	stored, err := jsonArg(value)
	if err != nil {
		return fmt.Errorf("%s: %w", attempted, err)
	}
	sql := `update tenantctl.operation set ` + column + ` = $2::jsonb, updated_at = now() where id = $1 returning id`
	return r.queryRow(ctx, sql, []any{id, stored}, []any{&id}, attempted)
}

// Operation is one operation, whatever its state; tenant.ErrNotFound where there is none of that id.
func (r *Registry) Operation(ctx context.Context, id string) (tenant.Operation, error) {
	found, err := r.operations(ctx, id, OperationFilter{Limit: 1})
	if err == nil && (id == "" || len(found) == 0) {
		err = fmt.Errorf("operation %q: %w", id, tenant.ErrNotFound)
	}
	if err != nil {
		return tenant.Operation{}, err
	}
	return found[0], nil
}

// LastOperation is the newest operation of a tenant and kind, whatever its state; tenant.ErrNotFound where there was none.
func (r *Registry) LastOperation(ctx context.Context, name tenant.Name, kind string) (tenant.Operation, error) {
	found, err := r.operations(ctx, "", OperationFilter{Tenant: name, Kind: kind, Limit: 1})
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%s of tenant %q: %w", kind, name, tenant.ErrNotFound)
	}
	if err != nil {
		return tenant.Operation{}, err
	}
	return found[0], nil
}

// OperationFilter narrows Operations; its zero value is the newest hundred of the fleet.
type OperationFilter struct {
	Tenant     tenant.Name
	Kind       string
	Unfinished bool // only those that are running, failed or stopped
	Limit      int  // 0 means 100
}

// Operations lists operations, the newest first.
func (r *Registry) Operations(ctx context.Context, filter OperationFilter) ([]tenant.Operation, error) {
	return r.operations(ctx, "", filter)
}

func (r *Registry) operations(ctx context.Context, id string, filter OperationFilter) ([]tenant.Operation, error) {
	if filter.Limit <= 0 {
		filter.Limit = 100
	}
	rows, err := r.pool.Query(ctx, operationsSQL, id, string(filter.Tenant), filter.Kind, filter.Unfinished, filter.Limit)
	if err != nil {
		return nil, r.failed(err, "read operations")
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[tenant.Operation])
	if err != nil {
		return nil, r.failed(err, "read operations")
	}
	for i := range found {
		tidy(&found[i])
	}
	return found, nil
}

// tidy makes an operation look the same whichever way it was read.
func tidy(op *tenant.Operation) {
	op.Started, op.Updated = op.Started.UTC(), op.Updated.UTC()
	for _, raw := range []*json.RawMessage{&op.Detail, &op.Progress} {
		if string(*raw) == "null" {
			*raw = nil
		}
	}
}

// jsonArg is a value as a parameter to be cast to jsonb; nil is null.
func jsonArg(value any) (*string, error) {
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	if string(encoded) == "null" {
		return nil, nil
	}
	s := string(encoded)
	return &s, nil
}
