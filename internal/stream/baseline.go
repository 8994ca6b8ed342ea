package stream

import (
	"context"
	"fmt"

	"tenantctl/internal/postgres"
	"tenantctl/internal/postgres/lexer"
)

// BaselineSQL is for a schema that others made: it says that the schema stands at a version though no file was run in it. It
// makes the version table and its row, where there is none, as the role that is to own them.
func (s *Stream) BaselineSQL(schema string, version uint64) []string {
	table := postgres.Ident(schema, s.Table())
	return []string{
		createTable(table),
		fmt.Sprintf("insert into %s (version, dirty) select %d, false where not exists (select from %s)", table, version, table),
	}
}

// Trace is what there is in a schema of what a statement does.
type Trace struct {
	File string
	Line int
	// Statement is how it begins.
	Statement string
	// Found tells whether what it makes, or drops, is there; nil where that can't be told by a name.
	Found *bool
}

func (t Trace) String() string {
	found := "can't be told by a name"
	switch {
	case t.Found != nil && *t.Found:
		found = "is there"
	case t.Found != nil:
		found = "isn't there"
	}
	return fmt.Sprintf("%s:%d: %s: %s", t.File, t.Line, t.Statement, found)
}

const shownWords = 6

// Traces looks for what a version's way up does, statement by statement: what a person looks at whose schema is dirty.
func (s *Stream) Traces(ctx context.Context, db postgres.Querier, schema string, version uint64) ([]Trace, error) {
	file, err := s.File(version)
	if err != nil {
		return nil, err
	}
	statements := file.Up.Statements()
	traces := make([]Trace, 0, len(statements))
	for _, statement := range statements {
		trace := Trace{File: file.Up.Path, Line: statement.Line, Statement: beginning(statement.Text)}
		if kind, name := subject(statement.Text); kind != "" {
			var found bool
			if err := db.QueryRow(ctx, lookups()[kind], append([]any{schema}, name...)...).Scan(&found); err != nil {
				return nil, fmt.Errorf("look for what %s makes: %w", file.Up.Path, err)
			}
			trace.Found = &found
		}
		traces = append(traces, trace)
	}
	return traces, nil
}

// beginning is a statement's first words in one line.
func beginning(statement string) string {
	text, n, last := "", 0, -1
	for token := range lexer.Tokens(statement) {
		if !token.Significant() {
			continue
		}
		if n++; n > shownWords {
			return text + " …"
		}
		if last >= 0 && last < token.Pos {
			text += " "
		}
		text, last = text+token.Text, token.End()
	}
	return text
}

// lookups ask by schema and name whether something is there.
func lookups() map[string]string {
	const inSchema = " = (select oid from pg_namespace where nspname = $1) and "
	return map[string]string{
		"relation":   `select exists (select from pg_class where relnamespace` + inSchema + `relname = $2)`,
		"type":       `select exists (select from pg_type where typnamespace` + inSchema + `typname = $2)`,
		"routine":    `select exists (select from pg_proc where pronamespace` + inSchema + `proname = $2)`,
		"trigger":    `select exists (select from pg_trigger t join pg_class c on c.oid = t.tgrelid where relnamespace` + inSchema + `tgname = $2)`,
		"column":     `select exists (select from pg_attribute a join pg_class c on c.oid = a.attrelid where relnamespace` + inSchema + `relname = $2 and attname = $3 and not attisdropped)`,
		"constraint": `select exists (select from pg_constraint k join pg_class c on c.oid = k.conrelid where relnamespace` + inSchema + `relname = $2 and conname = $3)`,
	}
}

// subject is what a statement makes or drops, as far as its first words name it.
func subject(statement string) (kind string, name []any) {
	var tokens []lexer.Token
	for token := range lexer.Tokens(statement) {
		if token.Significant() {
			tokens = append(tokens, token)
		}
	}
	if len(tokens) == 0 {
		return "", nil
	}
	verb, rest := tokens[0], skip(tokens[1:], "or", "replace", "unique", "unlogged", "materialized", "recursive")
	if len(rest) == 0 {
		return "", nil
	}
	kinds := map[string]string{
		"table": "relation", "view": "relation", "sequence": "relation", "index": "relation", "type": "type", "domain": "type",
		"function": "routine", "procedure": "routine", "trigger": "trigger",
	}
	for word, of := range kinds {
		if !rest[0].Is(word) {
			continue
		}
		object, after := named(skip(rest[1:], "concurrently", "if", "not", "exists", "only"))
		switch {
		case object == "":
		case verb.Is("create") || verb.Is("drop"):
			return of, []any{object}
		case verb.Is("alter") && word == "table":
			return added(object, after)
		}
	}
	return "", nil
}

// added is what ALTER TABLE adds first, or drops.
func added(table string, tokens []lexer.Token) (kind string, name []any) {
	if len(tokens) == 0 || !tokens[0].Is("add") && !tokens[0].Is("drop") {
		return "", nil
	}
	kind, tokens = "column", tokens[1:]
	if rest := after(tokens, "constraint"); rest != nil {
		kind, tokens = "constraint", rest
	}
	part, _ := named(skip(tokens, "column", "if", "not", "exists"))
	for _, keyword := range []string{"check", "unique", "primary", "foreign", "exclude"} { // a constraint without a name
		if part == keyword {
			return "", nil
		}
	}
	if part == "" {
		return "", nil
	}
	return kind, []any{table, part}
}

// skip passes over keywords.
func skip(tokens []lexer.Token, keywords ...string) []lexer.Token {
	for i, token := range tokens {
		passed := false
		for _, keyword := range keywords {
			passed = passed || token.Is(keyword)
		}
		if !passed {
			return tokens[i:]
		}
	}
	return nil
}

// named reads a name, and passes over the schema before it.
func named(tokens []lexer.Token) (name string, rest []lexer.Token) {
	for len(tokens) > 0 && tokens[0].Kind == lexer.Identifier {
		name, rest = tokens[0].Value(), tokens[1:]
		if len(rest) < 2 || !rest[0].IsSymbol(".") {
			return name, rest
		}
		tokens = rest[1:]
	}
	return name, rest
}
