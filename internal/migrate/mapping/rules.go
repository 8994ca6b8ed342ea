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

// trial is what has to be tried over the rows of one legacy table.
type trial struct {
	table  string // for people
	from   string // quoted and qualified
	where  string // compiled
	filter string // as it was written
	key    string // SQL: text that names a row
	groups []group
}

// group is what is evaluated together: the checks of one column. A row for which one can't be evaluated fails the group.
type group struct {
	object   string
	written  string // the expression, for people
	severity inspect.Severity
	checks   []check
	derived  bool // made of the columns' expressions: where one fails, so does this
}

// check is a condition that is true for bad rows.
type check struct {
	bad  string
	code string
	says string // what is wrong with such rows
	hint string
}

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
			t := trial{table: table.Name, from: postgres.Ident(table.Source.Schema, table.Source.Name), where: w.where, key: w.rowName(), groups: groups}
			if w.entry.Where != nil {
				t.filter = w.entry.Where.SQL
			}
			c.out.trials = append(c.out.trials, t)
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
	made := group{object: w.object(f.entry), written: f.entry.SQL, severity: inspect.Refusal}
	if f.plain == "" && len(f.uses) > 0 || f.plain != "" && !f.exact {
		made.checks = append(made.checks, check{bad: "num_nulls(" + f.sql + ") < 0"}) // only evaluates it
	}
	if f.object {
		return []group{made}, nil
	}
	if f.column.NotNull && (f.plain == "" || !w.from.column(f.plain).notNull) {
		made.checks = append(made.checks, check{
			bad: "(" + f.sql + ") is null", code: "null-rows", says: "would give null, which the column forbids",
			hint: "coalesce(..., ...) gives them a value; where: leaves them behind",
		})
	}
	for _, more := range []func(context.Context, *way, fill) ([]check, error){c.lossy, c.domainChecks} {
		checks, err := more(ctx, w, f)
		if err != nil {
			return nil, err
		}
		made.checks = append(made.checks, checks...)
	}
	if len(made.checks) == 0 {
		return nil, nil
	}
	return []group{made}, nil
}

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
	if bad := overflow(f.sql, f.from, base); bad != "" {
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
			bad:  "(" + f.sql + ") <> all (array[" + strings.Join(labels, ", ") + "]::pg_catalog.text[])",
			code: "lossy-rows", says: fmt.Sprintf("would give no label of %s (%s)", f.column.Type, strings.Join(base.Labels, ", ")),
		})
	}
	return checks, nil
}

// changed is the condition under which a value isn't the same after the cast and back.
func (c *compiler) changed(ctx context.Context, w *way, f fill) (string, error) {
	back := "cast((" + f.sql + ") as " + f.from.sql() + ")"
	works, err := c.works(ctx, back, w.from.sql())
	if err != nil {
		return "", err
	}
	if !works {
		back = f.sql
	}
	if works && compares(f.from) {
		return "(" + back + ") is distinct from (" + f.raw + ")", nil
	}
	return "(" + back + ")::text is distinct from (" + f.raw + ")::text", nil
}

// works tells whether PostgreSQL accepts a compiled expression that this program has put together.
func (c *compiler) works(ctx context.Context, sql, from string) (bool, error) {
	err := c.judge.attempt(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local search_path = ''"); err != nil {
			return fmt.Errorf("set the search path: %w", err)
		}
		_, err := tx.Conn().Prepare(ctx, "", "select "+sql+" from only "+from)
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
	for _, condition := range f.column.DomainChecks {
		var sql strings.Builder
		for token := range lexer.Tokens(condition) {
			if token.Is("value") {
				sql.WriteString("(" + f.sql + ")")
				continue
			}
			sql.WriteString(token.Text)
		}
		bad := "(" + sql.String() + ") is false"
		works, err := c.works(ctx, bad, w.from.sql())
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

// over evaluates an expression over the target's row that a legacy row becomes.
func (w *way) over(sql string) string {
	columns := make([]string, len(w.fills))
	for i, f := range w.fills {
		columns[i] = "(" + f.sql + ") as " + postgres.Ident(f.column.Name)
	}
	return "(select (" + sql + ") from (select " + strings.Join(columns, ", ") + ") as " + postgres.Ident(w.to.Name) + ")"
}

// checkGroups lists the CHECK constraints of the target whose columns the mapping fills.
func (c *compiler) checkGroups(ctx context.Context, w *way) ([]group, error) {
	var groups []group
	for _, rule := range w.to.Checks {
		columns, plain := plainNames(rule.Columns)
		if !plain || !w.fillsAll(columns) || len(columns) == 0 {
			continue
		}
		object := "constraint " + quoteName(rule.Name) + " of " + quoteName(w.to.Name)
		bad := w.over(rule.SQL) + " is false"
		works, err := c.works(ctx, bad, w.from.sql())
		if err != nil {
			return nil, err
		}
		if !works {
			c.untried(object, "it")
			continue
		}
		groups = append(groups, group{
			object: object, written: rule.SQL, severity: inspect.Refusal, derived: true,
			checks: []check{{bad: bad, code: "forbidden-rows", says: "would break the target's constraint, which demands " + rule.SQL}},
		})
	}
	return groups, nil
}

// returnGroups lists the inverses that might not give back what was there.
func (c *compiler) returnGroups(ctx context.Context, w *way) ([]group, error) {
	var groups []group
	for _, inverse := range w.inverses {
		column := w.from.column(inverse.Column)
		if inverse.own && w.losesNothing(inverse) || !w.fillsAll(inverse.uses) {
			continue
		}
		back, before := w.over(inverse.SQL), postgres.Ident(inverse.Column)
		bad := back + "::text is distinct from (" + before + ")::text"
		if compares(column.base) {
			bad = back + " is distinct from " + before
		}
		works, err := c.works(ctx, bad, w.from.sql())
		if err != nil {
			return nil, err
		}
		if !works {
			return nil, fmt.Errorf("the inverse of %s.%s can't be evaluated over the legacy row: %s", w.from, inverse.Column, bad)
		}
		groups = append(groups, group{
			object: "reverse of " + w.from.String() + "." + quoteName(inverse.Column), written: inverse.SQL, severity: inspect.Warning, derived: true,
			checks: []check{{bad: bad, code: "round-trip", says: "would not come back unchanged if this tenant is rolled back"}},
		})
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
