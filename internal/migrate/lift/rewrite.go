package lift

import (
	"fmt"
	"regexp"
	"slices"
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
	path     []string // schemas that the legacy application finds without naming them
	program  program

	rewrites []Rewrite
	findings []inspect.Finding
	object   string   // what is being rewritten
	routine  *routine // that is being rewritten; nil: something else
	resolves bool     // it could use a text as a name: it runs statements held as text, or asks the catalog
}

// resolving are the words without which a routine or a view has no way of making a name of a text, other than its callers'.
var resolving = regexp.MustCompile(`\b(execute|format|quote_ident|dblink\w*|query_to_xml\w*|to_reg\w+|nextval|currval|setval|set_config|nspname|schemaname|\w+_schema|regclass|regnamespace|regproc|regprocedure|regtype)\b`)

// statement rewrites the text references of one definition. Names outside of strings are PostgreSQL's own work already.
func (r *rewriter) statement(s ddl.Statement) ddl.Statement {
	if s.Kind == "COMMENT" || s.Kind == "TYPE" { // prose, and labels of enums
		return s
	}
	r.object, r.routine, r.resolves = s.Object(), nil, true
	switch s.Kind {
	case "FUNCTION", "PROCEDURE":
		if language := languageOf(s.SQL); language != "sql" && language != "plpgsql" {
			r.foreignBody(s, language)
			return s
		}
		r.routine = readRoutine(s)
		r.resolves = r.routine != nil && r.routine.body != nil && resolving.MatchString(r.routine.body.lower(0, len(r.routine.body.tokens)))
		r.pieces()
		r.makesObjects()
	case "VIEW", "MATERIALIZED VIEW", "RULE":
		r.resolves = resolving.MatchString(strings.ToLower(s.SQL))
	}
	r.asksWhere(s.SQL)
	s.SQL = r.text(s.SQL, depthDefinition)
	return s
}

// asksWhere names what asks for the database or the role that it runs in or as: both are others after the move.
func (r *rewriter) asksWhere(sql string) {
	read := []*code{newCode(sql)}
	if r.routine != nil && r.routine.body != nil {
		read = append(read, r.routine.body)
	}
	for _, c := range read {
		for i, token := range c.tokens {
			what := ""
			switch {
			case c.symbol(i-1, "."):
			case c.is(i, "current_database", "current_catalog"):
				what = "the name of the shared database, no longer the client's own"
			case c.is(i, "current_user", "current_role", "session_user"):
				what = "a role of the platform, whose name no client's application used"
			}
			if what != "" {
				r.warn("asks-where", fmt.Sprintf("asks for %s: after the move that is %s", strings.ToLower(token.Text), what), "")
			}
		}
	}
}

var (
	makes     = regexp.MustCompile(`\b(create|alter|drop) +(or +replace +)?(unlogged +|unique +|materialized +|foreign +)*(table|index|view|sequence|function|procedure|trigger|schema|type|domain|rule|policy)\b`)
	temporary = regexp.MustCompile(`\bcreate +(temp|temporary) +`)
)

// makesObjects names a routine that makes or changes tables and the like while it runs. Where it makes temporary ones it is let be.
func (r *rewriter) makesObjects() {
	if r.routine == nil || r.routine.body == nil {
		return
	}
	body, heading := r.routine.body, r.routine.definition
	text := strings.Join(strings.Fields(body.lower(0, len(body.tokens))), " ")
	definer := slices.ContainsFunc(heading.tokens, func(t lexer.Token) bool { return t.Is("definer") })
	if makes.MatchString(text) && !temporary.MatchString(text) && !definer {
		r.warn("makes-objects", "makes, changes or drops tables or the like when it runs, which the tenant's role isn't allowed to",
			"make it SECURITY DEFINER, so that it runs as the role that owns the tenant's tables")
	}
}

// depth tells how deep in quotes a piece of SQL lies: names at the top of a definition were renamed by PostgreSQL.
type depth int

const (
	depthDefinition depth = iota
	depthBody             // the body of a routine
	depthString           // SQL in a string
	depthWords            // a string that may hold anything: only what the legacy database has counts as a name
)

