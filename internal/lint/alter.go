package lint

import (
	"sort"
	"strings"

	"tenantctl/internal/lint/parse"
	"tenantctl/internal/postgres/lexer"
)

// alteration is one action of ALTER TABLE, with its text.
type alteration struct {
	*parse.AlterTableCmd
	table parse.RangeVar
	head  string // alter table orders
	text  string // add column paid boolean
	pos   int    // of text, in the script
}

// statement is the action as a statement of its own.
func (a alteration) statement(text string) string { return a.head + " " + text + ";" }

// alterations takes ALTER TABLE apart: PostgreSQL's tree says what the actions are, their texts lie between the commas.
func alterations(s *parse.Statement) []alteration {
	alter := s.AlterTableStmt
	if alter == nil || alter.Type != "OBJECT_TABLE" {
		return nil
	}
	head, parts := splitAlter(s.Text)
	if len(parts) != len(alter.Commands) {
		return nil // can't be: the grammar knows no other commas
	}
	var all []alteration
	for i, node := range alter.Commands {
		if node.AlterTableCmd != nil {
			all = append(all, alteration{AlterTableCmd: node.AlterTableCmd, table: alter.Relation, head: head, text: parts[i].text, pos: s.Pos + parts[i].pos})
		}
	}
	return all
}

type piece struct {
	text string
	pos  int
}

// splitAlter finds the head of ALTER TABLE and what the commas outside of parentheses divide.
func splitAlter(sql string) (head string, parts []piece) {
	tokens := significant(sql)
	i := 2
	if i < len(tokens) && tokens[i].Is("if") {
		i += 2
	}
	if i < len(tokens) && tokens[i].Is("only") {
		i++
	}
	for i++; i+1 < len(tokens) && tokens[i].IsSymbol("."); {
		i += 2
	}
	if i < len(tokens) && tokens[i].IsSymbol("*") {
		i++
	}
	if i >= len(tokens) {
		return sql, nil
	}
	begin, depth := i, 0
	cut := func(end int) {
		if end > begin {
			parts = append(parts, piece{sql[tokens[begin].Pos:tokens[end-1].End()], tokens[begin].Pos})
		}
	}
	for j := i; j < len(tokens); j++ {
		switch {
		case tokens[j].IsSymbol("(") || tokens[j].IsSymbol("["):
			depth++
		case tokens[j].IsSymbol(")") || tokens[j].IsSymbol("]"):
			depth--
		case tokens[j].IsSymbol(",") && depth == 0:
			cut(j)
			begin = j + 1
		}
	}
	cut(len(tokens))
	return strings.TrimSpace(sql[:tokens[i].Pos]), parts
}

// significant are the tokens without blanks and comments.
func significant(sql string) []lexer.Token {
	var tokens []lexer.Token
	for token := range lexer.Tokens(sql) {
		if token.Significant() {
			tokens = append(tokens, token)
		}
	}
	return tokens
}

// insertAfter puts text behind the first token that is the keyword.
func insertAfter(sql, keyword, text string) string {
	for token := range lexer.Tokens(sql) {
		if token.Is(keyword) {
			return sql[:token.End()] + text + sql[token.End():]
		}
	}
	return sql
}

// drop takes a sequence of keywords out.
func drop(sql string, keywords ...string) string {
	tokens := significant(sql)
	for i := 0; i+len(keywords) <= len(tokens); i++ {
		same := true
		for j, keyword := range keywords {
			same = same && tokens[i+j].Is(keyword)
		}
		if !same {
			continue
		}
		end := len(sql)
		if i+len(keywords) < len(tokens) {
			end = tokens[i+len(keywords)].Pos
		}
		return strings.TrimSpace(sql[:tokens[i].Pos] + sql[end:])
	}
	return sql
}

// columnParts is ADD COLUMN taken apart: the column with its type, and each constraint.
type columnParts struct {
	column      *parse.ColumnDef
	base        string // add column paid boolean
	constraints []*parse.Constraint
	texts       []string
}

// column takes ADD COLUMN apart; empty for another action.
func (a alteration) column(sql string) columnParts {
	def := a.Def.ColumnDef
	if def == nil || a.Subtype != "AT_AddColumn" {
		return columnParts{}
	}
	parts := columnParts{column: def, base: a.text}
	for _, node := range def.Constraints {
		if node.Constraint != nil {
			parts.constraints = append(parts.constraints, node.Constraint)
		}
	}
	sort.SliceStable(parts.constraints, func(i, j int) bool { return parts.constraints[i].Location < parts.constraints[j].Location })
	end := a.pos + len(a.text)
	for i, c := range parts.constraints {
		from, to := c.Location, end
		if i+1 < len(parts.constraints) {
			to = parts.constraints[i+1].Location
		}
		if from < a.pos || to > end || to < from {
			return columnParts{column: def, base: a.text}
		}
		if i == 0 {
			parts.base = strings.TrimSpace(sql[a.pos:from])
		}
		parts.texts = append(parts.texts, strings.TrimSpace(sql[from:to]))
	}
	return parts
}

// without is the column without constraints of some kinds.
func (p columnParts) without(kinds ...string) string {
	text := p.base
	for i, c := range p.constraints {
		left := false
		for _, kind := range kinds {
			left = left || c.Type == kind
		}
		if !left {
			text += " " + p.texts[i]
		}
	}
	return text
}

// has finds a constraint of a kind.
func (p columnParts) has(kind string) bool {
	for _, c := range p.constraints {
		if c.Type == kind {
			return true
		}
	}
	return false
}

// given is the expression of the column's default.
func (p columnParts) given() (parse.Expr, bool) {
	for _, c := range p.constraints {
		if c.Type == "CONSTR_DEFAULT" {
			return c.Expr, true
		}
	}
	return parse.Expr{}, false
}
