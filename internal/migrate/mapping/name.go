package mapping

import (
	"errors"
	"fmt"
	"strings"

	"tenantctl/internal/postgres/lexer"
)

// Name is a table as a mapping names it, by SQL's rules: names without quotes are folded to lower case.
type Name struct {
	Schema string // "": the first schema of the legacy search path that has it
	Name   string
}

// ParseName reads orders, public."Orders" or "Odd Schema".t.
func ParseName(text string) (Name, error) {
	parts, err := splitName(text)
	switch {
	case err != nil:
		return Name{}, err
	case len(parts) == 1:
		return Name{Name: parts[0]}, nil
	case len(parts) == 2:
		return Name{Schema: parts[0], Name: parts[1]}, nil
	}
	return Name{}, fmt.Errorf("%s has %d parts; a table is named by schema.table or table", text, len(parts))
}

// String is the name as people write it in SQL.
func (n Name) String() string {
	if n.Schema == "" {
		return quoteName(n.Name)
	}
	return quoteName(n.Schema) + "." + quoteName(n.Name)
}

// splitName takes a qualified name apart.
func splitName(text string) ([]string, error) {
	var parts []string
	dot := true // a dot, or the beginning, came last
	for token := range lexer.Tokens(strings.TrimSpace(text)) {
		switch {
		case token.Unterminated:
			return nil, fmt.Errorf("%s has a quote that isn't closed", text)
		case token.Kind == lexer.Identifier && dot && token.Value() != "":
			parts = append(parts, token.Value())
			dot = false
		case token.IsSymbol(".") && !dot:
			dot = true
		default:
			return nil, notAName(text)
		}
	}
	if dot {
		return nil, notAName(text)
	}
	return parts, nil
}

func notAName(text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("a name is missing")
	}
	return fmt.Errorf(`%s is not a name; names with blanks, signs or capitals need double quotes: public."Odd Name"`, text)
}

// oneName reads a name that has one part.
func oneName(text string) (string, error) {
	parts, err := splitName(text)
	if err != nil {
		return "", err
	}
	if len(parts) > 1 {
		return "", fmt.Errorf("%s has %d parts where a single name belongs", text, len(parts))
	}
	return parts[0], nil
}

// reservedWords are PostgreSQL's keywords that can't be a column's name without quotes.
const reservedWords = " all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate" + //nolint:misspell // PostgreSQL spells it so
	" collation column concurrently constraint create cross current_catalog current_date current_role current_schema" +
	" current_time current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign" +
	" freeze from full grant group having ilike in initially inner intersect into is isnull join lateral leading left like" +
	" limit localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing primary" +
	" references returning right select session_user similar some symmetric system_user table tablesample then to trailing" +
	" true union unique user using variadic verbose when where window with "

func isReserved(word string) bool { return strings.Contains(reservedWords, " "+word+" ") }

// quoteName quotes a name where SQL needs it.
func quoteName(name string) string {
	if isPlainName(name) && !isReserved(name) {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

func isPlainName(name string) bool {
	for i, c := range name {
		letter := c == '_' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
