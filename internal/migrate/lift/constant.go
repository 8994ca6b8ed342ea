package lift

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
	"tenantctl/internal/postgres/lexer"
)

// constant rewrites a string that is a name, or SQL that names something; end is the last token of it, since a name may be put together
// from several. What is data stays, and where it can't be told the move is refused.
func (r *rewriter) constant(c *code, i int) (end int, with string, ok bool) {
	end, value, split := r.folded(c, i)
	if !r.mentionsSchema(value) {
		return 0, "", false
	}
	reader := reader{program: r.program, names: r.names, trigger: strings.HasPrefix(r.object, "TRIGGER "), seen: map[string]bool{}}
	u := reader.of(c, i, end)
	if u == asPath {
		return r.pathText(end, value)
	}
	rewrites, findings := len(r.rewrites), len(r.findings)
	changed := r.renamed(value, u == asName || isStatement(value))
	if changed == value {
		r.pattern(value, u)
		return 0, "", false
	}
	if u == asName || (u == unclear && isStatement(value)) {
		if len(r.rewrites) == rewrites {
			r.note(postgres.Literal(value), postgres.Literal(changed))
		}
		if split {
			return end, postgres.Literal(changed), true
		}
		return end, requote(c.at(i), changed), true
	}
	r.rewrites, r.findings = r.rewrites[:rewrites], r.findings[:findings]
	r.left(postgres.Literal(value), u)
	return 0, "", false
}

// pathText rewrites a search path held as text, or a part of one: 'audit, ' || x.
func (r *rewriter) pathText(end int, value string) (int, string, bool) {
	with, ok := r.searchPath(significant(value))
	if !ok {
		return 0, "", false
	}
	trimmed := strings.TrimSpace(value)
	if strings.HasPrefix(trimmed, ",") {
		with = ", " + with
	}
	if strings.HasSuffix(trimmed, ",") {
		with += ", "
	}
	r.note(postgres.Literal(value), with)
	return end, postgres.Literal(with), true
}

// left says why a text that could be a name stays as it is.
func (r *rewriter) left(text string, u use) {
	switch {
	case u == asData:
		r.find(inspect.Note, "text-data", fmt.Sprintf("holds the text %s, which is data here and stays", text), "")
	case u == asOutput:
		r.warn("text-output", fmt.Sprintf("gives out the text %s, which names a schema; it stays as it is", text), "look at what the application does with it")
	case u == ambiguous:
		r.refuse("text-ambiguous", fmt.Sprintf("uses the text %s as a name and as data, so that neither changing nor keeping it is right", text), hintAmbiguous)
	case r.resolves:
		r.refuse("text-unclear", fmt.Sprintf("holds the text %s, and whether that is a name or data can't be told", text), hintAmbiguous)
	default:
		r.warn("text-schema-name", fmt.Sprintf("holds the text %s, which could name a schema; it was left as data", text), "")
	}
}

const hintAmbiguous = "where the schema is meant write current_schema(), or leave it out (the search path finds the name)"

// renamed is a text with the names of the tenant's schemas: of a schema alone, of a list of them in braces, or of SQL.
func (r *rewriter) renamed(value string, isSQL bool) string {
	if target, legacy := r.renaming.Schemas[value]; legacy {
		return target
	}
	if tokens := significant(value); len(tokens) == 1 && tokens[0].Form == lexer.Quoted {
		if target, legacy := r.renaming.Schemas[tokens[0].Value()]; legacy {
			return postgres.Ident(target)
		}
	}
	if inner, ok := strings.CutPrefix(value, "{"); ok && strings.HasSuffix(inner, "}") {
		elements := strings.Split(strings.TrimSuffix(inner, "}"), ",")
		for i, element := range elements {
			if target, legacy := r.renaming.Schemas[strings.TrimSpace(element)]; legacy {
				elements[i] = target
			}
		}
		return "{" + strings.Join(elements, ",") + "}"
	}
	level := depthWords
	if isSQL {
		level = depthString
	}
	return r.text(value, level)
}

