package mapping

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tenantctl/internal/postgres"
)

// targetSchema is where the scratch database gets tables like the target's, for as long as Compile runs.
const targetSchema = "tenantctl_target"

// invert finds the way back of each legacy column: what the mapping gives, else a plain reference turned round.
func (c *compiler) invert(ctx context.Context, w *way, extras []extraPart) error {
	rel, err := c.targetRelation(ctx, w.to)
	if err != nil {
		return err
	}
	for _, entry := range w.entry.Columns {
		for _, reverse := range entry.Reverse {
			if err := c.reverse(ctx, w, rel, entry, reverse); err != nil {
				return err
			}
		}
	}
	for _, f := range w.fills {
		if f.plain != "" {
			if err := c.turn(ctx, w, rel, f.plain, postgres.Ident(f.column.Name)); err != nil {
				return err
			}
		}
	}
	for _, part := range extras {
		back := part.back(c.judge.types[part.from.OID].Nested)
		if part.plain != "" && back != "" {
			if err := c.turn(ctx, w, rel, part.plain, back); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *way) inverse(column string) *InverseColumn {
	i := slices.IndexFunc(w.inverses, func(have InverseColumn) bool { return have.Column == column })
	if i < 0 {
		return nil
	}
	return &w.inverses[i]
}

// reverse compiles an inverse that the mapping gives.
func (c *compiler) reverse(ctx context.Context, w *way, rel relation, entry Column, reverse Reverse) error {
	object := w.object(entry)
	column := w.from.column(reverse.Column)
	what := entry.key() + ": reverse of " + quoteName(reverse.Column)
	switch {
	case column == nil:
		names := c.judge.relation(w.from, "").columns
		for i, name := range names {
			names[i] = quoteName(name)
		}
		c.refuse(reverse.Place, "mapping-column", object,
			fmt.Sprintf("%s: %s has no such column%s", what, w.from, didYouMean(reverse.Column, names, "columns")), "")
		return nil
	case column.generated:
		c.refuse(reverse.Place, "mapping-column", object, what+": is generated: the legacy database computes it", "leave it out")
		return nil
	case w.inverse(reverse.Column) != nil:
		c.refuse(reverse.Place, "mapping-conflict", object, fmt.Sprintf("%s: given already at %s", what, w.inverse(reverse.Column).place), "")
		return nil
	}
	compiled, err := c.judge.compile(ctx, rel, reverse.SQL, column.base, assigned)
	if err != nil {
		return c.faulty(err, w, reverse.Place, object, what, reverse.SQL)
	}
	w.inverses = append(w.inverses, InverseColumn{Column: reverse.Column, SQL: compiled.sql, place: reverse.Place, uses: compiled.uses})
	return nil
}

// turn adds the product's own inverse of a legacy column, where PostgreSQL has a cast for it.
func (c *compiler) turn(ctx context.Context, w *way, rel relation, name, sql string) error {
	column := w.from.column(name)
	if w.inverse(name) != nil || column.generated {
		return nil
	}
	compiled, err := c.judge.compile(ctx, rel, sql, column.base, converted)
	var wrong *flaw
	if errors.As(err, &wrong) {
		return nil // one-way, which OneWay tells
	}
	if err != nil {
		return err
	}
	w.inverses = append(w.inverses, InverseColumn{Column: name, SQL: compiled.sql, own: true, uses: compiled.uses})
	return nil
}

// targetRelation makes a table with the columns of the target, in the types in which they travel.
func (c *compiler) targetRelation(ctx context.Context, table *TargetTable) (relation, error) {
	rel := relation{sql: postgres.Ident(targetSchema, table.Name), shown: quoteName(table.Name), path: "pg_catalog"}
	columns := make([]string, len(table.Columns))
	for i, column := range table.Columns {
		columns[i] = postgres.Ident(column.Name) + " " + column.Base.sql()
		rel.columns = append(rel.columns, column.Name)
	}
	sql := "create schema if not exists " + targetSchema + "; create table if not exists " + rel.sql + " (" + strings.Join(columns, ", ") + ")"
	if err := postgres.Script(ctx, c.judge.tx, sql); err != nil {
		return rel, fmt.Errorf("make a table like %s in the scratch database: %w", rel.shown, err)
	}
	return rel, nil
}
