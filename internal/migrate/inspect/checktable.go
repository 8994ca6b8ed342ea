package inspect

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
)

//go:embed sql/keys_off.sql
var keysOffSQL string

const (
	// largestRow is what COPY carries at most, in either format.
	largestRow = 1 << 30
	// largestTextRow is half of it, since bytea doubles as text.
	largestTextRow = largestRow / 2
)

// tables says what is special about tables, all of a kind in one note.
func (c *checker) tables(context.Context) error {
	var keyless, unlogged, large []string
	for _, t := range c.catalog.Tables {
		if t.Kind == Foreign && c.lifted(t.Schema, t.Name) {
			c.refuse("foreign-table", "foreign table "+t.String(), "has its rows on another server, which a shared instance doesn't reach: what it shows can't be carried", "drop it, or make a table of its rows")
		}
		if t.Kind != Ordinary || !c.moved(t.Schema, t.Name) {
			continue
		}
		if len(t.Key) == 0 {
			keyless = append(keyless, t.String())
		}
		if t.Unlogged {
			unlogged = append(unlogged, t.String())
		}
		if t.mayHoldLargeRow() {
			large = append(large, t.String())
		}
	}
	c.noteTables("no-key", keyless, "without a primary key or a unique index over NOT NULL columns, so that a differing row is named by its values")
	c.noteTables("unlogged", unlogged, "unlogged: a crash of the server empties them, there as here")
	c.noteTables("large-row", large, "with so much out of line that one row could exceed 1 GB in a copy (half of that as text), which PostgreSQL refuses")
	c.note("size", c.database(), fmt.Sprintf("takes %s; the target's disk needs about as much free, and as much again of WAL where that is kept for replicas or archiving. Estimated time: %s",
		size(c.catalog.Server.Bytes), Estimate(c.catalog)), "")
	return nil
}

func (c *checker) noteTables(code string, tables []string, message string) {
	if len(tables) > 0 {
		c.note(code, count(len(tables), "table"), message+": "+list(tables), "")
	}
}

// mayHoldLargeRow tells a table whose rows could, by its size, be beyond what COPY takes.
func (t Table) mayHoldLargeRow() bool {
	limit := int64(largestRow)
	for _, column := range t.Columns {
		if !column.Portable && !column.Generated {
			limit = largestTextRow
		}
	}
	return t.Bytes-t.Pages*blockSize >= limit
}

const blockSize = 8192

// keysOff names foreign keys that check nothing here because their triggers are off: a dump doesn't tell, and only a superuser can
// turn them off again.
func (c *checker) keysOff(ctx context.Context) error {
	type row struct{ Table, Name string }
	rows, err := collect(ctx, c.source, pgx.RowToStructByName[row], keysOffSQL)
	if err != nil {
		return err
	}
	for _, r := range rows {
		c.warn("foreign-key-off", "foreign key "+quote(r.Name)+" of "+r.Table, "checks nothing here, since triggers of it are off; the tenant's checks every row, those that are moved too",
			"delete rows without their parent before the move, or drop the foreign key")
	}
	return nil
}

// columnTypes refuses values that no server reads back: types without input, and names of roles that don't come along.
func (c *checker) columnTypes(ctx context.Context) error {
	for _, t := range c.catalog.Tables {
		if t.Kind != Ordinary || !c.lifted(t.Schema, t.Name) {
			continue
		}
		for _, column := range t.Columns {
			if why, ok := unreadable(column.Type); ok && !column.Generated {
				if err := c.columnValues(ctx, t, column, why); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// unreadable says why values of a type can't be carried.
func unreadable(columnType string) (why string, ok bool) {
	element := strings.TrimSuffix(columnType, "[]")
	switch {
	case slices.Contains([]string{
		"pg_node_tree", "pg_ndistinct", "pg_dependencies", "pg_mcv_list", "pg_brin_bloom_summary", "pg_brin_minmax_multi_summary", "gtsvector",
	}, element):
		return "which PostgreSQL writes and doesn't read", true
	case element == "aclitem" || element == "regrole":
		return "which names roles, and roles aren't carried", true
	}
	return "", false
}

func (c *checker) columnValues(ctx context.Context, t Table, column Column, why string) error {
	var values int64
	name := postgres.Ident(column.Name)
	err := attempt(ctx, c.source, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "select count("+name+") from only "+postgres.Ident(t.Schema, t.Name)).Scan(&values)
	})
	if postgres.Code(err) == "42501" {
		return nil // a refusal of its own
	}
	if err != nil {
		return fmt.Errorf("count values of %s.%s: %w", t.Relation, name, err)
	}
	if values > 0 {
		c.refuse("column-type", "column "+t.String()+"."+quote(column.Name), fmt.Sprintf("has %s of type %s, %s", count(values, "value"), column.Type, why),
			"ALTER TABLE ... ALTER COLUMN ... TYPE text, or drop the column")
	}
	return nil
}
