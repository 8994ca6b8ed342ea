package preflight

import (
	"slices"
	"strconv"
	"strings"
)

// alterTable reads the actions of ALTER TABLE.
func (r *reader) alterTable(p *parser) {
	p.words("if", "exists") // one that isn't there is never asked about
	r.only = p.words("only")
	table, ok := p.table()
	if !ok {
		return
	}
	p.symbol("*")
	actions := p.list()
	for i, action := range actions {
		others := slices.Concat(actions[:i:i], actions[i+1:])
		r.beside = slices.ContainsFunc(others, func(other *parser) bool { return !harmless(other.copy()) })
		r.action(table, action.copy())
	}
	r.beside = false
}

func (r *reader) action(table tableName, p *parser) {
	switch {
	case p.words("alter"):
		p.words("column")
		r.alterColumn(table, p)
	case p.words("add"):
		r.adds(table, p)
	case p.words("validate", "constraint"):
		if name, ok := p.name(); ok && p.ended() {
			r.validate(table, name)
		}
	case p.words("set", "logged"), p.words("set", "unlogged"), p.words("set", "tablespace"), p.words("set", "access", "method"):
		r.risk(table, rewrite{})
	}
}

func (r *reader) alterColumn(table tableName, p *parser) {
	column, ok := p.name()
	switch {
	case !ok:
	case p.words("set", "not", "null"):
		if p.ended() {
			r.risk(table, nulls{columns: []string{column}, only: r.only})
		}
	case p.words("type"), p.words("set", "data", "type"):
		r.changeType(table, column, p)
	}
}

// changeType asks whether the table is rewritten, and whether each row can be cast where no other expression than a plain cast
// says how.
func (r *reader) changeType(table tableName, column string, p *parser) {
	kind := p.until("collate", "using")
	typ := kind.text()
	if typ == "" {
		return
	}
	p.until("using")
	explicit := p.words("using")
	plain := !explicit || isCast(p, column, typ)
	r.risk(table, rewrite{column: column, typ: typ, length: number(kind, 0), scale: number(kind, 1), computed: !plain})
	if plain {
		r.risk(table, casts{column: column, typ: typ, length: cut(kind, explicit), only: r.only})
	}
}

// isCast tells whether an expression is column::typ or cast(column as typ).
func isCast(p *parser, column, typ string) bool {
	for p.ended() || p.peek().IsSymbol("(") {
		inner, ok := p.group()
		if !ok || !p.ended() {
			return false
		}
		p = inner
	}
	if p.words("cast") {
		inner, ok := p.group()
		if !ok || !p.ended() {
			return false
		}
		name, ok := inner.name()
		return ok && name == column && inner.words("as") && strings.EqualFold(inner.text(), typ)
	}
	name, ok := p.name()
	return ok && name == column && p.symbol("::") && strings.EqualFold(p.text(), typ)
}

// cut is the length that a value may have in a type of limited length; 0 where it doesn't matter. An explicit cast cuts what is
// longer, without one it is refused.
func cut(kind *parser, explicit bool) int {
	if explicit {
		return 0
	}
	k := kind.copy()
	if k.words("varchar") || k.words("char", "varying") || k.words("character", "varying") || k.words("char") || k.words("character") {
		return number(k, 0)
	}
	return 0
}

// number is one of the numbers that a type has in parentheses; 0 where there are fewer.
func number(kind *parser, i int) int {
	for _, token := range kind.tokens {
		n, err := strconv.Atoi(token.Text)
		if err != nil {
			continue
		}
		if i == 0 {
			return n
		}
		i--
	}
	return 0
}

// adds reads ADD CONSTRAINT, in both its forms, and ADD COLUMN.
func (r *reader) adds(table tableName, p *parser) {
	if p.words("constraint") {
		name, ok := p.name()
		if ok {
			r.addConstraint(table, name, p)
		}
		return
	}
	start := p.peek()
	if isOne(start, []string{"unique", "primary", "check", "foreign", "exclude"}) && !isType(p) {
		r.addConstraint(table, "", p)
		return
	}
	p.words("column")
	p.words("if", "not", "exists") // one that is there is never asked about
	if column, ok := p.name(); ok {
		r.addColumn(table, column, p)
	}
}

// isType tells a column that is called "exclude", the one of these words that may be a name, from a constraint.
func isType(p *parser) bool {
	next := parser{tokens: p.tokens, at: p.at + 1}
	return p.peek().Is("exclude") && next.at < len(p.tokens) && !next.words("using") && !next.symbol("(")
}

// addColumn knows new columns for which existing rows have no value, and those whose values have to be written into each row.
func (r *reader) addColumn(table tableName, column string, p *parser) {
	kind := p.until("constraint", "not", "null", "default", "primary", "unique", "check", "references", "generated", "collate",
		"storage", "compression")
	serial := isSerial(kind)
	switch {
	case serial, p.holds("generated", "always", "as", "identity"), p.holds("generated", "by", "default", "as", "identity"):
		r.risk(table, rewrite{adds: column})
	case p.holds("generated"):
		if p.holds("stored") {
			r.risk(table, rewrite{adds: column})
		}
	case p.holds("default"):
		if calls := defaultOf(p).calls(); len(calls) > 0 {
			r.risk(table, rewrite{adds: column, calls: calls})
		}
	case p.holds("not", "null"), p.holds("primary", "key"):
		if typ := kind.text(); typ != "" {
			r.risk(table, required{column: column, typ: typ})
		}
	}
}

func defaultOf(p *parser) *parser {
	p.until("default")
	p.words("default")
	return p.until("constraint", "not", "null", "primary", "unique", "check", "references", "generated", "collate")
}

func isSerial(kind *parser) bool {
	if len(kind.tokens) != 1 {
		return false
	}
	return isOne(kind.tokens[0], []string{"serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"})
}