// pattern refuses a text that is matched against names of schemas and isn't one itself: ^(public|audit)$.
func (r *rewriter) pattern(value string, u use) {
	if u != asName || isStatement(value) {
		return
	}
	for _, schema := range sortedKeys(r.renaming.Schemas) {
		if regexp.MustCompile(`(?i)(^|[\^(|%,]\s*)` + regexp.QuoteMeta(schema) + `(\s*[$)|%,]|$)`).MatchString(value) {
			r.refuse("text-pattern", fmt.Sprintf("compares names with the pattern %s, which has the name of schema %s in it", postgres.Literal(value), schema), hintAmbiguous)
			return
		}
	}
}

// folded is the constant at i, or the whole of several in a row ('pub' || 'lic') where only together they name a schema.
func (r *rewriter) folded(c *code, i int) (end int, value string, split bool) {
	value, end = c.at(i).Value(), i
	var seams []int
	for {
		next := end
		for c.symbol(next+1, "::") && c.is(next+2, "text") {
			next += 2
		}
		if !c.symbol(next+1, "||") || c.at(next+2).Kind != lexer.String {
			break
		}
		end = next + 2
		seams = append(seams, len(value))
		value += c.at(end).Value()
	}
	for _, schema := range sortedKeys(r.renaming.Schemas) {
		for _, at := range wordsIn(value, schema) {
			reach := at + len(schema)
			alone := (at == 0 || slices.Contains(seams, at)) && slices.Contains(seams, reach)
			if strings.HasPrefix(strings.TrimPrefix(value[reach:], `"`), ".") && !alone {
				reach += strings.Index(value[reach:], ".") + 1 // the dot may stand in the next piece
			}
			if slices.ContainsFunc(seams, func(seam int) bool { return at < seam && seam < reach }) {
				return end, value, true
			}
		}
	}
	return i, c.at(i).Value(), false
}

// wordsIn are the offsets of a word in a text, where it isn't part of a longer one.
func wordsIn(text, word string) (offsets []int) {
	for _, at := range regexp.MustCompile(`(?i)`+regexp.QuoteMeta(word)).FindAllStringIndex(text, -1) {
		if !isWordByte(text, at[0]-1) && !isWordByte(text, at[1]) {
			offsets = append(offsets, at[0])
		}
	}
	return offsets
}

func isWordByte(text string, i int) bool {
	return i >= 0 && i < len(text) && (text[i] == '_' || text[i] >= 0x80 || strings.IndexByte("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", text[i]) >= 0)
}

// shortestPiece is the least that counts as a piece of a name.
const shortestPiece = 2

// pieces refuses a routine that has both halves of a schema's name as constants, apart from one another, and could join them.
func (r *rewriter) pieces() {
	if r.routine == nil || r.routine.body == nil || !r.resolves {
		return
	}
	var values []string
	for i := 0; i < len(r.routine.body.tokens); i++ {
		if r.routine.body.at(i).Kind == lexer.String {
			end, value, split := r.folded(r.routine.body, i)
			if i = end; !split {
				values = append(values, value)
			}
		}
	}
	for _, schema := range sortedKeys(r.renaming.Schemas) {
		for cut := shortestPiece; cut <= len(schema)-shortestPiece; cut++ {
			rest := func(value string) bool { return value == schema[cut:] || strings.HasPrefix(value, schema[cut:]+".") }
			if slices.Contains(values, schema[:cut]) && slices.ContainsFunc(values, rest) {
				r.refuse("text-pieces", fmt.Sprintf("seems to put the name of schema %s together from %q and %q", schema, schema[:cut], schema[cut:]), hintAmbiguous)
			}
		}
	}
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

// isStatement tells a string that begins as a statement does from one that holds anything else.
func isStatement(text string) bool {
	tokens := significant(text)
	for len(tokens) > 0 && tokens[0].IsSymbol("(") {
		tokens = tokens[1:]
	}
	if len(tokens) < 2 || tokens[1].Kind == lexer.Symbol && !tokens[1].IsSymbol("*") && !tokens[1].IsSymbol("(") {
		return false
	}
	return slices.ContainsFunc([]string{
		"select", "insert", "update", "delete", "with", "merge", "create", "alter", "drop", "truncate", "lock", "refresh", "copy", "grant", "revoke",
		"analyze", "vacuum", "cluster", "reindex", "notify", "declare", "begin", "do", "perform",
	}, tokens[0].Is)
}
