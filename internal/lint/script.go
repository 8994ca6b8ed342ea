package lint

import (
	"sort"
	"strings"
	"unicode/utf8"

	"tenantctl/internal/lint/parse"
	"tenantctl/internal/postgres/lexer"
	"tenantctl/internal/stream"
)

// script is one file while it is judged.
type script struct {
	input     *Input
	run       *run
	file      stream.File
	direction Direction
	path      string
	sql       string
	// transactional tells that all of it is one transaction.
	transactional bool
	statements    []*statement
	escapes       []*escape
	marks         []irreversible
	created       map[string]bool // objects that it made so far, by kind and key
	values        map[string]bool // values that it added to enums so far
	model         *model
	findings      []Finding
	lines         []int // where lines begin
}

// statement is one statement of a script; those within a DO block come behind it.
type statement struct {
	parse.Statement
	index   int
	block   *statement // the DO block that it is in; nil for most
	inexact bool       // its text isn't as it stands in the file
	alters  []alteration
	escape  []*escape
}

// newScript takes a script's comments and lines apart; its statements come with read.
func newScript(r *run, in *Input, file stream.File, direction Direction) *script {
	text := file.Up
	if direction == Down {
		text = file.Down
	}
	s := &script{
		input: in, run: r, file: file, direction: direction, path: in.path(text.Path), sql: text.SQL,
		transactional: text.Mode == stream.Transactional, created: map[string]bool{}, values: map[string]bool{}, lines: lineStarts(text.SQL),
	}
	s.escapes, s.marks = readComments(s.sql, r.book)
	return s
}

