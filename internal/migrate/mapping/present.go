package mapping

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
)

// mostPresent bounds the rows of one table that migrations bring along and a mapping's rows may refer to: what a service ships are
// its roles, states or units, not data.
const mostPresent = 1000

// readPresent reads the rows that the services' own migrations put into tables which others refer to.
func (t *TargetCatalog) readPresent(ctx context.Context, db postgres.Querier) error {
	for i := range t.Tables {
		for j := range t.Tables[i].Foreign {
			rule := &t.Tables[i].Foreign[j]
			texts, there := make([]string, len(rule.References)), make([]string, len(rule.References))
			for k, column := range rule.References {
				texts[k], there[k] = column+"::text", column+" is not null"
			}
			rows, err := db.Query(ctx, fmt.Sprintf("select array[%s] from %s where %s limit %d",
				strings.Join(texts, ", "), postgres.Ident(t.Schema, rule.Table), strings.Join(there, " and "), mostPresent))
			if err == nil {
				rule.Present, err = pgx.CollectRows(rows, pgx.RowTo[[]string])
			}
			if err != nil {
				return fmt.Errorf("read the rows that table %q comes with: %w", rule.Table, err)
			}
		}
	}
	return nil
}

// isPresent is a condition: the service itself brings the row that these columns of a child refer to.
func isPresent(keys []string, present [][]string) string {
	names, pairs, rows := make([]string, len(keys)), make([]string, len(keys)), make([]string, len(present))
	for i, key := range keys {
		names[i] = fmt.Sprintf("c%d", i)
		pairs[i] = "brought." + names[i] + " = (" + key + ")::text"
	}
	for i, row := range present {
		values := make([]string, len(row))
		for j, value := range row {
			values[j] = postgres.Literal(value)
		}
		rows[i] = "(" + strings.Join(values, ", ") + ")"
	}
	return "exists (select from (values " + strings.Join(rows, ", ") + ") as brought (" + strings.Join(names, ", ") + ") where " + strings.Join(pairs, " and ") + ")"
}
