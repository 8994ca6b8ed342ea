// Package ddl is schema definitions as data: statements cut out of a dump or read from a catalog, and the loader that runs them
// so that each takes effect exactly once, however often the process dies.
package ddl

import (
	"strings"

	"tenantctl/internal/postgres/lexer"
)

// Statement is one definition.
type Statement struct {
	Kind   string `json:"kind"`   // as pg_dump calls it: TABLE, INDEX, FK CONSTRAINT ...
	Schema string `json:"schema"` // "" for objects without one
	Name   string `json:"name"`   // as pg_dump writes it: "orders orders_pkey" for a constraint
	SQL    string `json:"sql"`    // without the semicolon; several statements of one object are separated by one
}

// Object names the statement's object for people: `INDEX tenant_x.orders_at_idx`.
func (s Statement) Object() string {
	if s.Schema == "" {
		return s.Kind + " " + s.Name
	}
	return s.Kind + " " + s.Schema + "." + s.Name
}

// Parse cuts a plain pg_dump script into its entries. Settings and the client's own commands are left out.
func Parse(script string) []Statement {
	var found []Statement
	current := -1 // entry in found that statements belong to
	script = withoutRestrict(script)
	statements := lexer.Statements(script)
	headers := headersOf(script)
	for _, statement := range statements {
		for len(headers) > 0 && headers[0].pos < statement.Pos {
			found = append(found, headers[0].entry)
			current = len(found) - 1
			headers = headers[1:]
		}
		if current < 0 || isSetting(statement.Text) {
			continue
		}
		entry := &found[current]
		if entry.SQL != "" {
			entry.SQL += ";\n"
		}
		entry.SQL += statement.Text
	}
	filled := found[:0]
	for _, entry := range found {
		if entry.SQL != "" {
			filled = append(filled, entry)
		}
	}
	return filled
}

// withoutRestrict blanks psql's \restrict and \unrestrict lines, the first and last of newer dumps.
func withoutRestrict(script string) string {
	for _, command := range []string{`\restrict `, `\unrestrict `} {
		for _, at := range []int{strings.Index(script, "\n"+command), strings.LastIndex(script, "\n"+command)} {
			if at < 0 {
				continue
			}
			end := strings.IndexByte(script[at+1:], '\n')
			if end < 0 {
				end = len(script) - at - 1
			}
			script = script[:at+1] + strings.Repeat(" ", end) + script[at+1+end:]
		}
	}
	return script
}

// isSetting tells the session settings that pg_dump strews between entries.
func isSetting(sql string) bool {
	for token := range lexer.Tokens(sql) {
		if token.Significant() {
			return token.Is("set") || (token.Is("select") && strings.Contains(sql, "set_config('search_path'"))
		}
	}
	return true
}

type header struct {
	pos   int
	entry Statement
}

// headersOf finds the comments "-- Name: n; Type: t; Schema: s; Owner: o" at the top level of a script.
func headersOf(script string) []header {
	var found []header
	for token := range lexer.Tokens(script) {
		if token.Kind != lexer.Comment || !strings.HasPrefix(token.Text, "-- Name: ") {
			continue
		}
		rest := strings.TrimPrefix(token.Text, "-- Name: ")
		rest, _, ok := cutLast(rest, "; Owner: ")
		if !ok {
			continue
		}
		rest, schema, ok := cutLast(rest, "; Schema: ")
		if !ok {
			continue
		}
		name, kind, ok := cutLast(rest, "; Type: ")
		if !ok {
			continue
		}
		if schema == "-" {
			schema = ""
		}
		found = append(found, header{token.Pos, Statement{Kind: kind, Schema: schema, Name: name}})
	}
	return found
}

func cutLast(s, separator string) (before, after string, found bool) {
	at := strings.LastIndex(s, separator)
	if at < 0 {
		return s, "", false
	}
	return s[:at], s[at+len(separator):], true
}
