package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/tenant"
)

// Write keeps a part of what a job makes, in the transaction of the checkpoint behind it. Parts count from 1 and are 4 MB at most.
func (t *Task) Write(ctx context.Context, tx scope.Tx, part int, body string) error {
	if _, err := tx.Exec(ctx, `insert into jobs.output (job, part, body) values ($1::uuid, $2, $3)`, t.ID, part, body); err != nil {
		return fmt.Errorf("part %d of job %s: %w", part, t.ID, err)
	}
	return nil
}

// Output reads a part of what one of a tenant's jobs made, or tenant.ErrNotFound.
func Output(ctx context.Context, tx scope.Tx, id string, part int) (body string, err error) {
	err = tx.QueryRow(ctx, `select body from jobs.output where job = $1::uuid and role = current_user and part = $2`, id, part).Scan(&body)
	if errors.Is(err, pgx.ErrNoRows) {
		err = tenant.ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("part %d of job %s: %w", part, id, err)
	}
	return body, nil
}
