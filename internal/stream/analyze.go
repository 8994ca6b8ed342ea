package stream

import (
	"fmt"
	"strings"

	"tenantctl/internal/postgres/lexer"
	"tenantctl/internal/tenant"
)

// Mode says how a script has to be run.
type Mode string

// The modes of a script.
const (
	// Transactional: in one transaction with its version row.
	Transactional Mode = "transactional"
	// Autocommit: under golang-migrate's dirty protocol, since it can't be in a transaction of ours.
	Autocommit Mode = "autocommit"
)

// analyze finds out how a script has to be run and refuses what no server could run.
func analyze(script Script) (Script, error) {
	statements := lexer.Statements(script.SQL)
	if err := checkRuns(script, statements); err != nil {
		return Script{}, err
	}
	script.Mode, script.body = Transactional, script.SQL
	inner, wrapped := unwrap(statements)
	if wrapped {
		script.body = blank(script.SQL, statements[0], statements[len(statements)-1])
		statements = inner
	}
	script.statements = len(statements)
	for _, statement := range statements {
		w := words(statement.Text, wordLimit)
		lone := len(statements) == 1 && !wrapped
		script.apart = script.apart || needsAutocommit(w)
		if script.apart || controlsTransaction(w) || lone && mayCommit(statement.Text, w) {
			script.Mode, script.body = Autocommit, script.SQL
		}
		script.leaks = script.leaks || leaks(w)
		script.resetsPath = script.resetsPath || resetsPath(w)
		script.Creates = script.Creates || creates(w)
	}
	return script, nil
}

// checkRuns refuses what is meant for psql, by its name, and a text that has no end.
func checkRuns(script Script, statements []lexer.Statement) error {
	for _, statement := range statements {
		w := words(statement.Text, wordLimit)
		if isCopyFromClient(w) {
			return fmt.Errorf("%s:%d: COPY from the client can't be in a migration; use INSERT: %w", script.Path, statement.Line, tenant.ErrInvalid)
		}
		if command, line := psqlCommand(statement); command != "" {
			return fmt.Errorf("%s:%d: %s is a command of psql, which no server understands; take the line out: %w", script.Path, line, command, tenant.ErrInvalid)
		}
	}
	for token := range lexer.Tokens(script.SQL) {
		if token.Unterminated {
			line := 1 + strings.Count(script.SQL[:token.Pos], "\n")
			return fmt.Errorf("%s:%d: a quote or comment begins here and doesn't end: %w", script.Path, line, tenant.ErrInvalid)
		}
	}
	return nil
}

// psqlCommand finds a backslash outside of quotes, and the line that it stands in.
func psqlCommand(statement lexer.Statement) (command string, line int) {
	for token := range lexer.Tokens(statement.Text) {
		if token.IsSymbol("\\") {
			command, _, _ = strings.Cut(statement.Text[token.Pos:], "\n")
			name, _, _ := strings.Cut(strings.TrimSpace(command), " ")
			return name, statement.Line + strings.Count(statement.Text[:token.Pos], "\n")
		}
	}
	return "", 0
}

// wordLimit is how many tokens of a statement tell what it is.
const wordLimit = 64

// words are the first tokens of a statement in lower case, names and symbols alike.
func words(statement string, limit int) []string {
	var found []string
	for token := range lexer.Tokens(statement) {
		if !token.Significant() {
			continue
		}
		if len(found) == limit {
			break
		}
		if token.Form == lexer.Quoted {
			found = append(found, token.Text) // not a keyword, whatever it holds
			continue
		}
		found = append(found, strings.ToLower(token.Text))
	}
	return found
}

// begins compares the first words with keywords, of which "*" stands for one word of any kind.
func begins(w []string, keywords ...string) bool {
	if len(w) < len(keywords) {
		return false
	}
	for i, keyword := range keywords {
		if keyword != "*" && w[i] != keyword {
			return false
		}
	}
	return true
}

func contains(w []string, keyword string) bool {
	for _, word := range w {
		if word == keyword {
			return true
		}
	}
	return false
}

// unwrap recognizes a script that is BEGIN; ... COMMIT; as a whole, which many golang-migrate files are. Our own transaction
// takes the place of theirs.
func unwrap(statements []lexer.Statement) ([]lexer.Statement, bool) {
	if len(statements) < 2 {
		return statements, false
	}
	last := len(statements) - 1
	first, end := words(statements[0].Text, 3), words(statements[last].Text, 3)
	opens := len(first) == 1 && first[0] == "begin" || len(first) == 2 && (begins(first, "begin", "transaction") || begins(first, "start", "transaction"))
	closes := len(end) <= 2 && (begins(end, "commit") || begins(end, "end")) && (len(end) == 1 || end[1] == "transaction" || end[1] == "work")
	return statements[1:last], opens && closes
}

