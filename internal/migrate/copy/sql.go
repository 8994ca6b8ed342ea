package copy

import (
	"fmt"
	"strings"

	"tenantctl/internal/postgres"
)

// SelectSQL reads the rows of a chunk from the legacy database, each as the target will hold it.
func (t Table) SelectSQL(chunk Chunk) string {
	exprs := make([]string, len(t.Columns))
	for i, column := range t.Columns {
		exprs[i] = column.Expr
	}
	sql := "select " + strings.Join(exprs, ", ") + " from only " + postgres.Ident(t.Source.Schema, t.Source.Name)
	conditions := chunk.conditions()
	if t.Where != "" {
		conditions = append(conditions, "("+t.Where+")")
	}
	if len(conditions) > 0 {
		sql += " where " + strings.Join(conditions, " and ")
	}
	return sql
}

// ReadSQL reads the same columns back from the tenant's table.
func (t Table) ReadSQL(chunk Chunk) string {
	sql := "select " + strings.Join(t.targetColumns(), ", ") + " from only " + postgres.Ident(t.Target.Schema, t.Target.Name)
	if conditions := chunk.conditions(); len(conditions) > 0 {
		sql += " where " + strings.Join(conditions, " and ")
	}
	return sql
}

// CopyOut wraps a query for COPY.
func (t Table) CopyOut(query string) string {
	return fmt.Sprintf("copy (%s) to stdout (format %s)", query, t.Format)
}

// copyIn is the statement that takes the rows; freeze asks for rows that need no vacuum, which only a table made or
// emptied in the same transaction may have.
func (t Table) copyIn(freeze bool) string {
	columns := ""
	if len(t.Columns) > 0 {
		columns = " (" + strings.Join(t.targetColumns(), ", ") + ")"
	}
	options := "format " + string(t.Format)
	if freeze {
		options += ", freeze"
	}
	return fmt.Sprintf("copy %s%s from stdin (%s)", postgres.Ident(t.Target.Schema, t.Target.Name), columns, options)
}

func (t Table) targetColumns() []string {
	names := make([]string, len(t.Columns))
	for i, column := range t.Columns {
		names[i] = postgres.Ident(column.Target)
	}
	return names
}
