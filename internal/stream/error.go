package stream

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"

	"tenantctl/internal/postgres/lexer"
)

// Error is a migration that the server declined. It unwraps to the server's own *pgconn.PgError.
type Error struct {
	Service   string
	File      string
	Line      int    // where the failing statement, or the exact place where the server names one, lies in the file; 0 unknown
	Statement string // the failing statement; "" unknown
	Err       error
}

func (e *Error) Error() string {
	where := e.File
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	text := fmt.Sprintf("%s %s: %s", e.Service, where, answer(e.Err))
	if e.Statement != "" {
		text += "; statement: " + excerpt(e.Statement)
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// answer is all that the server says of an error.
func answer(err error) string {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return err.Error()
	}
	text := fmt.Sprintf("%s (SQLSTATE %s)", pgErr.Message, pgErr.Code)
	for _, more := range []struct{ name, text string }{{"detail", pgErr.Detail}, {"hint", pgErr.Hint}, {"context", pgErr.Where}} {
		if more.text != "" {
			text += "; " + more.name + ": " + oneLine(more.text)
		}
	}
	return text
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// excerptLength is how many characters of a statement are shown.
const excerptLength = 160

func excerpt(statement string) string {
	text := oneLine(statement)
	if utf8.RuneCountInString(text) <= excerptLength {
		return text
	}
	return text[:byteOffset(text, excerptLength-1)] + "…"
}

// locate finds the failing statement of a script: by the server's position, which counts characters of the whole message
// from 1 and the script's after offset, or else by how many statements of the script had ended before. An error that isn't the
// server's has no place.
func locate(service string, script Script, cause error, offset, ended int) *Error {
	found := &Error{Service: service, File: script.Path, Err: cause}
	var pgErr *pgconn.PgError
	if !errors.As(cause, &pgErr) {
		return found
	}
	statements := lexer.Statements(script.body)
	if int(pgErr.Position) > max(offset, 0) {
		pos := byteOffset(script.body, int(pgErr.Position)-offset-1)
		found.Line = 1 + strings.Count(script.body[:pos], "\n")
		for _, statement := range statements {
			if statement.Pos <= pos {
				found.Statement = statement.Text
			}
		}
	} else if ended >= 0 && ended < len(statements) {
		found.Line, found.Statement = statements[ended].Line, statements[ended].Text
	}
	return found
}

// neverBegan tells of a statement that was declined as a whole: it is wrong in itself, names what isn't there, or isn't allowed.
func neverBegan(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Where == "" && (strings.HasPrefix(pgErr.Code, "42") || pgErr.Code == "3F000")
}

// raced tells that two sessions made or changed the same thing of the whole database, an extension or a role, at once. PostgreSQL
// lets the second one fail on its catalog, although it would find nothing to do a moment later.
func raced(err error) bool {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return false
	}
	return pgErr.Code == "23505" && pgErr.SchemaName == "pg_catalog" ||
		pgErr.Code == "XX000" && strings.HasPrefix(pgErr.Message, "tuple concurrently ")
}

// byteOffset is where the character with an index begins.
func byteOffset(s string, characters int) int {
	pos := 0
	for ; characters > 0 && pos < len(s); characters-- {
		_, size := utf8.DecodeRuneInString(s[pos:])
		pos += size
	}
	return pos
}
