package scope

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// transaction keeps a connection from being used by whom it was lent to once it serves another tenant.
type transaction struct {
	conn *pgx.Conn
	over atomic.Bool
}

var errOver = errors.New("the transaction is over")

func (tx *transaction) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if tx.over.Load() {
		return pgconn.CommandTag{}, errOver
	}
	return tx.conn.Exec(ctx, sql, args...)
}

func (tx *transaction) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if tx.over.Load() {
		return noRows{}, errOver
	}
	return tx.conn.Query(ctx, sql, args...) //nolint:rowserrcheck // its caller's to check
}

func (tx *transaction) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if tx.over.Load() {
		return noRows{}
	}
	return tx.conn.QueryRow(ctx, sql, args...)
}

func (tx *transaction) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if tx.over.Load() {
		return noResults{}
	}
	return tx.conn.SendBatch(ctx, b)
}

// noRows is what a transaction answers that is over.
type noRows struct{ pgx.Rows }

func (noRows) Close()                        {}
func (noRows) Err() error                    { return errOver }
func (noRows) Next() bool                    { return false }
func (noRows) Scan(...any) error             { return errOver }
func (noRows) CommandTag() pgconn.CommandTag { return pgconn.CommandTag{} }

type noResults struct{ pgx.BatchResults }

func (noResults) Exec() (pgconn.CommandTag, error) { return pgconn.CommandTag{}, errOver }
func (noResults) Query() (pgx.Rows, error)         { return noRows{}, errOver }
func (noResults) QueryRow() pgx.Row                { return noRows{} }
func (noResults) Close() error                     { return errOver }
