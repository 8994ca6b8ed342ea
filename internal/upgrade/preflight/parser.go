package preflight

import "tenantctl/internal/postgres/lexer"

// parser reads the tokens of one statement, or of a piece of it. Blanks and comments aren't among them.
type parser struct {
	sql    string
	tokens []lexer.Token
	at     int
}

func parse(sql string) *parser {
	p := &parser{sql: sql}
	for token := range lexer.Tokens(sql) {
		if token.Significant() {
			p.tokens = append(p.tokens, token)
		}
	}
	return p
}

// copy reads the same without moving p on.
func (p *parser) copy() *parser {
	c := *p
	return &c
}

func (p *parser) ended() bool { return p.at == len(p.tokens) }

func (p *parser) peek() lexer.Token {
	if p.ended() {
		return lexer.Token{}
	}
	return p.tokens[p.at]
}

// words takes the keywords if all of them follow, and nothing otherwise.
func (p *parser) words(keywords ...string) bool {
	if p.at+len(keywords) > len(p.tokens) {
		return false
	}
	for i, keyword := range keywords {
		if !p.tokens[p.at+i].Is(keyword) {
			return false
		}
	}
	p.at += len(keywords)
	return true
}

func (p *parser) symbol(symbol string) bool {
	if !p.peek().IsSymbol(symbol) {
		return false
	}
	p.at++
	return true
}

func (p *parser) name() (string, bool) {
	if p.peek().Kind != lexer.Identifier {
		return "", false
	}
	p.at++
	return p.tokens[p.at-1].Value(), true
}

// tableName is a table as a file names it. Without a schema it is found along the search path.
type tableName struct {
	schema, name string
}

func (p *parser) table() (tableName, bool) {
	first, ok := p.name()
	if !ok || !p.symbol(".") {
		return tableName{name: first}, ok
	}
	second, ok := p.name()
	return tableName{schema: first, name: second}, ok && !p.peek().IsSymbol(".")
}

// group takes what stands in parentheses, as tokens without them.
func (p *parser) group() (*parser, bool) {
	if !p.peek().IsSymbol("(") {
		return nil, false
	}
	depth := 0
	for i := p.at; i < len(p.tokens); i++ {
		depth += nesting(p.tokens[i])
		if depth == 0 {
			inner := p.piece(p.at+1, i)
			p.at = i + 1
			return inner, true
		}
	}
	return nil, false
}

func nesting(token lexer.Token) int {
	switch {
	case token.IsSymbol("("), token.IsSymbol("["):
		return 1
	case token.IsSymbol(")"), token.IsSymbol("]"):
		return -1
	}
	return 0
}

func (p *parser) piece(from, to int) *parser { return &parser{sql: p.sql, tokens: p.tokens[from:to]} }

// until takes what comes before the first of some keywords that stands outside parentheses, or all that is left.
func (p *parser) until(keywords ...string) *parser {
	depth, begin := 0, p.at
	for ; p.at < len(p.tokens); p.at++ {
		if depth == 0 && isOne(p.tokens[p.at], keywords) {
			break
		}
		depth += nesting(p.tokens[p.at])
	}
	return p.piece(begin, p.at)
}

func isOne(token lexer.Token, keywords []string) bool {
	for _, keyword := range keywords {
		if token.Is(keyword) {
			return true
		}
	}
	return false
}

// holds tells whether keywords follow each other anywhere outside parentheses in what is left.
func (p *parser) holds(keywords ...string) bool {
	depth := 0
	for i := p.at; i < len(p.tokens); i++ {
		rest := parser{tokens: p.tokens, at: i}
		if depth == 0 && rest.words(keywords...) {
			return true
		}
		depth += nesting(p.tokens[i])
	}
	return false
}

// list divides what is left at the commas outside parentheses.
func (p *parser) list() []*parser {
	var parts []*parser
	depth, begin := 0, p.at
	for i := p.at; i < len(p.tokens); i++ {
		if depth == 0 && p.tokens[i].IsSymbol(",") {
			parts = append(parts, p.piece(begin, i))
			begin = i + 1
		}
		depth += nesting(p.tokens[i])
	}
	return append(parts, p.piece(begin, len(p.tokens)))
}

// columns takes a list of names in parentheses.
func (p *parser) columns() ([]string, bool) {
	inner, ok := p.group()
	if !ok {
		return nil, false
	}
	var names []string
	for _, part := range inner.list() {
		name, ok := part.name()
		if !ok || !part.ended() {
			return nil, false
		}
		names = append(names, name)
	}
	return names, true
}

// text is what is left as it stands in the file, comments included; "" where it could break out of the place it is put in.
func (p *parser) text() string {
	if p.ended() {
		return ""
	}
	depth := 0
	for _, token := range p.tokens[p.at:] {
		depth += nesting(token)
		if depth < 0 || token.IsSymbol(";") || token.Unterminated || token.Kind == lexer.Parameter {
			return ""
		}
	}
	if depth != 0 {
		return ""
	}
	return p.sql[p.tokens[p.at].Pos:p.tokens[len(p.tokens)-1].End()]
}

// identifiers are the values of all names and keywords of a statement.
func (p *parser) identifiers() map[string]bool {
	found := map[string]bool{}
	for _, token := range p.tokens {
		if token.Kind == lexer.Identifier {
			found[token.Value()] = true
		}
	}
	return found
}

// calls are the names before an opening parenthesis: functions, and whatever else looks like one.
func (p *parser) calls() []string {
	var names []string
	for i := p.at; i+1 < len(p.tokens); i++ {
		if p.tokens[i].Kind == lexer.Identifier && p.tokens[i+1].IsSymbol("(") {
			names = append(names, p.tokens[i].Value())
		}
	}
	return names
}
