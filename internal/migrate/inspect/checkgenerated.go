package inspect

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
)

// generated refuses stored generated columns that hold other values than their expressions give today: the tenant's table computes
// them anew, so that what is stored can't be carried. Only code that isn't PostgreSQL's own can have changed so; the proof compares all.
func (c *checker) generated(ctx context.Context) error {
	for _, t := range c.catalog.Tables {
		if t.Kind != Ordinary || !c.lifted(t.Schema, t.Name) {
			continue
		}
		for _, column := range t.Columns {
			if !column.OwnCode {
				continue
			}
			if err := c.stale(ctx, t, column); err != nil {
				return fmt.Errorf("column %s.%s: %w", t.Relation, quote(column.Name), err)
			}
		}
	}
	return nil
}

func (c *checker) stale(ctx context.Context, t Table, column Column) error {
	name, object := postgres.Ident(column.Name), "column "+t.String()+"."+quote(column.Name)
	condition := fmt.Sprintf("%[1]s.%[2]s::text is distinct from (%[3]s)::%[4]s::text", rowAlias, name, column.Default, column.Type)
	var rows failingRows
	err := attempt(ctx, c.source, func(tx pgx.Tx) (err error) {
		// The client's code finds its tables through the path that the application has.
		if _, err := tx.Exec(ctx, "select set_config('search_path', $1, true)", c.applicationPath()); err != nil {
			return err
		}
		rows, err = c.probe(ctx, tx, t, []probe{{column.Name, "true"}}, condition)
		return err
	})
	if postgres.Code(err) != "" && postgres.Classify(err) != postgres.Retryable {
		c.refuse("generated-fails", object, fmt.Sprintf("is computed by an expression that fails today (%s), so that its rows can't be written again", err),
			"mend what it calls, or keep what is stored: ALTER TABLE "+t.String()+" ALTER COLUMN "+name+" DROP EXPRESSION")
		return nil
	}
	if err != nil {
		return err
	}
	if rows.total > 0 {
		c.refuse("generated-stale", object, fmt.Sprintf("holds in %s another value than its expression gives today, which the tenant's table would compute: %s", count(rows.total, "row"), rows),
			fmt.Sprintf("keep what is stored: ALTER TABLE %[1]s ALTER COLUMN %[2]s DROP EXPRESSION; or take today's values: UPDATE in these rows a column that it is computed from", t.String(), name))
	}
	return nil
}

// applicationPath is the search path of the legacy application.
func (c *checker) applicationPath() string {
	quoted := make([]string, len(c.catalog.SearchPath))
	for i, schema := range c.catalog.SearchPath {
		quoted[i] = postgres.Ident(schema)
	}
	return strings.Join(quoted, ", ")
}
