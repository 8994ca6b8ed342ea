package mapping

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
	"tenantctl/internal/postgres/lexer"
)

// rules works out what has to be tried over the rows.
func (c *compiler) rules(ctx context.Context) error {
	for _, w := range c.ways {
		groups, err := c.groups(ctx, w)
		if err != nil {
			return err
		}
		if len(groups) == 0 && w.where == "" {
			continue
		}
		for _, table := range w.tables {
			t := trial{table: table.Name, from: postgres.Ident(table.Source.Schema, table.Source.Name), where: w.where, key: w.rowName()}
			if w.entry.Where != nil {
				t.filter = w.entry.Where.SQL
			}
			c.out.trials = append(c.out.trials, t.over(groups)...)
		}
	}
	c.foreignRules()
	return c.uniqueRules(ctx)
}

func (c *compiler) groups(ctx context.Context, w *way) ([]group, error) {
	var groups []group
	for _, f := range w.fills {
		made, err := c.columnGroup(ctx, w, f)
		if err != nil {
			return nil, err
		}
		groups = append(groups, made...)
	}
	for _, more := range []func(context.Context, *way) ([]group, error){c.checkGroups, c.returnGroups} {
		made, err := more(ctx, w)
		if err != nil {
			return nil, err
		}
		groups = append(groups, made...)
	}
	return groups, nil
}

// columnGroup lists the checks of one column; none where nothing can go wrong.
func (c *compiler) columnGroup(ctx context.Context, w *way, f fill) ([]group, error) {
	v := w.value(f)
	made := group{object: w.object(f.entry), written: f.entry.SQL, severity: inspect.Refusal, values: []value{v}}
	if f.object {
		made.checks = []check{evaluates(v)}
		return []group{made}, nil
	}
	if f.column.NotNull && !w.neverNull(f) {
		made.checks = append(made.checks, check{
			bad: v.name + " is null", code: "null-rows", says: "would give null, which the column forbids",
			hint: "coalesce(..., ...) gives them a value; where: leaves them behind",
		})
	}
	checks, err := c.lossy(ctx, w, f)
	if err != nil {
		return nil, err
	}
	made.checks = append(made.checks, checks...)
	if checks, err = c.domainChecks(ctx, w, f); err != nil {
		return nil, err
	}
	made.checks = append(made.checks, checks...)
	canFail := f.plain == "" && len(f.uses) > 0 || f.plain != "" && !f.exact
	if sure := w.sure(f); canFail && sure != always && len(made.checks) == 0 {
		made.checks, made.sure = []check{evaluates(v)}, sure
	}
	if len(made.checks) == 0 {
		return nil, nil
	}
	return []group{made}, nil
}

// evaluates is a check that no row fails, but for those for which the value can't be evaluated.
func evaluates(v value) check { return check{bad: "num_nulls(" + v.name + ") < 0"} }

// lossy lists the conditions under which the target's column holds another value than the expression gives.
func (c *compiler) lossy(ctx context.Context, w *way, f fill) ([]check, error) {
	var checks []check
	base := f.column.Base
	if len(f.uses) > 0 && !exact(f.from, base) {
		bad, err := c.changed(ctx, w, f)
		if err != nil {
			return nil, err
		}
		checks = append(checks, check{
			bad: bad, code: "lossy-rows", says: fmt.Sprintf("would lose something on the way from %s to %s", f.from.Written, base.Written),
			hint: "if that is meant, say so in the expression: (" + f.entry.SQL + ")::" + base.Written,
		})
	}
	if bad := overflow(w.value(f).name, f.from, base); bad != "" {
		checks = append(checks, check{
			bad: bad, code: "lossy-rows", says: "would not fit " + base.Written,
			hint: "if cutting or rounding is meant, say so in the expression: (" + f.entry.SQL + ")::" + base.Written,
		})
	}
	if len(base.Labels) > 0 {
		labels := make([]string, len(base.Labels))
		for i, label := range base.Labels {
			labels[i] = postgres.Literal(label)
		}
		checks = append(checks, check{
			bad:  w.value(f).name + " <> all (array[" + strings.Join(labels, ", ") + "]::pg_catalog.text[])",
			code: "lossy-rows", says: fmt.Sprintf("would give no label of %s (%s)", f.column.Type, strings.Join(base.Labels, ", ")),
		})
	}
	return checks, nil
}

// changed is the condition under which a value isn't the same after the cast and back.
func (c *compiler) changed(ctx context.Context, w *way, f fill) (string, error) {
	v := w.value(f)
	back := "cast(" + v.name + " as " + f.from.sql() + ")"
	works, err := c.works(ctx, back, w.rows(group{values: []value{v}}))
	if err != nil {
		return "", err
	}
	if !works {
		back = v.name
	}
	if works && compares(f.from) {
		return "(" + back + ") is distinct from (" + f.raw + ")", nil
	}
	return "(" + back + ")::text is distinct from (" + f.raw + ")::text", nil
}

// works tells whether PostgreSQL accepts a compiled expression that this program has put together.
func (c *compiler) works(ctx context.Context, sql string, over legacyRows) (bool, error) {
	err := c.judge.attempt(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local search_path = ''"); err != nil {
			return fmt.Errorf("set the search path: %w", err)
		}
		_, err := tx.Conn().Prepare(ctx, "", "select "+sql+" from "+over.sql())
		return err
	})
	if err != nil && atFault(postgres.Code(err)) {
		return false, nil
	}
	return err == nil, err
}

