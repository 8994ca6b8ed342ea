package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// CopyTo writes what `copy … to stdout` gives to w: the results of several such statements, separated by semicolons, one after
// the other. The server neither plans a copied table nor opens its indexes, so that many tables are read several times as fast as
// by queries.
func CopyTo(ctx context.Context, db Querier, w io.Writer, sql string) error {
	var conn *pgx.Conn
	switch db := db.(type) {
	case *pgx.Conn:
		conn = db
	case pgx.Tx:
		conn = db.Conn()
	case *pgxpool.Pool:
		acquired, err := db.Acquire(ctx)
		if err != nil {
			return err
		}
		defer acquired.Release()
		conn = acquired.Conn()
	case *pgxpool.Conn:
		conn = db.Conn()
	default:
		return fmt.Errorf("copy: %w: a %T is no connection", errors.ErrUnsupported, db)
	}
	_, err := conn.PgConn().CopyTo(ctx, w, sql)
	return err
}