// text rewrites SQL text: names qualified by a legacy schema (below the definition's own level) and the strings in it.
func (r *rewriter) text(sql string, level depth) string {
	var out strings.Builder
	c := newCode(sql)
	c.heading = level == depthDefinition && r.routine != nil
	if level == depthBody {
		c.routine = r.routine
	}
	kept := 0
	replace := func(from, to int, with string) {
		out.WriteString(sql[kept:c.at(from).Pos] + with)
		kept = c.at(to).End()
	}
	for i := 0; i < len(c.tokens); i++ {
		token := c.at(i)
		switch {
		case token.Kind == lexer.String && (token.Form == lexer.Bit || token.Form == lexer.Hex):
		case beginsPath(c.tokens, i):
			end := pathEnd(c.tokens, i)
			if with, ok := r.searchPath(c.tokens[i:end]); ok {
				r.note(sql[token.Pos:c.at(end-1).End()], with)
				replace(i, end-1, with)
			}
			i = end - 1
		case token.Kind == lexer.String && c.heading && c.is(i-1, "as"):
			if changed := r.text(token.Value(), depthBody); changed != token.Value() {
				replace(i, i, requote(token, changed))
			}
		case token.Kind == lexer.String && level != depthWords:
			if end, with, ok := r.constant(c, i); ok {
				replace(i, end, with)
				i = end
			}
		case level != depthDefinition && token.Kind == lexer.Identifier && c.namesSchema(i):
			if target, carried := r.renaming.Schemas[token.Value()]; carried {
				r.note(token.Text, ident(target))
				replace(i, i, ident(target))
			}
		case level != depthDefinition && token.Kind == lexer.Identifier:
			if end, with, ok := r.qualifier(c, i, level); ok {
				replace(i, end, with)
				i = end
			}
		}
	}
	out.WriteString(sql[kept:])
	return out.String()
}

