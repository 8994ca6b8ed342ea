package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Each runs a query and calls each after it has scanned a row into the pointers of into.
func Each(ctx context.Context, db Querier, sql string, args, into []any, each func() error) error {
	rows, err := db.Query(ctx, sql, args...) //nolint:rowserrcheck // ForEachRow returns it
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, into, each)
	return err
}
