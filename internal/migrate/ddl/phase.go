package ddl

import (
	"context"
	"sort"

	"tenantctl/internal/postgres/lexer"
)

// Phases are the definitions that follow the rows, in an order in which each finds what it needs.
type Phases struct {
	Indexes []Statement // indexes and constraints built from the rows; independent of one another
	Others  []Statement // triggers, rules, views, attached indexes ...; in the dump's order
	Keys    []Statement // foreign keys: after the unique indexes that they point to
	Last    []Statement // comments
}

// Divide sorts post-data definitions into phases; bytes gives a table's size by schema and name, largest first.
func Divide(statements []Statement, bytes func(schema, table string) int64) Phases {
	made := map[string]bool{} // relations that the section itself makes: their indexes can't come first
	for _, s := range statements {
		switch s.Kind {
		case "VIEW", "MATERIALIZED VIEW", "TABLE":
			made[s.Schema+"."+s.Name] = true
		}
	}
	var p Phases
	size := map[string]int64{}
	for _, s := range statements {
		schema, table := TableOf(s)
		switch {
		case s.Kind == "FK CONSTRAINT":
			p.Keys = append(p.Keys, s)
		case s.Kind == "COMMENT":
			p.Last = append(p.Last, s)
		case (s.Kind == "INDEX" || s.Kind == "CONSTRAINT") && !made[schema+"."+table]:
			p.Indexes = append(p.Indexes, s)
		default:
			p.Others = append(p.Others, s)
		}
		size[schema+"."+table] = bytes(schema, table)
	}
	larger := func(list []Statement) {
		sort.SliceStable(list, func(i, j int) bool { return size[qualifiedTable(list[i])] > size[qualifiedTable(list[j])] })
	}
	larger(p.Indexes)
	larger(p.Keys)
	return p
}

func qualifiedTable(s Statement) string {
	schema, table := TableOf(s)
	return schema + "." + table
}

// TableOf reads the table that an index or a constraint belongs to: behind ON [ONLY] or ALTER TABLE [ONLY].
func TableOf(s Statement) (schema, table string) {
	var words []lexer.Token
	for token := range lexer.Tokens(s.SQL) {
		if token.Significant() {
			words = append(words, token)
		}
		if len(words) > 40 {
			break
		}
	}
	for i, word := range words {
		if isAlter := word.Is("table") && i == 1; !isAlter && !word.Is("on") {
			continue
		}
		if i+1 < len(words) && words[i+1].Is("only") {
			i++
		}
		if i+3 < len(words) && words[i+2].IsSymbol(".") {
			return words[i+1].Value(), words[i+3].Value()
		}
	}
	return "", ""
}

// Run runs all phases, each finished before the next begins.
func (p Phases) Run(ctx context.Context, l *Loader, section string) error {
	if err := l.Parallel(ctx, section+".indexes", p.Indexes); err != nil {
		return err
	}
	if err := l.Serial(ctx, section+".others", p.Others); err != nil {
		return err
	}
	if err := l.Parallel(ctx, section+".keys", p.Keys); err != nil {
		return err
	}
	return l.Serial(ctx, section+".last", p.Last)
}
