package stream

import (
	"strings"
	"unicode/utf8"

	"tenantctl/internal/postgres/lexer"
)

// What follows is for whoever runs a script as Apply would, and takes it back.

// Statements are those of a script as Apply runs them: without a BEGIN and COMMIT around the whole. Their lines are the file's.
func (s Script) Statements() []lexer.Statement { return lexer.Statements(s.body) }

// Leaves tells whether the script may do what outlasts its transaction: settings, temporary tables, session locks.
func (s Script) Leaves() bool { return s.leaks }

// Located gives file, line and statement to an error that the server gave when it was sent one statement alone, by its index.
func (s Script) Located(service string, i int, cause error) *Error {
	return locate(service, s, cause, -utf8.RuneCountInString(s.body[:s.Statements()[i].Pos]), i)
}

// Settings is the SQL that Apply sends ahead of a script within its transaction.
func (t Target) Settings(s Script) string { return strings.Join(localSettings(t, s.statements), "; ") }

// Locks are the advisory locks that whoever migrates a schema of a database holds, golang-migrate included.
func (s *Stream) Locks(database, schema string) ([]string, error) {
	return lockIDs(database, schema, s.Table())
}
