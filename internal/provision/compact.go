package provision

import (
	"slices"
	"strings"

	"tenantctl/internal/postgres/lexer"
)

// compact says in fewer statements what a dump says: keys and identities become part of CREATE TABLE, constraints added to one
// table one after the other are added together, a view is made once instead of being a placeholder first, and a sequence that
// stands at its beginning isn't set there. A table that is altered costs the server about as much as one that is made. Whoever
// uses the result proves it against the dump.
func compact(statements []string) []string {
	c := compactor{statements: slices.Clone(statements), tables: map[string]int{}}
	c.findTables()
	for i := range c.statements {
		c.fold(i)
	}
	c.settleViews()
	c.join()
	return slices.DeleteFunc(c.statements, func(s string) bool { return s == "" })
}

type compactor struct {
	statements []string       // "" where it went into another
	tables     map[string]int // where each plain table is made
}

// tokensOf are the significant tokens of a statement.
func tokensOf(statement string) []lexer.Token {
	var tokens []lexer.Token
	for token := range lexer.Tokens(statement) {
		if token.Significant() {
			tokens = append(tokens, token)
		}
	}
	return tokens
}

// skip returns what follows the keywords, nil if others stand there. "*" stands for any token.
func skip(tokens []lexer.Token, keywords ...string) []lexer.Token {
	for _, keyword := range keywords {
		if len(tokens) == 0 || keyword != "*" && !tokens[0].Is(keyword) && !tokens[0].IsSymbol(keyword) {
			return nil
		}
		tokens = tokens[1:]
	}
	return tokens
}

// qualified reads schema.name and returns it as it stands.
func qualified(tokens []lexer.Token) (name string, rest []lexer.Token) {
	if len(tokens) < 3 || tokens[0].Kind != lexer.Identifier || !tokens[1].IsSymbol(".") || tokens[2].Kind != lexer.Identifier {
		return "", nil
	}
	return tokens[0].Text + "." + tokens[2].Text, tokens[3:]
}

// findTables notes where tables are made whose keys may move: not those that are, or have, partitions, whose indexes depend on
// the order in which things are attached.
func (c *compactor) findTables() {
	for i, statement := range c.statements {
		tokens := tokensOf(statement)
		if name, rest := qualified(skip(tokens, "create", "table")); name != "" && skip(rest, "(") != nil {
			if end := closing(rest); end > 0 && !slices.ContainsFunc(rest[end:], func(t lexer.Token) bool { return t.Is("partition") }) {
				c.tables[name] = i
			}
		}
	}
	for _, statement := range c.statements {
		if at := strings.Index(statement, " ATTACH PARTITION "); at > 0 {
			if name, _ := qualified(tokensOf(statement[at+len(" ATTACH PARTITION "):])); name != "" {
				delete(c.tables, name)
			}
		}
	}
}

// closing is the index of the parenthesis that closes the one that tokens begin with, 0 if there is none.
func closing(tokens []lexer.Token) int {
	depth := 0
	for i, token := range tokens {
		switch {
		case token.IsSymbol("("):
			depth++
		case token.IsSymbol(")"):
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return 0
}

// fold puts a key or an identity into the statement that makes its table, and drops what changes nothing.
func (c *compactor) fold(i int) {
	statement := c.statements[i]
	if strings.HasPrefix(statement, "SELECT pg_catalog.setval(") && strings.HasSuffix(statement, ", 1, false)") {
		c.statements[i] = ""
		return
	}
	rest := skip(tokensOf(statement), "alter", "table")
	if only := skip(rest, "only"); only != nil {
		rest = only
	}
	name, rest := qualified(rest)
	at, known := c.tables[name]
	if !known || len(rest) == 0 {
		return
	}
	if key := skip(rest, "add", "constraint", "*"); skip(key, "primary", "key") != nil || skip(key, "unique") != nil {
		c.statements[at] = withConstraint(c.statements[at], strings.TrimSpace(statement[rest[1].Pos:]))
		c.statements[i] = ""
		return
	}
	if identity := skip(rest, "alter", "column", "*", "add"); skip(identity, "generated") != nil {
		if made, ok := withColumn(c.statements[at], rest[2].Text, statement[identity[0].Pos:]); ok {
			c.statements[at], c.statements[i] = made, ""
		}
	}
}

// withConstraint adds a constraint at the end of a table's list of columns.
func withConstraint(create, constraint string) string {
	_, rest := qualified(skip(tokensOf(create), "create", "table"))
	end := closing(rest)
	separator := ",\n    "
	if end == 1 {
		separator = ""
	}
	at := rest[end].Pos
	return strings.TrimRight(create[:at], " \n") + separator + constraint + "\n" + create[at:]
}

// withColumn adds a clause at the end of a column's definition.
func withColumn(create, column, clause string) (string, bool) {
	_, rest := qualified(skip(tokensOf(create), "create", "table"))
	depth, starts, inside := 0, true, false
	for i, token := range rest {
		if inside && depth == 1 && (token.IsSymbol(",") || token.IsSymbol(")")) {
			end := rest[i-1].End()
			return create[:end] + " " + clause + create[end:], true
		}
		inside = inside || depth == 1 && starts && token.Text == column
		starts = depth == 1 && token.IsSymbol(",") || depth == 0 && token.IsSymbol("(")
		switch {
		case token.IsSymbol("("):
			depth++
		case token.IsSymbol(")"):
			depth--
		}
	}
	return "", false
}

// settleViews undoes the placeholders by which pg_dump breaks cycles, where only comments lie between a placeholder and the
// view itself.
func (c *compactor) settleViews() {
	for i, statement := range c.statements {
		rest := skip(tokensOf(statement), "create", "or", "replace", "view")
		name, _ := qualified(rest)
		if name == "" {
			continue
		}
		placeholder := slices.IndexFunc(c.statements[:i], func(s string) bool {
			made, _ := qualified(skip(tokensOf(s), "create", "view"))
			return made == name
		})
		if placeholder < 0 {
			continue
		}
		var comments []string
		var from []int
		mentioned := false
		for j := placeholder + 1; j < i; j++ {
			switch {
			case !strings.Contains(c.statements[j], name):
			case skip(tokensOf(c.statements[j]), "comment", "on") != nil:
				comments, from = append(comments, c.statements[j]), append(from, j)
			default:
				mentioned = true
			}
		}
		if mentioned {
			continue
		}
		for _, j := range append(from, placeholder) {
			c.statements[j] = ""
		}
		c.statements[i] = strings.Join(append([]string{statement}, comments...), ";\n")
	}
}

// join adds constraints together that are added to one table by statements that follow each other.
func (c *compactor) join() {
	before, target := -1, ""
	for i, statement := range c.statements {
		if statement == "" {
			continue
		}
		name, rest := qualified(skip(tokensOf(statement), "alter", "table", "only"))
		if name == "" || skip(rest, "add", "constraint") == nil {
			before, target = -1, ""
			continue
		}
		if before >= 0 && name == target {
			c.statements[before] += ",\n    " + statement[rest[0].Pos:]
			c.statements[i] = ""
			continue
		}
		before, target = i, name
	}
}
