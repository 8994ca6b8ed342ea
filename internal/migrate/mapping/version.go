package mapping

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tenantctl/internal/migrate/inspect"
)

// CheckVersion asks the legacy database for its schema's version, in a read-only transaction, and refuses one that the mapping
// wasn't written for. It is the first thing to do with a mapping: over another schema Compile finds many things, none of them
// the cause.
func (m *Mapping) CheckVersion(ctx context.Context, source *pgx.Conn) ([]inspect.Finding, error) {
	if m.Source == nil {
		return nil, nil
	}
	tx, err := source.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	versions, err := texts(ctx, tx, m.Source.SQL)
	var pgErr *pgconn.PgError
	switch {
	case errors.As(err, &pgErr) && (atFault(pgErr.Code) || pgErr.Code == "25006" || pgErr.Code == "08P01"):
		return m.wrongVersion("can't be asked: "+pgErr.Message+" (in: "+m.Source.SQL+")", "schemaVersion is one query that reads"), nil
	case err != nil:
		return nil, fmt.Errorf("ask for the legacy schema's version: %w", err)
	case len(versions) != 1:
		return m.wrongVersion(fmt.Sprintf("gives %d values instead of one (in: %s)", len(versions), m.Source.SQL), ""), nil
	case versions[0] != m.Source.Expect:
		return m.wrongVersion(fmt.Sprintf("is %s, but the mapping was written for %s", versions[0], m.Source.Expect),
			"bring the legacy schema to that version, or let a mapping of its own extend this one"), nil
	}
	return nil, nil
}

func (m *Mapping) wrongVersion(message, hint string) []inspect.Finding {
	return []inspect.Finding{{
		Severity: inspect.Refusal, Code: "schema-version", Object: "legacy schema version",
		Message: m.Source.Place.String() + ": the legacy schema's version " + message, Hint: hint,
	}}
}

// texts runs a query and gives all its values as text; a null is the word null.
func texts(ctx context.Context, tx pgx.Tx, sql string) ([]string, error) {
	rows, err := tx.Query(ctx, sql, pgx.QueryExecModeExec, pgx.QueryResultFormats{pgx.TextFormatCode})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var values []string
	for rows.Next() {
		for _, raw := range rows.RawValues() {
			if raw == nil {
				values = append(values, "null")
				continue
			}
			values = append(values, string(raw))
		}
	}
	return values, rows.Err()
}

// Filtered is how many rows a where clause leaves behind.
type Filtered struct {
	Filter
	Rows int64 `json:"rows"`
}

// CountFiltered counts the rows that stay behind, for the report of a move: under the fence the number stands still.
func (c *Compiled) CountFiltered(ctx context.Context, source *pgx.Conn) ([]Filtered, error) {
	var counted []Filtered
	tx, err := c.begin(ctx, source)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	for _, filter := range c.Filters {
		found := Filtered{Filter: filter}
		err := tx.QueryRow(ctx, "select count(*) from only "+filter.from+" where ("+filter.where+") is not true").Scan(&found.Rows)
		if err != nil {
			return nil, fmt.Errorf("count the rows of %s that stay behind: %w", filter.Table, err)
		}
		counted = append(counted, found)
	}
	return counted, nil
}
