package mapping

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
	"tenantctl/internal/postgres/lexer"
)

// compileWay compiles the expressions of one entry.
func (c *compiler) compileWay(ctx context.Context, w *way) error {
	rel := c.judge.relation(w.from, quotedPath(c.catalog.SearchPath))
	if w.from.Kind == inspect.Partitioned {
		var err error
		if rel.sql, err = c.judge.standIn(ctx, w.from); err != nil {
			return err
		}
	}
	var extras []extraPart
	for _, entry := range w.entry.Columns {
		column := c.fillable(w, entry)
		if column == nil {
			continue
		}
		if entry.Extra != "" {
			part, err := c.extraPart(ctx, w, rel, entry)
			if err != nil {
				return err
			}
			extras = append(extras, part...)
			continue
		}
		made, err := c.fill(ctx, rel, w, entry, *column)
		if err != nil {
			return err
		}
		w.fills = append(w.fills, made...)
	}
	if len(extras) > 0 {
		w.fills = append(w.fills, gather(w.to.column(extraColumn), extras))
	}
	for _, f := range w.fills {
		for _, column := range f.uses {
			w.uses[column] = true
		}
	}
	slices.SortStableFunc(w.fills, func(a, b fill) int { return w.to.position(a.column.Name) - w.to.position(b.column.Name) })
	c.requireAll(w)
	if err := c.compileWhere(ctx, rel, w); err != nil {
		return err
	}
	return c.invert(ctx, w, extras)
}

func (t *TargetTable) position(name string) int {
	return slices.IndexFunc(t.Columns, func(c TargetColumn) bool { return c.Name == name })
}

// fillable is the target's column that an entry fills, nil with a finding where it can't be filled.
func (c *compiler) fillable(w *way, entry Column) *TargetColumn {
	object := w.object(entry)
	column := w.to.column(entry.Target)
	switch {
	case column == nil:
		c.refuse(entry.Place, "mapping-column", object,
			fmt.Sprintf("table %s has no column %s%s", quoteName(w.to.Name), quoteName(entry.Target), didYouMean(entry.Target, w.to.columnNames(), "columns")), "")
		return nil
	case column.Generated:
		c.refuse(entry.Place, "mapping-column", object, "is generated: the database computes it", "leave it out")
		return nil
	case entry.Extra == "":
		return column
	case column.Base.OID != pgtype.JSONBOID:
		c.refuse(entry.Place, "mapping-column", object, fmt.Sprintf("column extra of table %s is of type %s, not jsonb", quoteName(w.to.Name), column.Type), "")
		return nil
	case slices.ContainsFunc(w.entry.Columns, Column{Target: extraColumn}.same):
		c.refuse(entry.Place, "mapping-conflict", object, "column extra is filled as a whole and by key", "map extra, or extra.NAME, not both")
		return nil
	}
	return column
}

// object names an entry of the mapping in findings.
func (w *way) object(entry Column) string {
	return "mapping of " + w.from.String() + " to " + quoteName(w.to.Name) + "." + entry.key()
}

// fill compiles one column; none where the expression is at fault.
func (c *compiler) fill(ctx context.Context, rel relation, w *way, entry Column, column TargetColumn) ([]fill, error) {
	made := fill{column: w.to.column(column.Name), entry: entry, plain: plainColumn(entry.SQL, w.from)}
	if made.plain != "" {
		source := w.from.column(made.plain)
		made.exact = exact(source.base, column.Base)
		if source.base.builtin() && source.base.OID == column.Base.OID && formFree(source.base, column.Base) {
			made.sql, made.from, made.uses = postgres.Ident(made.plain), source.base, []string{made.plain}
			made.raw = made.sql
			return []fill{made}, nil
		}
	}
	compiled, err := c.judge.compile(ctx, rel, entry.SQL, column.Base, assigned)
	if err != nil {
		return nil, c.faulty(err, w, entry.Place, w.object(entry), entry.key(), entry.SQL)
	}
	made.sql, made.raw, made.from, made.uses = compiled.sql, compiled.raw, compiled.from, compiled.uses
	return []fill{made}, nil
}

// formFree tells a pair of types whose values have the same form on both sides, whether or not they all fit.
func formFree(from, to BaseType) bool {
	return to.Modifier < 0 || from.Modifier == to.Modifier || to.OID != pgtype.NumericOID && to.OID != pgtype.BPCharOID && !isArray(to)
}

// plainColumn is the legacy column that an expression consists of, "" if it is more.
func plainColumn(sql string, table *legacyTable) string {
	name := ""
	for token := range lexer.Tokens(sql) {
		switch {
		case !token.Significant():
		case name != "" || token.Kind != lexer.Identifier || token.Form == lexer.Plain && isReserved(strings.ToLower(token.Text)):
			return ""
		default:
			name = token.Value()
		}
	}
	if table.column(name) == nil {
		return ""
	}
	return name
}

// requireAll finds columns of the target that would be left without a value.
func (c *compiler) requireAll(w *way) {
	for _, column := range w.to.Columns {
		given := slices.ContainsFunc(w.entry.Columns, func(e Column) bool { return e.Target == column.Name })
		if !given && column.needed() {
			c.refuse(w.entry.Place, "mapping-column", "mapping of "+w.from.String()+" to "+quoteName(w.to.Name)+"."+quoteName(column.Name),
				fmt.Sprintf("nothing fills column %s of table %s, which is %s not null without a default", quoteName(column.Name), quoteName(w.to.Name), column.Type), "")
		}
	}
}

func (c *compiler) compileWhere(ctx context.Context, rel relation, w *way) error {
	if w.entry.Where == nil {
		return nil
	}
	where := w.entry.Where
	compiled, err := c.judge.compile(ctx, rel, where.SQL, BaseType{}, condition)
	if err != nil {
		return c.faulty(err, w, where.Place, "mapping of "+w.from.String()+" to "+quoteName(w.to.Name), "where", where.SQL)
	}
	w.where = compiled.sql
	for _, column := range compiled.uses {
		w.uses[column] = true
	}
	return nil
}
