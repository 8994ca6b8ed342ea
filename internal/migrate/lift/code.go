package lift

import (
	"slices"
	"strings"

	"tenantctl/internal/migrate/ddl"
	"tenantctl/internal/postgres/lexer"
)

// code is a text in SQL or PL/pgSQL, cut into tokens, in which names and constants are looked at where they stand. It knows no grammar,
// only brackets, operands and the words that begin clauses.
type code struct {
	tokens  []lexer.Token
	partner []int // of a bracket: the index of its other half; -1 elsewhere
	outer   []int // the index of the bracket that a token lies in; -1 at the top
	declare []bool
	routine *routine // whose body this is; nil: a definition, or text within a string
	heading bool     // the definition of a routine, with its parameters
}

// routine is a function or procedure of the legacy database.
type routine struct {
	name       string
	parameters []string // "" where one has no name
	definition *code
	body       *code // nil where its language isn't SQL or PL/pgSQL, or its body was parsed already
}

func newCode(sql string) *code {
	c := &code{tokens: significant(sql)}
	c.partner, c.outer, c.declare = make([]int, len(c.tokens)), make([]int, len(c.tokens)), make([]bool, len(c.tokens))
	var open []int
	declaring := false
	for i, token := range c.tokens {
		c.partner[i], c.outer[i] = -1, -1
		if (token.IsSymbol(")") || token.IsSymbol("]")) && len(open) > 0 {
			last := open[len(open)-1]
			c.partner[i], c.partner[last] = last, i
			open = open[:len(open)-1]
		}
		if len(open) > 0 {
			c.outer[i] = open[len(open)-1]
		}
		if token.IsSymbol("(") || token.IsSymbol("[") {
			open = append(open, i)
		}
		declaring = (declaring || token.Is("declare")) && !token.Is("begin")
		c.declare[i] = declaring
	}
	return c
}

// at is the token at a position, and an empty one beyond both ends.
func (c *code) at(i int) lexer.Token {
	if i < 0 || i >= len(c.tokens) {
		return lexer.Token{}
	}
	return c.tokens[i]
}

// is tells whether the token at a position is one of these keywords.
func (c *code) is(i int, words ...string) bool {
	return slices.ContainsFunc(words, c.at(i).Is)
}

func (c *code) symbol(i int, symbols ...string) bool {
	return slices.ContainsFunc(symbols, c.at(i).IsSymbol)
}

// operator tells a symbol that takes an operand on each side.
func (c *code) operator(i int) bool {
	return c.at(i).Kind == lexer.Symbol && !c.symbol(i, "(", ")", "[", "]", ",", ";", "::", ".", ":=", "=>", ":", "%", "$", "||")
}

// back walks over whole bracketed groups to the left of i, at the same depth, until stop says so; -1 where it never does.
func (c *code) back(i int, stop func(int) bool) int {
	for i--; i >= 0; i-- {
		if c.symbol(i, ")", "]") && c.partner[i] >= 0 {
			i = c.partner[i]
			continue
		}
		if c.symbol(i, "(", "[") {
			return -1
		}
		if stop(i) {
			return i
		}
	}
	return -1
}

// statement is the index of the first token of the statement that i stands in.
func (c *code) statement(i int) int {
	for i > 0 && !c.symbol(i-1, ";", ">>") && !c.is(i-1, "begin", "declare", "loop", "then", "else") {
		i--
	}
	return i
}

// statementEnd is the last token of the statement, or of its head, that i stands in.
func (c *code) statementEnd(i int) int {
	for i+1 < len(c.tokens) && !c.symbol(i+1, ";") && !c.is(i+1, "loop", "begin") {
		i++
	}
	return i
}

// path is the first token of a name that ends at i: a.b.c.
func (c *code) path(i int) int {
	for c.symbol(i-1, ".") {
		i -= 2
	}
	return i
}

// operandStart is the first token of the operand that ends at i.
func (c *code) operandStart(i int) int {
	switch {
	case c.symbol(i, ")", "]") && c.partner[i] >= 0:
		i = c.partner[i]
		if c.symbol(i, "[") || (c.at(i-1).Kind == lexer.Identifier && !c.is(i-1, "in", "and", "or", "not", "select", "where", "when", "then", "else", "values", "return", "on")) {
			return c.operandStart(i - 1)
		}
	case c.is(i, "end"):
		if begin := c.caseOf(i); begin >= 0 {
			i = begin
		}
	case c.at(i).Kind == lexer.Identifier:
		i = c.path(i)
	}
	for _, words := range []int{1, 2} { // the name of a type may be two words
		if c.symbol(i-words, "::") {
			return c.operandStart(i - words - 1)
		}
	}
	return max(i, 0)
}

