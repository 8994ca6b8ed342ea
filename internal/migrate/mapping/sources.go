package mapping

import (
	"context"
	"slices"

	"tenantctl/internal/migrate/copy"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
)

// sources makes of each way what the copy needs: one copy.Table, or one for each partition.
func (c *compiler) sources(context.Context) error {
	targets := map[string]int{}
	for _, w := range c.ways {
		targets[w.from.sql()]++
	}
	inverted := map[string]bool{}
	for _, w := range c.ways {
		columns := make([]copy.Column, len(w.fills))
		for i, f := range w.fills {
			columns[i] = copy.Column{Target: f.column.Name, Expr: f.sql}
		}
		for _, leaf := range c.leaves(w) {
			table := copy.Table{
				Name: leaf.String(), Source: source(leaf), Target: copy.Target{Schema: c.target.Schema, Name: w.to.Name},
				Columns: columns, Where: w.where, Format: c.format(w), Key: w.key(),
			}
			if targets[w.from.sql()] > 1 {
				table.Name += " -> " + quoteName(w.to.Name)
			}
			w.tables = append(w.tables, table)
			if w.where != "" {
				c.out.Filters = append(c.out.Filters, Filter{
					Table: table.Name, SQL: w.entry.Where.SQL, Reason: w.entry.Where.Reason,
					from: postgres.Ident(leaf.Schema, leaf.Name), where: w.where,
				})
			}
		}
		c.out.Tables = append(c.out.Tables, w.tables...)
		c.out.Inverses = append(c.out.Inverses, Inverse{Table: w.from.String(), Target: w.to.Name, Columns: w.inverses})
		c.sequences(w, inverted)
	}
	return nil
}

// leaves are the tables that hold a mapped table's rows: itself, or the partitions that aren't ignored. Of an inheritance
// parent only its own rows are read: its children are tables of their own.
func (c *compiler) leaves(w *way) []*inspect.Table {
	if w.from.Kind != inspect.Partitioned {
		return []*inspect.Table{&w.from.Table}
	}
	var leaves []*inspect.Table
	for i := range c.catalog.Tables {
		table := &c.catalog.Tables[i]
		if !table.IsPartition || c.root(table).OID != w.from.OID || table.Kind == inspect.Partitioned {
			continue
		}
		if ignore, ignored := c.ignoredPart(table); ignored {
			w.partial = true
			if left := (Ignored{"table " + table.String(), ignore.Reason}); !slices.Contains(c.out.Ignored, left) {
				c.out.Ignored = append(c.out.Ignored, left)
			}
			continue
		}
		if table.Kind == inspect.Foreign {
			c.refuse(w.entry.Place, "mapping-table", "table "+table.String(),
				"is a partition of "+w.from.String()+" that lies in another database", "ignore it with a reason, or bring its rows home first")
			continue
		}
		leaves = append(leaves, table)
	}
	return leaves
}

// ignoredPart tells whether a partition, or a partitioned table above it, is ignored.
func (c *compiler) ignoredPart(table *inspect.Table) (Ignore, bool) {
	for {
		if ignore, ignored := c.ignored[postgres.Ident(table.Schema, table.Name)]; ignored {
			return ignore, true
		}
		if !table.IsPartition || len(table.Parents) == 0 {
			return Ignore{}, false
		}
		table = c.find(Name{Schema: table.Parents[0].Schema, Name: table.Parents[0].Name})
		if table == nil {
			return Ignore{}, false
		}
	}
}

func source(t *inspect.Table) copy.Source {
	return copy.Source{
		OID: t.OID, Schema: t.Schema, Name: t.Name, Pages: t.Pages, Bytes: t.Bytes,
		Rows: max(int64(t.Rows), 0), Filenode: t.Filenode,
	}
}

// format is binary where each value that travels has a binary form which is the same everywhere and which the column takes.
func (c *compiler) format(w *way) copy.Format {
	for _, f := range w.fills {
		base := f.column.Base
		if !base.builtin() && len(base.Labels) > 0 {
			continue // an enum's binary form is its label, as text's is
		}
		if !base.builtin() || !c.judge.types[base.OID].Portable {
			return copy.Text
		}
	}
	return copy.Binary
}

// key is a unique key of the target that the mapping fills, the primary one first.
func (w *way) key() []string {
	for _, primary := range []bool{true, false} {
		for _, rule := range w.to.Unique {
			if columns, plain := plainNames(rule.Columns); plain && rule.Primary == primary && rule.Predicate == "" && w.fillsAll(columns) {
				return columns
			}
		}
	}
	return nil
}

// plainNames reads quoted columns; false where one is an expression.
func plainNames(quoted []string) ([]string, bool) {
	names := make([]string, len(quoted))
	for i, text := range quoted {
		name, err := oneName(text)
		if err != nil {
			return nil, false
		}
		names[i] = name
	}
	return names, true
}

func (w *way) fillsAll(columns []string) bool {
	return !slices.ContainsFunc(columns, func(name string) bool { return w.fillOf(name) == nil })
}

func (w *way) fillOf(column string) *fill {
	for i := range w.fills {
		if w.fills[i].column.Name == column {
			return &w.fills[i]
		}
	}
	return nil
}

// sequences lists those whose columns the way fills, each once.
func (c *compiler) sequences(w *way, seen map[string]bool) {
	for _, f := range w.fills {
		name := f.column.Sequence
		if name == "" || seen[name] {
			continue
		}
		seen[name] = true
		sequence := Sequence{Name: name, Table: w.to.Name, Column: f.column.Name}
		owner := postgres.Ident(w.from.Schema, w.from.Name, f.plain)
		for _, legacy := range c.catalog.Sequences {
			if f.plain != "" && sameName(legacy.OwnedBy, owner) {
				relation := legacy.Relation
				sequence.Legacy = &relation
			}
		}
		c.out.Sequences = append(c.out.Sequences, sequence)
	}
}

// sameName compares two qualified names, however they are quoted.
func sameName(a, b string) bool {
	left, leftErr := splitName(a)
	right, rightErr := splitName(b)
	return leftErr == nil && rightErr == nil && slices.Equal(left, right)
}
