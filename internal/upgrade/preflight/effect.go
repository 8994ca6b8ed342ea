package preflight

import (
	"fmt"
	"maps"
	"slices"

	"tenantctl/internal/postgres/lexer"
)

// effect is what a statement may do to the data that a later one meets.
type effect struct {
	where   string
	names   map[string]bool // words of the statement: a table among them may be changed
	all     bool            // any table may be changed
	spreads bool            // triggers and functions may carry the change to other tables
}

func (e effect) words() []string { return slices.Sorted(maps.Keys(e.names)) }

// note keeps what a statement may do to others. Where that can't be told it may do anything.
func (r *reader) note(p *parser) {
	names := p.identifiers()
	if names["set_config"] {
		r.blind = true
	}
	e := r.effect(p, names)
	if e.names == nil && !e.all {
		return
	}
	if e.spreads && (r.triggers || slices.ContainsFunc(e.words(), func(name string) bool { return r.functions[name] })) {
		e.all = true
	}
	e.where = fmt.Sprintf("%s:%d", r.file, r.statement.Line)
	r.effects = append(r.effects, e)
}

func (r *reader) effect(p *parser, names map[string]bool) effect {
	first := p.peek()
	switch {
	case isOne(first, []string{"insert", "update", "delete", "merge", "truncate", "copy", "select", "with", "values", "table"}):
		return effect{names: names, spreads: true}
	case first.IsSymbol("("): // a query
		return effect{names: names, spreads: true}
	case p.words("create"):
		return r.creates(p, names)
	case p.words("alter", "table"):
		r.triggers = r.triggers || cascades(p)
		return altersTable(p, names)
	case p.words("alter", "extension"), p.words("drop", "schema"), p.words("drop", "owned"), p.words("drop", "extension"):
		return effect{all: true}
	case p.words("drop", "table"):
		return effect{names: names}
	case p.words("set"), p.words("reset"):
		r.blind = r.blind || changesNames(p)
		return effect{}
	case isOne(first, idle()):
		return effect{}
	}
	return effect{all: true}
}

// idle are the first words of statements that leave all rows as they are.
func idle() []string {
	return []string{
		"alter", "drop", "comment", "grant", "revoke", "analyze", "vacuum", "reindex", "cluster", "lock", "savepoint", "release", "rollback",
		"begin", "start", "commit", "end", "abort", "listen", "notify", "security", "refresh", "deallocate",
	}
}

// changesNames tells whether a SET or RESET lets names mean something else.
func changesNames(p *parser) bool {
	p.words("session")
	p.words("local")
	return isOne(p.peek(), []string{"search_path", "schema", "role", "session_authorization", "authorization", "all"})
}

// creates knows what new objects do to old ones. A new table of a name may hide the one that is asked about.
func (r *reader) creates(p *parser, names map[string]bool) effect {
	p.words("or", "replace")
	p.words("constraint")
	temporary := p.words("temp") || p.words("temporary") || p.words("local", "temp") || p.words("local", "temporary")
	p.words("unlogged")
	switch {
	case p.words("trigger"), p.words("rule"):
		r.triggers = true
	case p.words("function"), p.words("procedure"):
		if name, ok := p.table(); ok {
			r.functions[name.name] = true
		}
	case p.words("extension"):
		return effect{all: true}
	case p.words("table"):
		r.triggers = r.triggers || cascades(p)
		p.words("if", "not", "exists")
		name, _ := p.table()
		if temporary || p.holds("as") || p.holds("partition", "of") {
			return effect{names: names, spreads: true}
		}
		return effect{names: map[string]bool{name.name: true}}
	case p.words("materialized", "view"):
		return effect{names: names, spreads: true}
	}
	return effect{}
}

// cascades tells whether a statement makes a foreign key that changes rows by itself, as a trigger does.
func cascades(p *parser) bool {
	return slices.ContainsFunc(p.tokens, func(t lexer.Token) bool { return t.Is("cascade") || t.Is("references") }) &&
		slices.ContainsFunc(p.tokens, func(t lexer.Token) bool { return t.Is("on") })
}

// altersTable knows the actions that leave rows and names as they are.
func altersTable(p *parser, names map[string]bool) effect {
	p.words("if", "exists")
	p.words("only")
	if _, ok := p.table(); !ok {
		return effect{all: true}
	}
	p.symbol("*")
	for _, action := range p.list() {
		if !harmless(action) {
			return effect{names: names}
		}
	}
	return effect{}
}

func harmless(p *parser) bool {
	switch {
	case p.words("add"), p.words("validate"), p.words("drop", "constraint"), p.words("owner"), p.words("replica"), p.words("cluster"),
		p.words("reset"), p.words("no", "force"), p.words("force"):
		return true
	case p.words("enable"), p.words("disable"):
		return p.words("row")
	case p.words("set"):
		return p.words("logged") || p.words("unlogged") || p.words("tablespace") || p.peek().IsSymbol("(")
	case p.words("alter"):
		p.words("column")
		_, ok := p.name()
		return ok && (p.words("set", "default") || p.words("drop", "default") || p.words("set", "not", "null") || p.words("drop", "not", "null") ||
			p.words("set", "statistics") || p.words("set", "storage") || p.words("set", "compression"))
	}
	return false
}