func lineStarts(sql string) []int {
	starts := []int{0}
	for i := range len(sql) {
		if sql[i] == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// place is the line and column of an offset, both from 1; columns count characters.
func (s *script) place(pos int) (line, column int) {
	pos = min(max(pos, 0), len(s.sql))
	line = sort.SearchInts(s.lines, pos+1)
	return line, 1 + utf8.RuneCountInString(s.sql[s.lines[line-1]:pos])
}

// empty tells that a script has nothing but blanks and comments, which needs no parser.
func empty(sql string) bool {
	for token := range lexer.Tokens(sql) {
		if token.Significant() {
			return false
		}
	}
	return true
}

// add takes the statements that were parsed, and gives each its escapes.
func (s *script) add(parsed []parsed) {
	var block *statement
	for i := range parsed {
		p := &parsed[i]
		st := &statement{Statement: p.Statement, index: len(s.statements), inexact: p.inexact, alters: alterations(&p.Statement)}
		if p.inside {
			st.block = block
		} else {
			block = st
		}
		s.statements = append(s.statements, st)
		for _, e := range s.escapes {
			if !e.whole && !p.inside && s.concerns(e, st) {
				st.escape = append(st.escape, e)
			}
		}
	}
}

// concerns tells whether an escape stands before a statement, within it, or behind it on its last line.
func (s *script) concerns(e *escape, st *statement) bool {
	if e.pos < st.End() {
		return e.pos >= st.From && !s.behind(e, st.From)
	}
	return s.behind(e, st.End())
}

// behind tells that an escape stands on the line where a statement ended, and not on a line of its own.
func (s *script) behind(e *escape, end int) bool {
	return end > 0 && e.pos >= end && !strings.Contains(s.sql[end:e.pos], "\n")
}

// makes tells that an object was made by this script, or, on the way back, by the way there.
func (s *script) makes(kind, key string) bool {
	return s.created[kind+" "+key] || s.direction == Down && s.model.version(kind, key) == s.file.Version
}

// fresh tells that a table can't have rows or readers that matter yet: this script made it, or one that no tenant had.
func (s *script) fresh(r parse.RangeVar) bool {
	if r.Persistence == "t" || r.Schema == "pg_temp" || s.makes("table", r.Key()) {
		return true
	}
	made := s.model.version("table", r.Key())
	return s.input.Since > 0 && made > s.input.Since
}

// found records what a rule found at an offset.
func (s *script) found(rule *Rule, st *statement, pos int, object string, severity Severity, rewrite Rewrite, message string) {
	index := -1
	if st != nil {
		index = st.index
		if st.inexact {
			rewrite.Files = nil // made of pieces of a text that isn't this one
		}
	}
	line, column := s.place(pos)
	s.findings = append(s.findings, Finding{
		Rule: rule.ID, Name: rule.Name, Severity: severity, Line: line, Column: column, Object: object, Message: message, Why: rule.Why,
		Rewrite: rewrite, statement: index, sized: rule.Sized,
	})
}

// settle divides what was found by the escapes, and adds what is wrong with those.
func (s *script) settle() FileReport {
	report := FileReport{
		Path: s.path, Version: s.file.Version, Direction: s.direction, Statements: len(s.statements), Findings: []Finding{}, Suppressed: []Finding{},
	}
	for _, f := range s.findings {
		if e := s.escapeOf(f); e != nil {
			f.Reason = e.reason
			report.Suppressed = append(report.Suppressed, f)
			continue
		}
		report.Findings = append(report.Findings, f)
	}
	s.findings = nil
	for _, e := range s.escapes {
		s.judge(e)
	}
	report.Findings = append(report.Findings, s.findings...)
	sort.SliceStable(report.Findings, func(i, j int) bool {
		a, b := report.Findings[i], report.Findings[j]
		return a.Line < b.Line || a.Line == b.Line && a.Column < b.Column
	})
	return report
}

// escapeOf finds the escape that lets a finding be.
func (s *script) escapeOf(f Finding) *escape {
	if !s.run.book.escapable(f.Rule) {
		return nil
	}
	if f.statement >= 0 {
		st := s.statements[f.statement]
		escapes := st.escape
		if st.block != nil {
			escapes = st.block.escape
		}
		for _, e := range escapes {
			if e.covers(f.Rule) {
				return e
			}
		}
	}
	for _, e := range s.escapes {
		if e.whole && e.covers(f.Rule) {
			return e
		}
	}
	return nil
}

func (s *script) judge(e *escape) {
	if e.fault != "" {
		s.found(s.run.book[escapeID], nil, e.pos, "", Error, words("write -- lint:ignore RULE reason; the rules are in docs/lint.md"), e.fault)
		return
	}
	for _, id := range e.rules {
		if !e.used[id] {
			s.found(s.run.book[unusedID], nil, e.pos, "", Warning, words("take it away"), "the escape of "+id+" lets nothing be: "+id+" finds nothing here")
		}
	}
}

// note remembers what a statement of a way back makes.
func (s *script) note(st *statement) {
	switch {
	case st.CreateStmt != nil:
		s.created["table "+st.CreateStmt.Relation.Key()] = true
	case st.CreateTableAsStmt != nil:
		s.created["table "+st.CreateTableAsStmt.Into.Relation.Key()] = true
	case st.ViewStmt != nil:
		s.created["view "+st.ViewStmt.View.Key()] = true
	case st.IndexStmt != nil:
		s.created["index "+st.IndexStmt.Name] = true
	}
}

// maxSplit bounds the files that a rewrite spells out.
const maxSplit = 4 << 10

// apart divides the file: what stands before a statement, the statement and, where it has to be alone, what stands behind it.
func (s *script) apart(st *statement, alone bool) Rewrite {
	if st.block != nil || len(s.sql) > maxSplit || st.index == 0 && !alone {
		return words("a file of its own")
	}
	var files []string
	add := func(text string) {
		if text = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), ";")); !empty(text) {
			files = append(files, strings.TrimSuffix(text, ";")+";")
		}
	}
	add(s.sql[:st.From])
	if alone {
		add(s.sql[st.From:st.End()])
		add(s.sql[st.End():])
	} else {
		add(s.sql[st.From:])
	}
	return sql(files...)
}