// namesSchema tells a schema that a command names as one: in schema public, create schema if not exists audit.
func (c *code) namesSchema(i int) bool {
	for c.is(i-1, "if", "not", "exists") {
		i--
	}
	return c.is(i-1, "schema") && !c.symbol(i+1, ".") && !c.symbol(i-2, ".") && c.is(i-2, "in", "set", "create", "drop", "alter", "on", "foreign")
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

// qualifier rewrites "s" of "s.name" where s is a legacy schema; end is the last token that is replaced. Any name counts in SQL, and so
// does nothing at all, as in 'create table public.' || name; elsewhere only one that lies in the schema.
func (r *rewriter) qualifier(c *code, i int, level depth) (end int, with string, ok bool) {
	if !c.symbol(i+1, ".") || c.symbol(i-1, ".") {
		return 0, "", false
	}
	schema := c.at(i).Value()
	target, carried := r.renaming.Schemas[schema]
	if !carried && !r.names.schemas[schema] {
		return 0, "", false
	}
	if i+2 >= len(c.tokens) {
		if !carried {
			return 0, "", false
		}
		r.note(c.at(i).Text+".", ident(target)+".")
		return i, ident(target), true
	}
	name := nameAfter(c.tokens, i+2)
	if isOperator := c.is(i-2, "operator"); c.at(i+2).Kind == lexer.Symbol && !isOperator {
		name = "" // a place that format() fills, not an operator
	}
	owners, relation := r.owners(c, i, schema, name)
	if level != depthWords {
		switch c.placeOf(i, relation) {
		case ofField:
			return 0, "", false
		case doubtful:
			r.refuse("text-alias", fmt.Sprintf("says %s.%s, and has %s as a word of its own as well as the name of a schema: which one is meant can't be told", schema, name, schema),
				"give the variable, alias or column there another name")
			return 0, "", false
		}
	}
	switch {
	case owners.own && owners.extension != "":
		return r.overloaded(c, i, schema, name)
	case owners.extension != "":
		target = r.renaming.Extensions[owners.extension]
	case !carried || (!owners.own && name != "" && level == depthWords):
		return 0, "", false
	case !owners.own && name != "":
		r.warn("text-dangling", fmt.Sprintf("names %s.%s, which the legacy database doesn't have either; it now names %s.%s", schema, name, target, name), "")
	}
	r.note(c.at(i).Text+"."+name, ident(target)+"."+name)
	return i, ident(target), true
}

// owners tells whose a name is. Where it is called, a function's or operator's name goes first, elsewhere any other.
func (r *rewriter) owners(c *code, i int, schema, name string) (found owners, relation bool) {
	other, called := r.names.objects[qualified{schema, name, false}], r.names.objects[qualified{schema, name, true}]
	calls := (c.symbol(i+3, "(") && !c.relationAt(i)) || c.is(i-2, "operator")
	if (calls && called.there()) || !other.there() {
		return called, other.there()
	}
	return other, true
}

// overloaded deals with a name that functions of the client's and of an extension's share: one reference means the tenant's schema, the
// next one the extensions'. Without its schema it finds both, as it did, where the search path leads to them.
func (r *rewriter) overloaded(c *code, i int, schema, name string) (end int, with string, ok bool) {
	if c.is(i-2, "operator") || !c.symbol(i+3, "(") || !r.onPath(schema) || r.elsewhere(schema, name) {
		r.refuse("text-overload", fmt.Sprintf("names %s.%s, which both the client and an extension have there; after the move they are in two schemas, and which one is meant depends on the arguments", schema, name),
			"leave the schema out (the search path finds both), or give the client's another name")
		return 0, "", false
	}
	r.note(schema+"."+name, name)
	return i + 1, "", true
}

// onPath tells that what is being rewritten finds the names of a schema without it.
func (r *rewriter) onPath(schema string) bool {
	if r.routine == nil {
		return slices.Contains(r.path, schema)
	}
	if body := r.routine.body; body != nil && strings.Contains(body.lower(0, len(body.tokens)), "search_path") {
		return false // it changes the path itself
	}
	d := r.routine.definition
	for i := range d.tokens {
		if beginsPath(d.tokens, i) {
			return slices.ContainsFunc(d.tokens[i:pathEnd(d.tokens, i)], func(t lexer.Token) bool { return t.Value() == schema || t.Value() == r.renaming.Schemas[schema] })
		}
	}
	return slices.Contains(r.path, schema)
}

// elsewhere tells that another schema has a function of the same name.
func (r *rewriter) elsewhere(schema, name string) bool {
	for object := range r.names.objects {
		if object.called && object.name == name && object.schema != schema {
			return true
		}
	}
	return false
}

// nameAfter is the name at a position, or the operator there.
func nameAfter(tokens []lexer.Token, i int) string {
	switch {
	case i < 0 || i >= len(tokens):
		return ""
	case tokens[i].Kind == lexer.Identifier:
		return tokens[i].Value()
	}
	return tokens[i].Text
}

func (r *rewriter) note(from, to string) {
	r.rewrites = append(r.rewrites, Rewrite{Object: r.object, From: from, To: to})
}

func (r *rewriter) refuse(code, message, hint string) { r.find(inspect.Refusal, code, message, hint) }

func (r *rewriter) warn(code, message, hint string) { r.find(inspect.Warning, code, message, hint) }

func (r *rewriter) find(severity inspect.Severity, code, message, hint string) {
	finding := inspect.Finding{Severity: severity, Code: code, Object: r.object, Message: message, Hint: hint}
	if !slices.Contains(r.findings, finding) {
		r.findings = append(r.findings, finding)
	}
}

// foreignBody looks at a routine in a language that isn't SQL: its text isn't ours to rewrite.
func (r *rewriter) foreignBody(s ddl.Statement, language string) {
	for _, schema := range sortedKeys(r.renaming.Schemas) {
		if strings.Contains(s.SQL, schema+".") && strings.Contains(bodyOf(s.SQL), schema+".") {
			r.refuse("text-language", fmt.Sprintf("its %s body names schema %s as text, which can't be rewritten safely", language, schema),
				"leave the schema out of the body (the search path finds the name), or leave the function behind")
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
