package mapping

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tenantctl/internal/postgres"
)

// uniqueTrial finds rows that would meet on one unique key of the target.
type uniqueTrial struct {
	object string
	tables []string // legacy tables that feed the target, for people
	from   []string // the same as statements name them, partitions one by one
	sql    string   // gives keyRows
}

// foreignTrial finds rows whose foreign key would end nowhere.
type foreignTrial struct {
	object, reason string
	table          string
	from           []string
	sql            string // gives keyRows
}

// feeders are the ways into one table of the target.
func (c *compiler) feeders(table string) []*way {
	var feeders []*way
	for _, w := range c.ways {
		if w.to.Name == table {
			feeders = append(feeders, w)
		}
	}
	return feeders
}

// uniqueRules lists the unique keys of the target that the legacy database doesn't keep itself.
func (c *compiler) uniqueRules(ctx context.Context) error {
	for i := range c.target.Tables {
		table := &c.target.Tables[i]
		feeders := c.feeders(table.Name)
		for _, rule := range table.Unique {
			columns, plain := plainNames(rule.Columns)
			if len(feeders) == 0 || len(feeders) == 1 && plain && rule.Predicate == "" && feeders[0].keepsUnique(columns) {
				continue
			}
			if !plain || slices.ContainsFunc(feeders, func(w *way) bool { return !w.fillsAll(columns) }) {
				continue // expressions are the load's to prove; keys that nothing fills are generated
			}
			object := "unique key " + quoteName(rule.Name) + " of " + quoteName(table.Name)
			sql := uniqueSQL(feeders, table, rule, columns)
			works, err := c.works(ctx, "exists ("+sql+")", legacyRows{from: feeders[0].from.sql()})
			if err != nil {
				return err
			}
			if !works {
				c.untried(object, "it")
				continue
			}
			c.out.uniques = append(c.out.uniques, uniqueTrial{object: object, tables: tableNames(feeders), from: storedIn(feeders), sql: sql})
		}
	}
	return nil
}

func tableNames(ways []*way) []string {
	names := make([]string, len(ways))
	for i, w := range ways {
		names[i] = w.from.String()
	}
	return names
}

// storedIn lists the tables that hold the rows of the ways.
func storedIn(ways []*way) []string {
	var tables []string
	for _, w := range ways {
		for _, table := range w.tables {
			tables = append(tables, postgres.Ident(table.Source.Schema, table.Source.Name))
		}
	}
	return tables
}

// keepsUnique tells whether the key holds a unique key of the legacy table itself, carried without loss.
func (w *way) keepsUnique(columns []string) bool {
	plain := map[string]bool{}
	for _, name := range columns {
		if f := w.fillOf(name); f != nil && f.plain != "" && f.exact {
			plain[f.plain] = true
		}
	}
	return slices.ContainsFunc(w.from.unique, func(key []string) bool {
		return !slices.ContainsFunc(key, func(column string) bool { return !plain[column] })
	})
}

func uniqueSQL(feeders []*way, table *TargetTable, rule UniqueRule, columns []string) string {
	keys, conditions, parts := make([]string, len(columns)), []string{"true"}, make([]string, len(columns))
	for i, name := range columns {
		keys[i] = postgres.Ident(name)
		if table.column(name).Base.Name == "citext" {
			keys[i] = "lower(" + keys[i] + ")"
		}
		parts[i] = strings.ReplaceAll(quoteName(name), "%", "%%") + "=%s"
		if !rule.NullsEqual {
			conditions = append(conditions, postgres.Ident(name)+" is not null")
		}
	}
	if rule.Predicate != "" {
		conditions = append(conditions, "("+rule.Predicate+")")
	}
	return fmt.Sprintf(
		`select format(%s, %s), min(tenantctl_row), max(tenantctl_row), count(*), count(*) over () from (%s) as %s where %s group by %s having count(*) > 1 order by 4 desc, 1 limit %d`,
		postgres.Literal(strings.Join(parts, " ")), strings.Join(keys, ", "), union(feeders, rule.reads(feeders, columns)), postgres.Ident(table.Name),
		strings.Join(conditions, " and "), strings.Join(keys, ", "), mostListed)
}

// reads lists the columns that the key and its predicate may use: what every feeder fills.
func (r UniqueRule) reads(feeders []*way, columns []string) []string {
	if r.Predicate == "" {
		return columns
	}
	var common []string
	for _, f := range feeders[0].fills {
		if !slices.ContainsFunc(feeders, func(w *way) bool { return w.fillOf(f.column.Name) == nil }) {
			common = append(common, f.column.Name)
		}
	}
	return common
}

