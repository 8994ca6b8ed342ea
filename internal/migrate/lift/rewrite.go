package lift

import (
	"fmt"
	"regexp"
	"strings"

	"tenantctl/internal/migrate/ddl"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
	"tenantctl/internal/postgres/lexer"
)

// Rewrite is one reference held as text that PostgreSQL could not rename, and what it became.
type Rewrite struct {
	Object string `json:"object"`
	From   string `json:"from"`
	To     string `json:"to"`
}

// rewriter changes schema names within text: function bodies, string constants, settings of functions.
type rewriter struct {
	names    *names // of the legacy database
	renaming Renaming

	rewrites []Rewrite
	findings []inspect.Finding
	object   string // what is being rewritten
}

// statement rewrites the text references of one definition. Names outside of strings are PostgreSQL's own work already.
func (r *rewriter) statement(s ddl.Statement) ddl.Statement {
	if s.Kind == "COMMENT" || s.Kind == "TYPE" { // prose, and labels of enums
		return s
	}
	r.object = s.Object()
	routine := s.Kind == "FUNCTION" || s.Kind == "PROCEDURE"
	if routine {
		if language := languageOf(s.SQL); language != "sql" && language != "plpgsql" {
			r.foreignBody(s, language)
			return s
		}
	}
	s.SQL = r.text(s.SQL, depthDefinition)
	return s
}

// depth tells how deep in quotes a piece of SQL lies: names at the top of a definition were renamed by PostgreSQL.
type depth int

const (
	depthDefinition depth = iota
	depthBody             // SQL in a body or a string
	depthWords            // a string that may hold anything: only what the legacy database has counts as a name
)

// text rewrites SQL text: names qualified by a legacy schema (below the definition's own level) and the strings in it.
func (r *rewriter) text(sql string, level depth) string {
	var out strings.Builder
	tokens := significant(sql)
	kept := 0
	replace := func(token lexer.Token, with string) {
		out.WriteString(sql[kept:token.Pos])
		out.WriteString(with)
		kept = token.End()
	}
	for i := 0; i < len(tokens); i++ {
		token := tokens[i]
		switch {
		case token.Kind == lexer.String && (token.Form == lexer.Bit || token.Form == lexer.Hex):
		case beginsPath(tokens, i):
			end := pathEnd(tokens, i)
			if with, ok := r.path(tokens[i:end]); ok {
				r.note(sql[token.Pos:tokens[end-1].End()], with)
				out.WriteString(sql[kept:token.Pos] + with)
				kept = tokens[end-1].End()
			}
			i = end - 1
		case token.Kind == lexer.String && isPathArgument(tokens, i):
			if with, ok := r.path(significant(token.Value())); ok {
				r.note(token.Text, with)
				replace(token, postgres.Literal(with))
			}
		case token.Kind == lexer.String:
			if with, ok := r.literal(sql, tokens, i); ok {
				replace(token, with)
			}
		case level != depthDefinition && token.Kind == lexer.Identifier:
			if with, ok := r.qualifier(tokens, i, level); ok {
				replace(token, with)
			}
		}
	}
	out.WriteString(sql[kept:])
	return out.String()
}

func significant(sql string) []lexer.Token {
	var tokens []lexer.Token
	for token := range lexer.Tokens(sql) {
		if token.Significant() {
			tokens = append(tokens, token)
		}
	}
	return tokens
}

// literal rewrites a string that names a schema or holds SQL that does.
func (r *rewriter) literal(sql string, tokens []lexer.Token, i int) (string, bool) {
	token := tokens[i]
	value := token.Value()
	if _, legacy := r.renaming.Schemas[value]; legacy {
		return r.schemaName(token, value, r.codeOf() && talksOfSchemas(sql, tokens, i))
	}
	// In a definition that holds values, a name counts where it is a function's argument, as in nextval('public.s'::text).
	argument := i > 0 && (tokens[i-1].IsSymbol("(") || strings.HasPrefix(r.object, "TRIGGER "))
	if !r.mentionsSchema(value) || (!r.codeOf() && !argument) {
		return "", false
	}
	level := depthWords
	if isBody := token.Form == lexer.Dollar && r.codeOf(); isBody || readsAsSQL(value) {
		level = depthBody
	}
	changed := r.text(value, level)
	if changed == value {
		return "", false
	}
	return requote(token, changed), true
}

// codeOf tells definitions that hold statements from those that hold values.
func (r *rewriter) codeOf() bool {
	for _, kind := range []string{"FUNCTION", "PROCEDURE", "VIEW", "MATERIALIZED VIEW", "RULE"} {
		if strings.HasPrefix(r.object, kind+" ") {
			return true
		}
	}
	return false
}

// schemaName decides about a string that is a schema's name and nothing else: it is rewritten where its statement talks
// of schemas, and left and reported where it may be plain data.
func (r *rewriter) schemaName(token lexer.Token, value string, talk bool) (string, bool) {
	if talk {
		with := postgres.Literal(r.renaming.Schemas[value])
		r.note(token.Text, with)
		return with, true
	}
	if r.codeOf() {
		r.findings = append(r.findings, inspect.Finding{
			Severity: inspect.Warning, Code: "text-schema-name", Object: r.object,
			Message: fmt.Sprintf("holds the text %s, which is also the name of a schema; it was left as data", token.Text),
		})
	}
	return "", false
}

