package copy

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"tenantctl/internal/postgres"
)

// RowError is a row that the target refused, named by what people can look up in the legacy database.
type RowError struct {
	Table string
	Row   string // key columns and their values
	Err   error
}

func (e *RowError) Error() string { return fmt.Sprintf("row %s of %s: %v", e.Row, e.Table, e.Err) }
func (e *RowError) Unwrap() error { return e.Err }

var copyLine = regexp.MustCompile(`^COPY .*, line (\d+)`)

// nameRow turns "COPY orders, line 4711" into the key of that row. The source is read again in the same order; where
// the row can't be found, the error stays as it was.
func (c *Copier) nameRow(ctx context.Context, t task, err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || ctx.Err() != nil {
		return err
	}
	match := copyLine.FindStringSubmatch(pgErr.Where)
	if match == nil {
		return err
	}
	line, convErr := strconv.Atoi(match[1])
	if convErr != nil || line < 1 {
		return err
	}
	row, lookErr := c.rowAt(ctx, t, line-1)
	if lookErr != nil {
		return fmt.Errorf("%w (%s)", err, pgErr.Where)
	}
	return &RowError{Table: t.table.Name, Row: row, Err: err}
}

// rowAt reads the key of the n-th row of a chunk, from 0.
func (c *Copier) rowAt(ctx context.Context, t task, n int) (string, error) {
	conn, err := c.Source(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	keyed := t.table
	keyed.Columns = nil
	for _, column := range t.table.Columns {
		for _, key := range t.table.Key {
			if column.Target == key {
				keyed.Columns = append(keyed.Columns, Column{Target: key, Expr: "(" + column.Expr + ")::text"})
			}
		}
	}
	keyed.Columns = append(keyed.Columns, Column{Target: "ctid", Expr: "ctid::text"})
	row := conn.QueryRow(ctx, keyed.SelectSQL(t.chunk)+" offset $1 limit 1", n)
	values := make([]*string, len(keyed.Columns))
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	if err := row.Scan(into...); err != nil {
		return "", fmt.Errorf("find the row: %w", err)
	}
	parts := make([]string, len(values))
	for i, value := range values {
		parts[i] = keyed.Columns[i].Target + "=" + textOrNull(value)
	}
	return strings.Join(parts, " "), nil
}

func textOrNull(value *string) string {
	if value == nil {
		return "null"
	}
	return postgres.Literal(*value)
}
