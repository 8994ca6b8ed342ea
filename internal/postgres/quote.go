package postgres

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// Ident quotes an identifier, qualified by as many parts as are given: Ident("s", "t") is "s"."t".
func Ident(parts ...string) string { return pgx.Identifier(parts).Sanitize() }

// Literal quotes a string constant for the places that take no parameter (DDL, SET). It is right under
// either setting of standard_conforming_strings.
func Literal(s string) string {
	s = strings.ReplaceAll(s, "\x00", "")
	quoted := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return " E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}
