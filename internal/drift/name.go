package drift

import (
	"strings"

	"tenantctl/internal/postgres"
	"tenantctl/internal/postgres/lexer"
)

// own stands for the schema's own name in what is compared and shown.
const own = "{schema}"

// hide puts own in place of a schema's name, as it stands and as the server quotes it.
func hide(text, schema string) string {
	text = strings.ReplaceAll(text, postgres.Ident(schema), own)
	if !strings.Contains(text, schema) {
		return text
	}
	var out strings.Builder
	from := 0
	for {
		i := strings.Index(text[from:], schema)
		if i < 0 {
			out.WriteString(text[from:])
			return out.String()
		}
		start, end := from+i, from+i+len(schema)
		out.WriteString(text[from:start])
		if (start == 0 || !inName(text[start-1])) && (end == len(text) || !inName(text[end])) {
			out.WriteString(own)
		} else {
			out.WriteString(schema)
		}
		from = end
	}
}

func inName(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// as is a text of the reference, in which own stands for the schema, as hiding leaves it of one schema. They are the same unless
// the schema has the name of something in it: in `orders.orders` hiding hides too much.
func as(text, schema string) string {
	return hide(strings.ReplaceAll(text, own, schema), schema)
}

// alike compares a text of the reference with one of a schema.
func alike(want, have, schema string) bool {
	hidden := hide(have, schema)
	return want == hidden || as(want, schema) == hidden
}

// render turns a definition of the reference's schema into one of another: its name is random, so that it can stand for nothing
// else.
func render(definition, reference, schema string) string {
	var out strings.Builder
	for token := range lexer.Tokens(definition) {
		switch {
		case !strings.Contains(token.Text, reference):
			out.WriteString(token.Text)
		case token.Kind == lexer.Identifier && token.Value() == reference:
			out.WriteString(postgres.Ident(schema))
		case token.Kind == lexer.String && token.Value() == reference:
			out.WriteString(postgres.Literal(schema))
		default: // qualifies names within a string or a body
			out.WriteString(strings.ReplaceAll(token.Text, reference+".", postgres.Ident(schema)+"."))
		}
	}
	return out.String()
}
