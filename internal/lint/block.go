package lint

import (
	"context"
	"fmt"
	"strings"

	"tenantctl/internal/lint/parse"
	"tenantctl/internal/postgres/lexer"
)

// parsed is a statement, or one within a DO block.
type parsed struct {
	parse.Statement
	inside  bool
	inexact bool
}

// parseScript parses a script, and the statements within its DO blocks: what hides in one locks as much as outside of it.
func parseScript(ctx context.Context, parser *parse.Parser, sql string) ([]parsed, error) {
	statements, err := parser.Script(ctx, sql)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	all := make([]parsed, 0, len(statements))
	for _, s := range statements {
		all = append(all, parsed{Statement: s})
		if s.DoStmt == nil {
			continue
		}
		for _, inner := range within(&s) {
			inside, err := parser.Script(ctx, strings.Repeat(" ", inner.pos)+inner.sql)
			if err != nil {
				continue // PL/pgSQL that only looks like a statement, or SQL that is put together at run time
			}
			for _, i := range inside {
				all = append(all, parsed{Statement: i, inside: true, inexact: inner.inexact})
			}
		}
	}
	return all, nil
}

// fragment is SQL within a block.
type fragment struct {
	sql     string
	pos     int // in the script
	inexact bool
}

// within finds the statements of a DO block that change tables, where they begin behind BEGIN, THEN, ELSE, LOOP or a semicolon,
// and those that EXECUTE runs from a constant.
func within(s *parse.Statement) []fragment {
	body, at, ok := blockBody(s)
	if !ok {
		return nil
	}
	var found []fragment
	tokens := significant(body)
	begins := true
	for i := 0; i < len(tokens); i++ {
		token := tokens[i]
		starts := begins
		begins = token.IsSymbol(";") || token.Is("begin") || token.Is("then") || token.Is("else") || token.Is("loop")
		if !starts || begins {
			continue
		}
		end := i
		for end < len(tokens) && !tokens[end].IsSymbol(";") {
			end++
		}
		switch {
		case token.Is("execute") && i+1 < len(tokens) && tokens[i+1].Kind == lexer.String && (end == i+2 || end == len(tokens)):
			found = append(found, constant(tokens[i+1], at))
		case changes(token):
			found = append(found, fragment{sql: body[token.Pos:tokens[end-1].End()], pos: at + token.Pos})
		default:
			continue
		}
		i = end - 1
	}
	return found
}

// changes tells whether a statement that begins so is one that rules ask about.
func changes(token lexer.Token) bool {
	for _, keyword := range []string{"alter", "create", "drop", "truncate", "update", "delete", "insert", "lock", "reindex", "refresh", "cluster", "set"} {
		if token.Is(keyword) {
			return true
		}
	}
	return false
}

// constant is the SQL of a string constant.
func constant(token lexer.Token, at int) fragment {
	f := fragment{sql: token.Value(), pos: at + token.Pos + 1}
	if token.Form == lexer.Dollar {
		f.pos = at + token.BodyPos()
	}
	f.inexact = !strings.HasPrefix(token.Text[f.pos-at-token.Pos:], f.sql)
	return f
}

// blockBody is the text of a DO block that is quoted by dollars, as nearly all are, and where it begins in the script.
func blockBody(s *parse.Statement) (body string, at int, ok bool) {
	for token := range lexer.Tokens(s.Text) {
		if token.Kind == lexer.String && token.Form == lexer.Dollar && !token.Unterminated {
			return token.Value(), s.Pos + token.BodyPos(), true
		}
	}
	return "", 0, false
}
