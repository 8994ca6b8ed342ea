package preflight

import (
	"fmt"
	"slices"

	"tenantctl/internal/postgres/lexer"
	"tenantctl/internal/stream"
	"tenantctl/internal/upgrade"
)

// risk is a question that a statement raises, with what may answer it before the statement runs.
type risk struct {
	service, file string
	line          int
	statement     string
	table         tableName
	only          bool // of a partitioned table, its partitions are left out: no row of theirs is in the way
	question      question
	constraint    string // that the tenant has: it asks the question, which is nil
	before        []effect
	beside        bool // another action of the same statement changes what it meets
}

// mender is what a rollout does to the tables of a question before it comes to that.
type mender struct {
	// certain is where a statement stands that changes them, or may change any; "" is none.
	certain string
	// possible are statements that change other tables: triggers and functions may carry that over.
	possible []effect
}

func (r risk) mender() mender {
	var m mender
	for _, e := range r.before {
		touched := e.names[r.table.name] || slices.ContainsFunc(r.question.others(), func(t tableName) bool { return e.names[t.name] })
		switch {
		case e.all || touched:
			m.certain = e.where
		case e.spreads:
			m.possible = append(m.possible, e)
		}
	}
	if r.beside {
		m.certain = fmt.Sprintf("%s:%d", r.file, r.line)
	}
	return m
}

// reader goes through the files of a cohort.
type reader struct {
	risks     []risk
	effects   []effect
	unchecked map[constraintName][]question
	functions map[string]bool // that the files make
	triggers  bool            // the files make some
	blind     bool            // names may mean something else from here to the end of the file
	only      bool            // the statement is about ONLY a table
	beside    bool            // another action of the same ALTER TABLE changes what this one meets

	service, file string
	statement     lexer.Statement
}

// read finds the risky statements of files that are run one after the other.
func read(stretches []upgrade.Stretch) []risk {
	r := &reader{unchecked: map[constraintName][]question{}, functions: map[string]bool{}}
	for _, stretch := range stretches {
		for _, file := range stretch.Files() {
			r.script(stretch.Stream.Service, file.Up)
		}
	}
	return r.risks
}

func (r *reader) script(service string, script stream.Script) {
	r.service, r.file, r.blind = service, script.Path, false
	for _, statement := range script.Statements() {
		r.statement, r.only = statement, false
		if !r.blind {
			r.recognize(parse(statement.Text))
		}
		r.note(parse(statement.Text))
	}
}

// recognize finds what is risky in a statement.
func (r *reader) recognize(p *parser) {
	switch {
	case p.words("alter", "table"):
		r.alterTable(p)
	case p.words("create", "unique", "index"):
		r.createIndex(p)
	case p.words("cluster"):
		p.words("verbose")
		if p.peek().IsSymbol("(") {
			p.group()
		}
		r.whole(p)
	case p.words("vacuum"):
		full := p.words("full")
		if inner, ok := p.group(); ok {
			full = inner.holds("full") && !inner.holds("full", "false") && !inner.holds("full", "off")
		}
		for p.words("freeze") || p.words("verbose") || p.words("analyze") {
			continue
		}
		if full {
			r.whole(p)
		}
	}
}

// whole is a statement that writes tables anew.
func (r *reader) whole(p *parser) {
	for _, part := range p.list() {
		if table, ok := part.table(); ok {
			r.risk(table, rewrite{})
		}
	}
}

// risk notes a question of the statement that is being read.
func (r *reader) risk(table tableName, q question) { r.add(risk{table: table, question: q}) }

// recorded notes that the statement raises the question of a constraint that tenants have.
func (r *reader) recorded(table tableName, constraint string) {
	r.add(risk{table: table, constraint: constraint})
}

func (r *reader) add(found risk) {
	found.service, found.file, found.line, found.statement = r.service, r.file, r.statement.Line, r.statement.Text
	found.before, found.beside, found.only = r.effects[:len(r.effects):len(r.effects)], r.beside, r.only
	r.risks = append(r.risks, found)
}