// operandEnd is the last token of the operand that begins at i.
func (c *code) operandEnd(i int) int {
	switch {
	case c.symbol(i, "(") && c.partner[i] >= 0:
		i = c.partner[i]
	case c.is(i, "case"):
		if end := c.endOf(i); end >= 0 {
			i = end
		}
	}
	for {
		switch {
		case c.symbol(i+1, ".", "::") && i+2 < len(c.tokens):
			i += 2
		case c.symbol(i+1, "(", "[") && c.partner[i+1] >= 0 && (c.at(i).Kind == lexer.Identifier || c.symbol(i, "]", ")")):
			i = c.partner[i+1]
		default:
			return min(i, len(c.tokens)-1)
		}
	}
}

// caseOf is the CASE that an END ends, endOf the END of a CASE, and enclosingCase the CASE that a token stands in; -1: none.
func (c *code) caseOf(end int) int {
	depth := 0
	return c.back(end+1, func(i int) bool {
		switch {
		case c.is(i, "end"):
			depth++
		case c.is(i, "case"):
			depth--
		}
		return depth == 0
	})
}

func (c *code) endOf(begin int) int {
	depth := 0
	for i := begin; i < len(c.tokens); i++ {
		switch {
		case c.is(i, "case"):
			depth++
		case c.is(i, "end"):
			depth--
		}
		if depth == 0 {
			return i
		}
	}
	return -1
}

func (c *code) enclosingCase(i int) int {
	depth := 0
	return c.back(i, func(i int) bool {
		switch {
		case c.is(i, "end"):
			depth++
		case c.is(i, "case"):
			depth--
		}
		return depth < 0
	})
}

// arguments are the spans between the commas of a bracketed list.
func (c *code) arguments(open int) (spans [][2]int) {
	from := open + 1
	for i := open + 1; i < len(c.tokens) && i <= c.partner[open]; i++ {
		if c.outer[i] == open && c.symbol(i, ",") || i == c.partner[open] {
			if i > from {
				spans = append(spans, [2]int{from, i - 1})
			}
			from = i + 1
		}
	}
	return spans
}

// readRoutine reads a routine from its definition as pg_dump writes it.
func readRoutine(s ddl.Statement) *routine {
	d := newCode(s.SQL)
	d.heading = true
	open := slices.IndexFunc(d.tokens, func(t lexer.Token) bool { return t.IsSymbol("(") })
	if open < 0 {
		return nil
	}
	r := &routine{name: nameAfter(d.tokens, open-1), definition: d}
	for _, span := range d.arguments(open) {
		from := span[0]
		if d.is(from, "in", "out", "inout", "variadic") {
			from++
		}
		name := ""
		if d.at(from).Kind == lexer.Identifier && d.at(from+1).Kind == lexer.Identifier && !d.is(from+1, "default") && from < span[1] {
			name = d.at(from).Value()
		}
		r.parameters = append(r.parameters, name)
	}
	if language := languageOf(s.SQL); language == "sql" || language == "plpgsql" {
		for i := d.partner[open] + 1; i > 0 && i < len(d.tokens); i++ {
			if d.is(i-1, "as") && d.at(i).Kind == lexer.String {
				r.body = newCode(d.at(i).Value())
				r.body.routine = r
			}
		}
	}
	return r
}

// program is all routines, by name.
type program map[string][]*routine

func readProgram(statements []ddl.Statement) program {
	p := program{}
	for _, s := range statements {
		if s.Kind == "FUNCTION" || s.Kind == "PROCEDURE" {
			if r := readRoutine(s); r != nil {
				p[r.name] = append(p[r.name], r)
			}
		}
	}
	return p
}

// lower is the text of a span, folded, for looking into.
func (c *code) lower(from, to int) string {
	var b strings.Builder
	for i := max(from, 0); i <= to && i < len(c.tokens); i++ {
		b.WriteString(strings.ToLower(c.tokens[i].Text))
		b.WriteByte(' ')
	}
	return b.String()
}
