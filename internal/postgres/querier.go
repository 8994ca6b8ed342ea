package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Querier is what a connection, a pool and a transaction have in common.
type Querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Script sends several statements as one message; the server runs them as one transaction unless they say otherwise.
// It takes no parameters.
func Script(ctx context.Context, db Querier, sql string) error {
	_, err := db.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	return err
}