// domainChecks lists the conditions of the column's domains; VALUE in them is the expression.
func (c *compiler) domainChecks(ctx context.Context, w *way, f fill) ([]check, error) {
	var checks []check
	v := w.value(f)
	for _, condition := range f.column.DomainChecks {
		var sql strings.Builder
		for token := range lexer.Tokens(condition) {
			if token.Is("value") {
				sql.WriteString(v.name)
				continue
			}
			sql.WriteString(token.Text)
		}
		bad := "(" + sql.String() + ") is false"
		works, err := c.works(ctx, bad, w.rows(group{values: []value{v}}))
		if err != nil {
			return nil, err
		}
		if !works {
			c.untried("domain "+f.column.Type, "of column "+quoteName(w.to.Name)+"."+quoteName(f.column.Name))
			continue
		}
		checks = append(checks, check{bad: bad, code: "forbidden-rows", says: fmt.Sprintf("would break the domain %s, which demands %s", f.column.Type, condition)})
	}
	return checks, nil
}

func (c *compiler) untried(object, whose string) {
	c.found(inspect.Note, "untried", object, whose+" uses functions, types or columns that only the platform has: the rows can't be tried against it before they are copied", "")
}

// rows are those of the legacy table with what a group names.
func (w *way) rows(g group) legacyRows { return legacyRows{from: w.from.sql()}.with(g) }

// value is what fills a column.
func (w *way) value(f fill) value {
	return value{name: fmt.Sprintf("tenantctl_value_%d", w.to.position(f.column.Name)), column: f.column.Name, sql: f.sql}
}

// over makes a group without checks whose expression sees columns of the row that the target would hold.
func (w *way) over(number int, sql string, columns []string) group {
	g := group{derived: &derived{name: fmt.Sprintf("tenantctl_derived_%d", number), table: w.to.Name, sql: sql}}
	for _, name := range columns {
		g.values = append(g.values, w.value(*w.fillOf(name)))
	}
	return g
}

// checkGroups lists the CHECK constraints of the target whose columns the mapping fills.
func (c *compiler) checkGroups(ctx context.Context, w *way) ([]group, error) {
	var groups []group
	for number, rule := range w.to.Checks {
		columns, plain := plainNames(rule.Columns)
		if !plain || !w.fillsAll(columns) || len(columns) == 0 {
			continue
		}
		made := w.over(number, rule.SQL, columns)
		made.object, made.written, made.severity = "constraint "+quoteName(rule.Name)+" of "+quoteName(w.to.Name), rule.SQL, inspect.Refusal
		bad := made.derived.name + " is false"
		works, err := c.works(ctx, bad, w.rows(made))
		if err != nil {
			return nil, err
		}
		if !works {
			c.untried(made.object, "it")
			continue
		}
		made.checks = []check{{bad: bad, code: "forbidden-rows", says: "would break the target's constraint, which demands " + rule.SQL}}
		groups = append(groups, made)
	}
	return groups, nil
}

// returnGroups lists the inverses that might not give back what was there.
func (c *compiler) returnGroups(ctx context.Context, w *way) ([]group, error) {
	var groups []group
	for i, inverse := range w.inverses {
		column := w.from.column(inverse.Column)
		sure := w.sureReturn(inverse)
		if inverse.own && w.losesNothing(inverse) || sure == always || !w.fillsAll(inverse.uses) {
			continue
		}
		made := w.over(len(w.to.Checks)+i, inverse.SQL, inverse.uses)
		made.object, made.written = "reverse of "+w.from.String()+"."+quoteName(inverse.Column), inverse.SQL
		made.severity = inspect.Warning
		back, before := made.derived.name, postgres.Ident(inverse.Column)
		bad := back + "::text is distinct from (" + before + ")::text"
		if compares(column.base) {
			bad = back + " is distinct from " + before
		}
		works, err := c.works(ctx, bad, w.rows(made))
		if err != nil {
			return nil, err
		}
		if !works {
			return nil, fmt.Errorf("the inverse of %s.%s can't be evaluated over the legacy row: %s", w.from, inverse.Column, inverse.SQL)
		}
		made.checks = []check{{bad: bad, code: "round-trip", says: "would not come back unchanged if this tenant is rolled back"}}
		made.sure = sure
		groups = append(groups, made)
	}
	return groups, nil
}

// losesNothing tells an inverse of the product's own that needs no trial: of a reference whose type holds every value.
func (w *way) losesNothing(inverse InverseColumn) bool {
	return slices.ContainsFunc(w.fills, func(f fill) bool {
		return f.plain == inverse.Column && f.exact && len(inverse.uses) == 1 && inverse.uses[0] == f.column.Name
	})
}

// rowName is SQL for the text by which people find a legacy row.
func (w *way) rowName() string {
	if len(w.from.Key) == 0 {
		return "'row ' || ctid::text"
	}
	names, values := make([]string, len(w.from.Key)), make([]string, len(w.from.Key))
	for i, column := range w.from.Key {
		names[i] = strings.ReplaceAll(quoteName(column), "%", "%%") + "=%s"
		values[i] = "left((" + postgres.Ident(column) + ")::text, 80)"
	}
	return "format(" + postgres.Literal(strings.Join(names, " ")) + ", " + strings.Join(values, ", ") + ")"
}