// blank overwrites statements by spaces, so that all else keeps its place.
func blank(sql string, statements ...lexer.Statement) string {
	body := []byte(sql)
	for _, statement := range statements {
		for i := statement.Pos; i < statement.Pos+len(statement.Text); i++ {
			if body[i] != '\n' {
				body[i] = ' '
			}
		}
	}
	return string(body)
}

func controlsTransaction(w []string) bool {
	for _, keyword := range []string{"begin", "commit", "rollback", "end", "abort"} {
		if begins(w, keyword) {
			return !begins(w, "rollback", "to") && !begins(w, "rollback", "*", "to")
		}
	}
	return begins(w, "start", "transaction") || begins(w, "prepare", "transaction")
}

// mayCommit tells whether a statement that is alone in its message may end transactions from within: a procedure, and a block
// that says so or calls one.
func mayCommit(statement string, w []string) bool {
	if w[0] == "call" {
		return true
	}
	if w[0] != "do" {
		return false
	}
	for token := range lexer.Tokens(statement) {
		if token.Kind != lexer.String {
			continue
		}
		for inner := range lexer.Tokens(token.Value()) {
			if inner.Is("commit") || inner.Is("rollback") || inner.Is("call") {
				return true
			}
		}
	}
	return false
}

// needsAutocommit knows the statements that the server refuses inside a transaction. One that isn't known here is found when
// the server says so.
func needsAutocommit(w []string) bool {
	switch w[0] {
	case "create", "drop", "alter":
		return autocommitObject(w)
	case "reindex":
		return contains(w, "concurrently") || contains(w, "database") || contains(w, "system") || contains(w, "schema")
	case "vacuum":
		return true
	case "cluster": // of all tables
		return len(w) == 1 || len(w) == 2 && w[1] == "verbose"
	case "discard":
		return contains(w, "all")
	}
	return begins(w, "commit", "prepared") || begins(w, "rollback", "prepared")
}

func autocommitObject(w []string) bool {
	switch {
	case begins(w, "create", "index"), begins(w, "create", "unique", "index"), begins(w, "drop", "index"):
		return contains(w, "concurrently")
	case begins(w, "alter", "table"):
		return contains(w, "detach") && contains(w, "concurrently")
	case begins(w, "alter", "database"):
		return contains(w, "tablespace")
	case begins(w, "alter", "subscription"):
		return contains(w, "publication")
	case begins(w, "alter", "system"):
		return true
	}
	return w[0] != "alter" && (begins(w, "*", "database") || begins(w, "*", "tablespace") || begins(w, "*", "subscription"))
}

func isCopyFromClient(w []string) bool {
	return begins(w, "copy") && contains(w, "from") && contains(w, "stdin")
}

// leaks tells whether a statement may do what outlasts the transaction and would reach the next tenant on this connection:
// settings, roles, temporary tables, prepared statements, session locks. A block may do anything.
func leaks(w []string) bool {
	switch w[0] {
	case "set":
		return !begins(w, "set", "local") && !begins(w, "set", "constraints") && !begins(w, "set", "transaction")
	case "reset", "discard", "do", "call", "prepare", "listen", "load":
		return true
	case "create":
		return contains(w, "temp") || contains(w, "temporary") || contains(w, "pg_temp")
	case "select", "with":
		return contains(w, "set_config") || contains(w, "pg_advisory_lock") || contains(w, "into")
	}
	return false
}

// resetsPath knows the ways back to the search path of the session's beginning, which isn't the tenant's.
func resetsPath(w []string) bool {
	switch w[0] {
	case "reset":
		return contains(w, "search_path") || contains(w, "all")
	case "set":
		return contains(w, "search_path") && contains(w, "default")
	}
	return begins(w, "discard", "all")
}

// creates tells whether a statement may make an object that others need privileges on. A block and a function may.
func creates(w []string) bool {
	switch w[0] {
	case "create":
		return !begins(w, "create", "index") && !begins(w, "create", "unique", "index") && !contains(w[:min(len(w), 4)], "trigger")
	case "do", "call", "select", "with", "import":
		return true
	case "alter": // a column may bring its own sequence
		return contains(w, "serial") || contains(w, "bigserial") || contains(w, "smallserial") || contains(w, "identity")
	}
	return false
}
