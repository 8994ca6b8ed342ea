package postgres

import (
	"net/url"
	"regexp"
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

var passwordWord = regexp.MustCompile(`(?i)(password\s*=\s*)('(?:[^'\\]|\\.)*'|\S+)`)

// MaskDSN is a connection string with its password replaced by ***; one that can't be read is masked whole.
func MaskDSN(dsn string) string {
	if strings.Contains(dsn, "://") {
		u, err := url.Parse(dsn)
		if err != nil {
			return "***"
		}
		if _, has := u.User.Password(); has {
			u.User = url.UserPassword(u.User.Username(), "xxMASKxx")
		}
		query := u.Query()
		if query.Has("password") {
			query.Set("password", "xxMASKxx")
			u.RawQuery = query.Encode()
		}
		return strings.ReplaceAll(u.String(), "xxMASKxx", "***")
	}
	return passwordWord.ReplaceAllString(dsn, "${1}***")
}