// qualifier rewrites "s" of "s.name" where s is a legacy schema and name lies in it. Any name behind "public." counts, and
// so does nothing at all, as in 'create table public.' || name: public is no name of a variable.
func (r *rewriter) qualifier(tokens []lexer.Token, i int, level depth) (string, bool) {
	if i+1 >= len(tokens) || !tokens[i+1].IsSymbol(".") || (i > 0 && tokens[i-1].IsSymbol(".")) {
		return "", false
	}
	schema := tokens[i].Value()
	target, carried := r.renaming.Schemas[schema]
	if !carried && !r.names.schemas[schema] {
		return "", false
	}
	if i+2 >= len(tokens) {
		if !carried {
			return "", false
		}
		r.note(tokens[i].Text+".", ident(target)+".")
		return ident(target), true
	}
	name := nameAfter(tokens, i+2)
	extension, known := r.names.objects[qualified{schema, name}]
	if isOperator := i > 1 && tokens[i-2].Is("operator"); tokens[i+2].Kind == lexer.Symbol && !isOperator {
		extension, known = "", false // a place that format() fills, not an operator
		name = ""
	}
	switch {
	case known && extension != "":
		target = r.renaming.Extensions[extension]
	case !carried || (!known && name != "" && (schema != "public" || level == depthWords)):
		return "", false
	case !known && name != "":
		r.findings = append(r.findings, inspect.Finding{
			Severity: inspect.Warning, Code: "text-dangling", Object: r.object,
			Message: fmt.Sprintf("names %s.%s, which the legacy database doesn't have either; it now names %s.%s", schema, name, target, name),
		})
	}
	r.note(tokens[i].Text+"."+name, ident(target)+"."+name)
	return ident(target), true
}

// nameAfter is the name at a position, or the operator there.
func nameAfter(tokens []lexer.Token, i int) string {
	if tokens[i].Kind == lexer.Identifier {
		return tokens[i].Value()
	}
	return tokens[i].Text
}

func (r *rewriter) note(from, to string) {
	r.rewrites = append(r.rewrites, Rewrite{Object: r.object, From: from, To: to})
}

// mentionsSchema is a cheap test for text that may name a legacy schema.
func (r *rewriter) mentionsSchema(text string) bool {
	folded := strings.ToLower(text)
	for schema := range r.names.schemas {
		if strings.Contains(folded, strings.ToLower(schema)) {
			return true
		}
	}
	return false
}

// foreignBody looks at a routine in a language that isn't SQL: its text isn't ours to rewrite.
func (r *rewriter) foreignBody(s ddl.Statement, language string) {
	for schema := range r.renaming.Schemas {
		if strings.Contains(s.SQL, schema+".") && strings.Contains(bodyOf(s.SQL), schema+".") {
			r.findings = append(r.findings, inspect.Finding{
				Severity: inspect.Refusal, Code: "text-language", Object: r.object,
				Message: fmt.Sprintf("its %s body names schema %s as text, which can't be rewritten safely", language, schema),
				Hint:    "leave the schema out of the body (the search path finds the name), or leave the function behind",
			})
		}
	}
}

// plainName is a name that needs no quotes. Names of tenants' schemas are no keywords: they begin as the pattern says.
var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// ident quotes a name where it must be, as PostgreSQL writes it.
func ident(name string) string {
	if plainName.MatchString(name) {
		return name
	}
	return postgres.Ident(name)
}

func bodyOf(sql string) string {
	for token := range lexer.Tokens(sql) {
		if token.Kind == lexer.String && token.Form == lexer.Dollar {
			return token.Value()
		}
	}
	return ""
}

// languageOf reads LANGUAGE name from a routine's definition as pg_dump writes it.
func languageOf(sql string) string {
	tokens := significant(sql)
	for i := 0; i+1 < len(tokens); i++ {
		if tokens[i].Is("language") {
			return strings.ToLower(tokens[i+1].Value())
		}
	}
	return ""
}

// readsAsSQL tells a string that holds a statement from one that holds anything else.
func readsAsSQL(text string) bool {
	for _, token := range significant(text) {
		for _, word := range []string{"select", "insert", "update", "delete", "from", "into", "table", "call", "execute", "perform", "refresh", "begin", "view", "function", "sequence"} {
			if token.Is(word) {
				return true
			}
		}
	}
	return false
}

// schemaWords are what a statement says when a string equal to a schema's name means the schema.
var schemaWords = []string{ //nolint:gochecknoglobals // a constant list
	"%i", "quote_ident", "nspname", "_schema", "schemaname", "schema_name", "regnamespace", "search_path",
}

// talksOfSchemas tells whether the statement around a token, from semicolon to semicolon, talks of schemas.
func talksOfSchemas(sql string, tokens []lexer.Token, i int) bool {
	from, to := 0, len(sql)
	for at, token := range tokens {
		switch {
		case !token.IsSymbol(";"):
		case at < i:
			from = token.End()
		case at > i && token.Pos < to:
			to = token.Pos
		}
	}
	folded := strings.ToLower(sql[from:to])
	for _, word := range schemaWords {
		if strings.Contains(folded, word) {
			return true
		}
	}
	return false
}
