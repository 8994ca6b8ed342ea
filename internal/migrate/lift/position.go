package lift

import (
	"slices"

	"tenantctl/internal/postgres/lexer"
)

// place is what a qualified name is, where the word before its dot could be a schema or something nearer.
type place int

const (
	ofSchema place = iota // the word is a schema
	ofField               // the word is a variable, an alias, a label, a parameter or a table of that name
	doubtful
)

// nearer tells that a text has a word of its own that is also the name of a schema: it stands there without a dot, or is a parameter or
// the name of the routine, which is a label, too.
func (c *code) nearer(schema string) bool {
	for i, token := range c.tokens {
		if token.Kind == lexer.Identifier && token.Value() == schema && !c.symbol(i-1, ".") && !c.symbol(i+1, ".") && !c.is(i-1, "schema") {
			return true
		}
	}
	if slices.Contains([]string{"new", "old", "excluded"}, schema) {
		return true
	}
	return c.routine != nil && (c.routine.name == schema || slices.Contains(c.routine.parameters, schema))
}

// placeOf tells what the word at i is, before a dot and a name. relation tells that the schema has a relation of that name.
func (c *code) placeOf(i int, relation bool) place {
	schema := c.at(i).Value()
	if !c.nearer(schema) {
		return ofSchema
	}
	switch {
	case c.symbol(i+3, "("), c.symbol(i-1, "::"), c.is(i-1, "as"), c.declares(i), c.relationAt(i):
		return ofSchema
	case c.symbol(i+3, "%") && c.is(i+4, "rowtype"):
		return ofSchema
	case c.symbol(i+3, ".") && relation: // schema.table.column, or label.record.field
		if c.symbol(i+5, "%") || !c.labels(schema) {
			return ofSchema
		}
		return doubtful
	case relation && c.readsWhole(schema, c.at(i+2).Value()):
		return doubtful
	case c.at(i-1).Kind == lexer.Identifier && c.symbol(i-2, ",", "(") && !c.is(i-1, expressionWords...):
		return doubtful // a column's type, perhaps
	}
	return ofField
}

var expressionWords = []string{ //nolint:gochecknoglobals // a constant list
	"select", "distinct", "where", "and", "or", "not", "on", "having", "by", "when", "then", "else", "case", "return", "returning", "in",
	"like", "ilike", "between", "all", "any", "is", "if", "elsif", "while", "perform", "values", "set", "limit", "offset", "to", "escape", "using", "from",
}

// declares tells a type at the beginning of a declaration: name [constant] HERE.
func (c *code) declares(i int) bool {
	start := c.statement(i)
	return c.declare[i] && (i == start+1 || (i == start+2 && c.is(start+1, "constant")))
}

// labels tells that the text has <<name>>, or a routine of that name around it.
func (c *code) labels(name string) bool {
	for i, token := range c.tokens {
		if token.IsSymbol("<<") && c.at(i+1).Value() == name && c.symbol(i+2, ">>") {
			return true
		}
	}
	return c.routine != nil && c.routine.name == name
}

// readsWhole tells that a relation stands in a FROM under its own name, so that schema.relation in an expression could be a whole row.
func (c *code) readsWhole(schema, name string) bool {
	for i := range c.tokens {
		if c.at(i).Value() == schema && c.symbol(i+1, ".") && c.at(i+2).Value() == name && c.relationAt(i) &&
			(c.at(i+3).Kind != lexer.Identifier || c.is(i+3, "where", "on", "join", "left", "right", "inner", "full", "cross", "group", "order", "limit", "union")) {
			return true
		}
	}
	return false
}

// relationAt tells that the name at i stands where a statement has relations.
func (c *code) relationAt(i int) bool {
	switch {
	case c.is(i-1, "join", "update", "table", "only", "truncate", "copy", "references", "view", "sequence", "exists", "analyze", "vacuum", "lock", "of"):
		return true
	case c.is(i-1, "into"):
		return c.is(i-2, "insert", "merge")
	case c.is(i-1, "from"):
		return c.beginsFrom(i - 1)
	case c.is(i-1, "using"):
		return c.is(c.statement(i), "delete", "merge")
	case c.symbol(i-1, ","):
		at := c.back(i-1, func(k int) bool {
			return c.symbol(k, ";") || c.is(k, "from", "select", "where", "by", "set", "values", "having", "returning", "using", "execute", "return", "into", "limit")
		})
		return c.is(at, "from") && c.beginsFrom(at)
	}
	return false
}

// beginsFrom tells a FROM clause from IS DISTINCT FROM and extract(year from x).
func (c *code) beginsFrom(i int) bool {
	if c.is(i-1, "distinct") && c.is(i-2, "is", "not") {
		return false
	}
	open := c.outer[i]
	return open < 0 || !c.is(open-1, "extract", "trim", "substring", "overlay", "position", "date_part")
}
