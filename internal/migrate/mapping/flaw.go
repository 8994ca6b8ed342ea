package mapping

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"tenantctl/internal/postgres/lexer"
)

// explain turns what PostgreSQL says of an expression into words for whoever wrote it. Errors that aren't the expression's
// fault stay as they are. before is how many characters of the statement precede the expression.
func explain(err error, rel relation, sql string, before int) error {
	var pgErr *pgconn.PgError
	if err == nil || !errors.As(err, &pgErr) || !atFault(pgErr.Code) {
		return err
	}
	wrong := &flaw{message: oneRow(pgErr.Message), hint: pgErr.Hint}
	if at := int(pgErr.Position) - before; before > 0 && at > 0 && at <= characters(sql) {
		wrong.position = at
	}
	switch pgErr.Code {
	case "42703":
		unknownColumn(wrong, rel, sql)
	case "42P01":
		wrong.hint = "an expression sees one row of " + rel.shown + " and nothing else"
	case "42803":
		wrong.message, wrong.hint = "has an aggregate function", "an expression sees one row of "+rel.shown
	case "42P20":
		wrong.message, wrong.hint = "has a window function", "an expression sees one row of "+rel.shown
	case "42P17":
		wrong.message = "is not immutable: something besides the row decides its value, such as the time, a setting or another table"
		wrong.hint = "use functions that PostgreSQL calls immutable; for times, name the zone: at time zone 'UTC'"
	}
	return wrong
}

// atFault tells SQLSTATEs that an expression earns: data, syntax, names, types, features, limits.
func atFault(code string) bool {
	for _, class := range []string{"22", "2F", "38", "39", "42", "0A", "54", "P0"} {
		if strings.HasPrefix(code, class) {
			return code != "42501"
		}
	}
	return false
}

// oneRow takes the mechanism by which expressions are checked out of a message.
func oneRow(message string) string {
	for _, mechanism := range []string{"check constraints", "check constraint", "index predicates", "index predicate"} {
		if strings.Contains(message, mechanism) {
			return strings.Replace(message, mechanism, "an expression that sees one row", 1)
		}
	}
	return message
}

var quotedName = regexp.MustCompile(`column (?:"(.*)"|(\S+)) does not exist`)

// unknownColumn names the column that was likely meant.
func unknownColumn(wrong *flaw, rel relation, sql string) {
	name := nameAt(sql, wrong.position)
	if match := quotedName.FindStringSubmatch(wrong.message); name == "" && match != nil {
		name = match[1] + match[2]
	}
	written := make([]string, len(rel.columns))
	for i, column := range rel.columns {
		written[i] = quoteName(column)
	}
	wrong.message = fmt.Sprintf("column %s does not exist in %s%s", quoteName(name), rel.shown, didYouMean(name, written, "columns"))
	wrong.hint = ""
	for _, column := range rel.columns {
		if foldASCII(column) == name && column != name {
			wrong.hint = "names with capitals need double quotes, or PostgreSQL folds them to lower case"
		}
	}
}

// nameAt is the last part of the name that stands at a character of the expression.
func nameAt(sql string, position int) string {
	if position == 0 {
		return ""
	}
	name, dot := "", false
	for token := range lexer.Tokens(sql) {
		at := characters(sql[:token.Pos]) + 1
		switch {
		case at < position:
		case token.Kind == lexer.Identifier && (name == "" || dot):
			name, dot = token.Value(), false
		case token.IsSymbol(".") && name != "":
			dot = true
		case token.Significant():
			return name
		}
	}
	return name
}

// stillNow refuses words like 'today' that PostgreSQL replaces by a date while it compiles: a run tomorrow would differ.
func stillNow(sql, rendered string) error {
	for token := range lexer.Tokens(sql) {
		if token.Kind != lexer.String || strings.Contains(rendered, token.Text) {
			continue
		}
		for _, word := range strings.Fields(strings.ToLower(token.Value())) {
			switch word {
			case "now", "today", "tomorrow", "yesterday":
				return &flaw{
					message:  fmt.Sprintf("has %s, which means another time at each run", token.Text),
					hint:     "write the date itself",
					position: characters(sql[:token.Pos]) + 1,
				}
			}
		}
	}
	return nil
}
