package lexer

import "strings"

// Statement is one statement of a script.
type Statement struct {
	// Text begins at the first word and ends before the semicolon; comments inside it stay.
	Text string
	// Pos is where it begins, in bytes from the start of the script.
	Pos int
	// Line is the line where it begins, from 1.
	Line int
}

// Statements cuts a script at the semicolons that end statements: not those inside quotes, comments, parentheses
// (rules) or BEGIN ATOMIC bodies. Statements of nothing but comments are left out.
func Statements(sql string) []Statement {
	var found []Statement
	split := splitter{}
	line, counted := 1, 0
	add := func() {
		if split.any {
			line += strings.Count(sql[counted:split.start], "\n")
			counted = split.start
			found = append(found, Statement{Text: sql[split.start:split.end], Pos: split.start, Line: line})
		}
		split = splitter{}
	}
	for token := range Tokens(sql) {
		if !token.Significant() {
			continue
		}
		if token.IsSymbol(";") && split.top() {
			add()
			continue
		}
		split.see(token)
	}
	add()
	return found
}

// splitter follows one statement as far as finding its end needs.
type splitter struct {
	any        bool
	start, end int
	words      int  // identifiers seen
	create     bool // the first word is CREATE
	routine    bool // CREATE [OR REPLACE] FUNCTION or PROCEDURE
	begin      bool // the token before was BEGIN
	parens     int
	blocks     int // BEGIN ATOMIC and the CASEs within it
}

func (s *splitter) top() bool { return s.parens == 0 && s.blocks == 0 }

func (s *splitter) see(token Token) {
	if !s.any {
		s.any, s.start = true, token.Pos
	}
	s.end = token.End()
	begin := s.begin
	s.begin = false
	switch {
	case token.IsSymbol("("):
		s.parens++
	case token.IsSymbol(")"):
		s.parens = max(s.parens-1, 0)
	case token.Kind == Identifier:
		s.words++
		s.word(token, begin)
	}
}

func (s *splitter) word(token Token, afterBegin bool) {
	switch {
	case s.words == 1:
		s.create = token.Is("create")
	case s.create && s.words <= 4 && (token.Is("function") || token.Is("procedure")):
		s.routine = true
	case !s.routine || s.parens > 0:
	case token.Is("begin"):
		s.begin = true
	case token.Is("atomic") && afterBegin:
		s.blocks = 1
	case token.Is("case") && s.blocks > 0:
		s.blocks++
	case token.Is("end") && s.blocks > 0:
		s.blocks--
	}
}