// union reads columns of the target from all legacy tables that feed it. offset 0 keeps conditions from being evaluated before
// the mapping's own filter.
func union(feeders []*way, columns []string) string {
	var selects []string
	for _, w := range feeders {
		list := []string{w.rowName() + " as tenantctl_row"}
		for _, name := range columns {
			list = append(list, "("+w.fillOf(name).sql+") as "+postgres.Ident(name))
		}
		for _, table := range w.tables {
			sql := "(select " + strings.Join(list, ", ") + " from only " + postgres.Ident(table.Source.Schema, table.Source.Name)
			if w.where != "" {
				sql += " where " + w.where
			}
			selects = append(selects, sql+" offset 0)")
		}
	}
	return strings.Join(selects, " union all ")
}

// foreignRules lists the foreign keys of the target that the legacy database doesn't keep itself.
func (c *compiler) foreignRules() {
	for _, w := range c.ways {
		for _, rule := range w.to.Foreign {
			columns, plain := plainNames(rule.Columns)
			references, plainToo := plainNames(rule.References)
			if !plain || !plainToo || !w.fillsAll(columns) || len(w.tables) == 0 {
				continue
			}
			parents := c.feeders(rule.Table)
			if len(parents) == 1 && w.keepsForeign(columns, parents[0], references) {
				continue
			}
			parents = slices.DeleteFunc(parents, func(p *way) bool { return !p.fillsAll(references) || len(p.tables) == 0 })
			c.out.foreigns = append(c.out.foreigns, foreignTrial{
				object: "foreign key " + quoteName(rule.Name) + " of " + quoteName(w.to.Name), table: w.from.String(),
				reason: orphanReason(rule, parents), from: storedIn(append(parents, w)), sql: foreignSQL(w, columns, parents, references, rule.Present),
			})
		}
	}
}

func orphanReason(rule ForeignRule, parents []*way) string {
	table := rule.Table
	switch {
	case len(parents) == 0 && len(rule.Present) == 0:
		return "would refer to " + quoteName(table) + ", into which the mapping brings no rows"
	case slices.ContainsFunc(parents, func(p *way) bool { return p.where != "" }):
		return "would refer to rows of " + quoteName(table) + " that aren't there or stay behind by its where"
	}
	return "would refer to rows of " + quoteName(table) + " that aren't there"
}

// keepsForeign tells whether the legacy database has proven the same foreign key, and all rows that it refers to are carried.
func (w *way) keepsForeign(columns []string, parent *way, references []string) bool {
	if parent.where != "" || parent.partial {
		return false
	}
	var from, to []string
	for i := range columns {
		child, other := w.fillOf(columns[i]), parent.fillOf(references[i])
		if child == nil || other == nil || child.plain == "" || other.plain == "" || !child.exact || !other.exact {
			return false
		}
		from, to = append(from, child.plain), append(to, other.plain)
	}
	return slices.ContainsFunc(w.from.foreign, func(f legacyForeign) bool {
		return sameName(f.table, parent.from.sql()) && samePairs(f.columns, f.references, from, to)
	})
}

// samePairs compares two foreign keys, whatever the order of their columns.
func samePairs(columns, references, from, to []string) bool {
	if len(columns) != len(from) {
		return false
	}
	for i := range columns {
		at := slices.Index(from, columns[i])
		if at < 0 || to[at] != references[i] {
			return false
		}
	}
	return true
}

func foreignSQL(w *way, columns []string, parents []*way, references []string, brought [][]string) string {
	present, pairs, parts, keys := make([]string, len(columns)), make([]string, len(columns)), make([]string, len(columns)), make([]string, len(columns))
	for i, name := range columns {
		keys[i] = "child." + postgres.Ident(name)
		present[i] = keys[i] + " is not null"
		pairs[i] = "parent." + postgres.Ident(references[i]) + " = " + keys[i]
		parts[i] = strings.ReplaceAll(quoteName(name), "%", "%%") + "=%s"
	}
	missing := "true"
	if len(parents) > 0 {
		missing = "not exists (select from (" + union(parents, references) + ") as parent where " + strings.Join(pairs, " and ") + ")"
	}
	if len(brought) > 0 {
		missing += " and not " + isPresent(keys, brought)
	}
	return fmt.Sprintf(`select format(%s, %s), tenantctl_row, '', 1::bigint, count(*) over () from (%s) as child where %s and %s limit %d`,
		postgres.Literal(strings.Join(parts, " ")), strings.Join(keys, ", "), union([]*way{w}, columns),
		strings.Join(present, " and "), missing, mostListed)
}
