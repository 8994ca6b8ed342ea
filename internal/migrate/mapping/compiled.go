package mapping

import (
	"fmt"

	"tenantctl/internal/config"
	"tenantctl/internal/migrate/copy"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
)

// Compiled is a mapping proven against a legacy schema and a target. It is whole only if Compile found no refusal.
type Compiled struct {
	// Tables are the ways of the mapped tables, those of partitions one by one, in the mapping's order.
	Tables []copy.Table
	// Filters are the mapping's where clauses.
	Filters []Filter
	// Ignored is what stays behind on purpose.
	Ignored []Ignored
	// Sequences are those of the target that must go on after the highest value copied.
	Sequences []Sequence
	// Inverses are the ways back, one for each mapped table.
	Inverses []Inverse

	patterns []Pattern
	path     []string        // schemas of the legacy search path
	kept     map[string]bool // relations, quoted and qualified, that are mapped, ignored or read such: never lifted
	parts    map[string]liftedAs
	oneWay   []string
	trials   []trial
	uniques  []uniqueTrial
	foreigns []foreignTrial
}

// liftedAs is the table under whose name a partition is selected.
type liftedAs struct{ schema, name string }

// Filter is a where clause: which rows of a table are carried, and why not the others.
type Filter struct {
	Table  string `json:"table"`
	SQL    string `json:"sql"` // as it was written
	Reason string `json:"reason"`

	from, where string
}

// Ignored is a table or column that stays behind, and why.
type Ignored struct {
	Object string `json:"object"` // "table public.tmp", "column public.t.c"
	Reason string `json:"reason"`
}

// Sequence is a sequence of the tenant's schema whose column the copy fills.
type Sequence struct {
	Name, Table, Column string
	// Legacy is the sequence that gave the values so far, where the column is carried as it is: the new one must not give
	// again what that one has given, rows deleted since included. Nil: there is none.
	Legacy *inspect.Relation
}

// SetSQL is the statement that lets the sequence go on after the highest value of its column and after given, the last value
// of the legacy sequence (0: none). It is right however often it runs.
func (s Sequence) SetSQL(schema string, given int64) string {
	return fmt.Sprintf("select setval(%s::regclass, greatest(max(%s), %d)) from %s having greatest(max(%s), %d) > 0",
		postgres.Literal(postgres.Ident(schema, s.Name)), postgres.Ident(s.Column), given, postgres.Ident(schema, s.Table), postgres.Ident(s.Column), given)
}

// Inverse is how a legacy table's rows are had back from the target's.
type Inverse struct {
	Table   string // as copy.Table.Name has it, partitions aside
	Target  string
	Columns []InverseColumn
}

// InverseColumn gives one legacy column.
type InverseColumn struct {
	Column string
	SQL    string // over the target's row, in which enums are text and domains their base types

	place config.Place
	own   bool     // derived, not written by anybody
	uses  []string // columns of the target
}

// Lifts tells whether a table, view or sequence is carried as it is, beside the mapped ones. A partition goes with its table.
func (c *Compiled) Lifts(schema, name string) bool {
	if as, partition := c.parts[postgres.Ident(schema, name)]; partition {
		schema, name = as.schema, as.name
	}
	if c.kept[postgres.Ident(schema, name)] {
		return false
	}
	for _, pattern := range c.patterns {
		if pattern.Matches(schema, name, c.path) {
			return true
		}
	}
	return false
}

// OneWay names what can't be had back from the platform: columns without an inverse and all that is ignored.
func (c *Compiled) OneWay() []string { return c.oneWay }

// Reversible tells whether everything can be had back.
func (c *Compiled) Reversible() bool { return len(c.oneWay) == 0 }
