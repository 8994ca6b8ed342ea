package parse

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"tenantctl/internal/postgres/lexer"
)

// Statement is one statement of a script.
type Statement struct {
	Node
	// Kind is PostgreSQL's name of what it is, such as AlterTableStmt, also where Node has no field for it.
	Kind string
	// Text begins at the first word and ends before the semicolon.
	Text string
	// Pos is where Text begins, in bytes from the start of the script. Locations within the tree count from the script's start.
	Pos int
	// From is where what stands before the statement begins: the end of the one before.
	From int

	tree json.RawMessage
}

// End is the offset of the first byte after the statement.
func (s *Statement) End() int { return s.Pos + len(s.Text) }

// Tree is the whole statement, to be walked.
func (s *Statement) Tree() Expr {
	var e Expr
	_ = json.Unmarshal(s.tree, &e.tree) // was read before
	return e
}

// Error is a script that PostgreSQL's grammar doesn't take.
type Error struct {
	Message string
	Pos     int // in bytes from the start of the script
}

func (e *Error) Error() string { return e.Message }

// Script reads the statements of a script. The error is an *Error where the script is at fault.
func (p *Parser) Script(ctx context.Context, sql string) ([]Statement, error) {
	if err := readable(sql); err != nil {
		return nil, err
	}
	tree, err := p.tree(ctx, sql)
	if err != nil {
		return nil, err
	}
	var result struct {
		Stmts []struct {
			Stmt     json.RawMessage
			Location int `json:"stmt_location"`
			Length   int `json:"stmt_len"`
		}
	}
	if err := json.Unmarshal(tree, &result); err != nil {
		return nil, &Error{Message: "the statements are nested too deeply to be read", Pos: longest(sql)}
	}
	statements := make([]Statement, 0, len(result.Stmts))
	from := 0
	for _, raw := range result.Stmts {
		end := raw.Location + raw.Length
		if raw.Length == 0 {
			end = len(sql)
		}
		s := Statement{From: from, tree: raw.Stmt}
		s.Pos, s.Text = trim(sql, raw.Location, end)
		from = s.End()
		if err := s.read(); err != nil {
			return nil, err
		}
		statements = append(statements, s)
	}
	return statements, nil
}

// read decodes the tree into the structs.
func (s *Statement) read() error {
	var kinds map[string]json.RawMessage
	if err := json.Unmarshal(s.tree, &kinds); err != nil {
		return fmt.Errorf("read a statement: %w", err)
	}
	for kind := range kinds {
		s.Kind = kind
	}
	if err := json.Unmarshal(s.tree, &s.Node); err != nil {
		return fmt.Errorf("read %s: %w", s.Kind, err)
	}
	return nil
}

// readable refuses what the parser would read otherwise than the server.
func readable(sql string) error {
	if i := strings.IndexByte(sql, 0); i >= 0 {
		return &Error{Message: "a zero byte, which no server takes", Pos: i}
	}
	for i, r := range sql {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(sql[i:]); size == 1 {
				return &Error{Message: "bytes that aren't UTF-8", Pos: i}
			}
		}
	}
	return nil
}

// tree runs the parser. An instance that trapped is left to the runtime.
func (p *Parser) tree(ctx context.Context, sql string) ([]byte, error) {
	instance, err := p.take(ctx)
	if err != nil {
		return nil, err
	}
	tree, no, err := instance.parse(ctx, sql)
	if err != nil {
		return nil, &Error{Message: "PostgreSQL's parser gives up on it, as it does where statements are nested too deeply", Pos: longest(sql)}
	}
	p.put(instance)
	if no != nil {
		return nil, &Error{Message: no.message, Pos: offset(sql, no.cursor)}
	}
	return tree, nil
}

// longest is where the longest statement begins: most likely that which is nested too deeply.
func longest(sql string) int {
	at, length := 0, 0
	for _, s := range lexer.Statements(sql) {
		if len(s.Text) > length {
			at, length = s.Pos, len(s.Text)
		}
	}
	return at
}

// offset is where the character of a number, counted from 1, begins.
func offset(sql string, character int) int {
	n := 1
	for i := range sql {
		if n == character {
			return i
		}
		n++
	}
	return len(strings.TrimRight(sql, " \t\r\n")) // the end, of which the parser gives no number
}

// trim leaves what stands between the first and the last word.
func trim(sql string, from, to int) (int, string) {
	from, to = min(from, len(sql)), min(to, len(sql))
	begin, end := -1, from
	for token := range lexer.Tokens(sql[from:to]) {
		if !token.Significant() {
			continue
		}
		if begin < 0 {
			begin = from + token.Pos
		}
		end = from + token.End()
	}
	if begin < 0 {
		return from, ""
	}
	return begin, sql[begin:end]
}
