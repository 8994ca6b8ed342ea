package lift

import (
	"slices"
	"strings"

	"tenantctl/internal/postgres/lexer"
)

// columns are those of a relation, in order, and which of them hold the identity of an object.
type columns struct {
	names []string
	named []bool
}

// holds tells that the column holds the identity of an object. listed are the columns that a statement names; none: all, in order.
func (cs columns) holds(listed []string, index int) bool {
	if len(listed) > 0 {
		if index >= len(listed) {
			return false
		}
		index = slices.Index(cs.names, listed[index])
	}
	return index >= 0 && index < len(cs.named) && cs.named[index]
}

// stored looks at the column that a value at lo is stored in, the one at index of an INSERT's row. What is stored is data, but for the
// name of an object in a column that keeps which one it is.
func (r reader) stored(c *code, lo, index int) use {
	table, listed := c.inserts(lo)
	for _, of := range r.names.columns[table] {
		if of.holds(listed, index) {
			return asName
		}
	}
	return asData
}

// inserts is the table of the INSERT or MERGE that a value belongs to, and the columns that it lists.
func (c *code) inserts(i int) (table string, listed []string) {
	for i > 0 && !c.is(i, "insert") && !c.symbol(i, ";") {
		i--
	}
	var target int
	at := i + 1
	if c.is(at, "into") {
		target, at = c.nameEnd(at+1), c.nameEnd(at+1)+1
		if c.is(at, "as") {
			at += 2
		}
	} else {
		for i > 0 && !c.is(i, "merge") && !c.symbol(i, ";") {
			i--
		}
		target = c.nameEnd(i + 2)
	}
	if c.symbol(at, "(") && c.partner[at] > 0 && !c.is(at+1, "select", "with") {
		for _, span := range c.arguments(at) {
			listed = append(listed, c.at(span[1]).Value())
		}
	}
	return c.at(target).Value(), listed
}

// nameEnd is the last token of the name that begins at i: a.b.c.
func (c *code) nameEnd(i int) int {
	for c.symbol(i+1, ".") {
		i += 2
	}
	return i
}

// commas counts those between two tokens that lie in the same brackets as the second one.
func (c *code) commas(from, to int) (n int) {
	for i := from + 1; i < to; i++ {
		if c.symbol(i, ",") && c.outer[i] == c.outer[to] {
			n++
		}
	}
	return n
}

// ofColumn tells that a name is a column that holds the identity of an object, in each table of the text that has one of that name.
func (r reader) ofColumn(c *code, name string) bool {
	found := false
	for _, token := range c.tokens {
		if token.Kind != lexer.Identifier {
			continue
		}
		for _, of := range r.names.columns[token.Value()] {
			if index := slices.Index(of.names, name); index >= 0 {
				if !of.named[index] {
					return false
				}
				found = true
			}
		}
	}
	return found
}

// returnsName tells a routine whose result is the identity of an object.
func (c *code) returnsName() bool {
	heading := c.routine.definition
	for i := range heading.tokens {
		if heading.is(i, "returns") {
			typed := heading.at(heading.nameEnd(i + 1)).Value()
			return strings.HasPrefix(typed, "reg") && slices.Contains(catalogTypes, typed)
		}
	}
	return false
}
