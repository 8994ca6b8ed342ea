package mapping

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
	"tenantctl/internal/postgres/lexer"
)

const draftHint = "map, lift or ignore it with a reason; `tenantctl inspect CLIENT --write-mapping FILE` drafts all of them"

// resolveIgnored finds what the mapping leaves behind.
func (c *compiler) resolveIgnored() {
	for _, ignore := range c.mapping.Ignore {
		table := c.find(ignore.Table)
		if table == nil {
			if !c.isView(ignore.Table) {
				c.found(inspect.Warning, "mapping-unused", ignore.object(), fmt.Sprintf("%s: the legacy database has no table %s to ignore%s",
					ignore.Place, ignore.Table, c.perhaps(ignore.Table)), "")
			}
			continue
		}
		key := postgres.Ident(table.Schema, table.Name)
		if ignore.Column == "" {
			c.ignored[key] = ignore
			c.out.kept[key] = true
			continue
		}
		if !slices.ContainsFunc(table.Columns, func(column inspect.Column) bool { return column.Name == ignore.Column }) {
			c.found(inspect.Warning, "mapping-unused", ignore.object(), fmt.Sprintf("%s: %s has no column %s to ignore%s",
				ignore.Place, table, quoteName(ignore.Column), didYouMean(ignore.Column, columnNames(table), "columns")), "")
			continue
		}
		if c.columns[key] == nil {
			c.columns[key] = map[string]Ignore{}
		}
		c.columns[key][ignore.Column] = ignore
	}
}

func columnNames(t *inspect.Table) []string {
	names := make([]string, len(t.Columns))
	for i, column := range t.Columns {
		names[i] = quoteName(column.Name)
	}
	return names
}

// coverage proves that each legacy table and column is mapped, lifted or ignored, and lists what isn't.
func (c *compiler) coverage(context.Context) error {
	for i := range c.catalog.Tables {
		table := &c.catalog.Tables[i]
		if table.IsPartition {
			root := c.root(table)
			if ignore, ignored := c.ignored[postgres.Ident(table.Schema, table.Name)]; ignored && c.out.Lifts(root.Schema, root.Name) {
				c.refuse(ignore.Place, "mapping-conflict", ignore.object(), "is a partition of "+root.String()+", which is lifted whole", "map "+root.String()+" to leave a partition behind")
			}
			c.out.parts[postgres.Ident(table.Schema, table.Name)] = liftedAs{root.Schema, root.Name}
			continue
		}
		key := postgres.Ident(table.Schema, table.Name)
		ignore, ignored := c.ignored[key]
		mapped := c.legacy[key] != nil
		switch {
		case mapped:
			c.coverColumns(key, table)
			continue
		case ignored:
			c.out.Ignored = append(c.out.Ignored, Ignored{"table " + table.String(), ignore.Reason})
			c.out.oneWay = append(c.out.oneWay, "table "+table.String())
		case c.out.Lifts(table.Schema, table.Name):
			c.refuseCutInheritance(table)
			c.refuseCollision(table)
		default:
			message := "is neither mapped, lifted nor ignored"
			if len(table.Parents) > 0 {
				message += "; it inherits from " + table.Parents[0].String() + ", but its rows are its own"
			}
			c.found(inspect.Refusal, "unmapped-table", "table "+table.String(), message, draftHint)
		}
		c.refuseStrayColumns(key, table)
	}
	return nil
}

// refuseCutInheritance finds a lifted table whose parent isn't: PostgreSQL can't make it.
func (c *compiler) refuseCutInheritance(table *inspect.Table) {
	for _, parent := range table.Parents {
		if !c.out.Lifts(parent.Schema, parent.Name) {
			c.found(inspect.Refusal, "mapping-conflict", "table "+table.String(),
				"is lifted, but inherits from "+parent.String()+", which isn't", "lift both, or map both")
		}
	}
}

// mainSchema is the legacy schema that becomes the tenant's own; others get one beside it.
const mainSchema = "public"

// refuseCollision finds a lifted table whose name a table of the platform has.
func (c *compiler) refuseCollision(table *inspect.Table) {
	if table.Schema == mainSchema && c.target.table(table.Name) != nil {
		c.found(inspect.Refusal, "mapping-conflict", "table "+table.String(),
			"is lifted, but the tenant's schema has a table "+quoteName(table.Name)+" of the platform's", "map it, or ignore it with a reason")
	}
}

// refuseStrayColumns finds ignored columns of tables that aren't mapped: a lifted table is carried whole.
func (c *compiler) refuseStrayColumns(key string, table *inspect.Table) {
	for _, column := range table.Columns {
		if ignore, given := c.columns[key][column.Name]; given && c.out.Lifts(table.Schema, table.Name) {
			c.refuse(ignore.Place, "mapping-conflict", ignore.object(), table.String()+" is lifted, which carries all its columns", "map the table to leave a column behind")
		}
	}
}

// coverColumns checks the columns of a mapped table, and notes which can't be had back.
func (c *compiler) coverColumns(key string, table *inspect.Table) {
	used, back, whole := map[string]bool{}, map[string]bool{}, false
	for _, w := range c.ways {
		if w.from.sql() != key {
			continue
		}
		whole = true
		w.markMentioned(used)
		for name := range w.uses {
			used[name] = true
		}
		for _, inverse := range w.inverses {
			back[inverse.Column] = true
		}
	}
	if !whole {
		return // its target isn't there, which is said already
	}
	for _, column := range table.Columns {
		object := "column " + table.String() + "." + quoteName(column.Name)
		ignore, ignored := c.columns[key][column.Name]
		switch {
		case ignored && used[column.Name]:
			c.found(inspect.Warning, "mapping-unused", object, fmt.Sprintf("%s: is ignored, but an expression uses it", ignore.Place), "")
		case ignored:
			c.out.Ignored = append(c.out.Ignored, Ignored{object, ignore.Reason})
		case !used[column.Name]:
			c.found(inspect.Refusal, "unmapped-column", object, "no expression uses it, and it isn't ignored", draftHint)
		}
		if !back[column.Name] && !column.Generated {
			c.out.oneWay = append(c.out.oneWay, object)
		}
	}
}

// markMentioned counts the names in expressions that didn't compile, so that one mistake isn't reported as several.
func (w *way) markMentioned(used map[string]bool) {
	if len(w.failed) == 0 {
		return
	}
	for _, sql := range w.failed {
		for token := range lexer.Tokens(sql) {
			if token.Kind != lexer.Identifier {
				continue
			}
			for _, column := range w.from.columns {
				if column.name == token.Value() || strings.EqualFold(column.name, token.Value()) {
					used[column.name] = true
				}
			}
		}
	}
}
