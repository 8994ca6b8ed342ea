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
	return fmt.Sprintf("%s %s: %s", e.Service, where, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// locate finds the failing statement of a script: by the server's position, which counts characters of the whole message
// from 1 and the script's after offset, or else by how many statements of the script had ended before.
func locate(service string, script Script, cause error, offset, ended int) *Error {
	found := &Error{Service: service, File: script.Path, Err: cause}
	statements := lexer.Statements(script.body)
	var pgErr *pgconn.PgError
	if errors.As(cause, &pgErr) && pgErr.Position > 0 && int(pgErr.Position) > offset {
		pos := byteOffset(script.body, int(pgErr.Position)-offset-1)
		found.Line = 1 + strings.Count(script.body[:pos], "\n")
		for _, statement := range statements {
			if statement.Pos <= pos {
				found.Statement = statement.Text
			}
		}
		return found
	}
	if pgErr != nil && ended >= 0 && ended < len(statements) {
		found.Line, found.Statement = statements[ended].Line, statements[ended].Text
	}
	return found
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
