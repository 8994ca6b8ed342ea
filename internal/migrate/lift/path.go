package lift

import (
	"slices"
	"strings"

	"tenantctl/internal/postgres"
	"tenantctl/internal/postgres/lexer"
)

// beginsPath tells the first element of SET [LOCAL|SESSION] search_path TO|= a, b.
func beginsPath(tokens []lexer.Token, i int) bool {
	return i >= 3 && tokens[i-2].Is("search_path") && (tokens[i-1].IsSymbol("=") || tokens[i-1].Is("to")) &&
		(tokens[i-3].Is("set") || tokens[i-3].Is("local") || tokens[i-3].Is("session")) && isElement(tokens[i])
}

func isElement(token lexer.Token) bool {
	return token.Kind == lexer.String || token.Kind == lexer.Identifier
}

// pathEnd is the index behind the last element of a path that begins at i.
func pathEnd(tokens []lexer.Token, i int) int {
	end := i + 1
	for end+1 < len(tokens) && tokens[end].IsSymbol(",") && isElement(tokens[end+1]) {
		end += 2
	}
	return end
}

// searchPath rewrites the elements of a search path. public stands for the tenant's schema and the extensions', and a schema that
// held extensions for where those are now.
func (r *rewriter) searchPath(tokens []lexer.Token) (string, bool) {
	var elements []string
	add := func(element string) {
		if !slices.Contains(elements, element) {
			elements = append(elements, element)
		}
	}
	changed, extensions := false, false
	for _, token := range tokens {
		if !isElement(token) {
			continue
		}
		quote := ident
		if token.Kind == lexer.String {
			quote = postgres.Literal
		}
		name := token.Value()
		target, carried := r.renaming.Schemas[name]
		switch {
		case carried:
			add(quote(target))
			changed = true
			extensions = extensions || name == "public" || r.names.holdsExtension(name)
		case r.names.schemas[name]:
			changed, extensions = true, true
		default:
			add(token.Text)
		}
	}
	if extensions {
		quote := ident
		if tokens[0].Kind == lexer.String {
			quote = postgres.Literal
		}
		for _, schema := range r.renaming.extensionSchemas() {
			add(quote(schema))
		}
	}
	return strings.Join(elements, ", "), changed
}

// requote writes changed text with the quotes that it had.
func requote(token lexer.Token, text string) string {
	switch token.Form {
	case lexer.Dollar:
		quote := "$" + token.Tag() + "$"
		return quote + text + quote
	case lexer.Plain:
		return "'" + strings.ReplaceAll(text, "'", "''") + "'"
	}
	return "E'" + strings.ReplaceAll(strings.ReplaceAll(text, `\`, `\\`), "'", "''") + "'"
}
