package mapping

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5/pgtype"

	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
)

// words takes a name apart as its author meant it: CustomerID, customer_id and CUSTOMER-ID are all customer and id.
func words(name string) []string {
	var found []string
	var word strings.Builder
	end := func() {
		if word.Len() > 0 {
			found = append(found, strings.ToLower(word.String()))
			word.Reset()
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end()
			continue
		case unicode.IsUpper(r) && i > 0 && (unicode.IsLower(runes[i-1]) || unicode.IsUpper(runes[i-1]) && i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			end()
		}
		word.WriteRune(r)
	}
	end()
	return found
}

// singular is the word without its plural.
func singular(word string) string {
	switch {
	case strings.HasSuffix(word, "ies") && len(word) > 4:
		return strings.TrimSuffix(word, "ies") + "y"
	case strings.HasSuffix(word, "sses"), strings.HasSuffix(word, "xes"), strings.HasSuffix(word, "ches"):
		return strings.TrimSuffix(word, "es")
	case strings.HasSuffix(word, "s") && !strings.HasSuffix(word, "ss") && !strings.HasSuffix(word, "us") && len(word) > 2:
		return strings.TrimSuffix(word, "s")
	}
	return word
}

// tableWords are the words of a table's name, without what only says that it is a table, each in the singular.
func tableWords(name string) []string {
	kept := slices.DeleteFunc(words(name), func(word string) bool { return word == "tbl" || word == "tab" || word == "table" || word == "t" })
	for i, word := range kept {
		kept[i] = singular(word)
	}
	return kept
}

// synonyms are words that mean the same in what companies build.
var synonyms = map[string]string{ //nolint:gochecknoglobals // a constant table
	"address": "street", "zip": "postal code", "zipcode": "postal code", "postcode": "postal code", "qty": "quantity",
	"descr": "description", "desc": "description", "tel": "phone", "telephone": "phone", "mail": "email", "mobile": "phone",
	"no": "number", "nr": "number", "num": "number", "modified": "updated", "changed": "updated",
}

// meaning is a name in common words.
func meaning(parts []string) string {
	said := make([]string, len(parts))
	for i, word := range parts {
		said[i] = word
		if synonym := synonyms[word]; synonym != "" {
			said[i] = synonym
		}
	}
	return strings.Join(said, " ")
}

// moment is a name without the last word that only says that it is a time.
func moment(name string) string {
	for _, ending := range []string{" at", " on", " date", " time", " day", " timestamp"} {
		name = strings.TrimSuffix(name, ending)
	}
	return name
}

// alike tells whether a legacy column is by its name the target's. A column may repeat its table's name: CustomerID in
// Customers is id.
func alike(column, table string, target TargetColumn) bool {
	wanted := meaning(words(target.Name))
	own := words(column)
	same := func(parts []string) bool {
		name := meaning(parts)
		return name == wanted || strings.Join(parts, "") == strings.Join(words(target.Name), "") || isClock(target.Base) && moment(name) == moment(wanted)
	}
	if same(own) {
		return true
	}
	prefix := tableWords(table)
	if len(own) <= len(prefix) {
		return false
	}
	for i, word := range prefix {
		if singular(own[i]) != word {
			return false
		}
	}
	return same(own[len(prefix):])
}

// proposal is an expression that the draft proposes for a column.
type proposal struct {
	sql, reverse string // reverse: "" where the reference is its own inverse
	comment      string
}

// propose finds an expression by the types of both ends; false where none is sure.
func propose(from inspect.Column, to TargetColumn) (proposal, bool) {
	column, target := quoteName(from.Name), quoteName(to.Name)
	source := BaseType{OID: from.TypeOID, Schema: "pg_catalog", Modifier: from.Modifier}
	switch {
	case to.Generated || from.Generated:
		return proposal{}, false
	case source.builtin() && (source.OID == to.Base.OID || exact(source, to.Base)), !source.builtin() && to.Base.isText():
		return proposal{sql: column}, true
	case source.isInteger() && to.Base.isInteger(), isNumber(source) && to.Base.OID == pgtype.NumericOID:
		return proposal{sql: column}, true
	case source.OID == pgtype.TimestampOID && to.Base.OID == pgtype.TimestamptzOID:
		return proposal{sql: column + " at time zone 'UTC'", reverse: target + " at time zone 'UTC'", comment: "which zone did the legacy mean?"}, true
	case source.OID == pgtype.DateOID && to.Base.OID == pgtype.TimestamptzOID:
		return proposal{
			sql: column + "::timestamp at time zone 'UTC'", reverse: "(" + target + " at time zone 'UTC')::date", comment: "which zone did the legacy mean?",
		}, true
	case source.isInteger() && to.Base.OID == pgtype.BoolOID:
		return proposal{
			sql: column + " <> 0", reverse: "case when " + target + " then 1 else 0 end", comment: "are there values besides 0 and 1?",
		}, true
	}
	return proposal{}, false
}

func isNumber(t BaseType) bool {
	return t.isInteger() || slices.Contains([]uint32{pgtype.NumericOID, pgtype.Float4OID, pgtype.Float8OID}, t.OID)
}

// match is what the draft proposes for one legacy table.
type match struct {
	legacy    *inspect.Table
	target    *TargetTable
	byColumns bool           // the names differ
	columns   map[string]int // target column -> index of the legacy column
	guessed   map[string]bool
}

// pair finds the columns that belong together: by name, then the keys, then by part of the name where the target needs a value.
func pair(legacy *inspect.Table, target *TargetTable) *match {
	m := &match{legacy: legacy, target: target, columns: map[string]int{}, guessed: map[string]bool{}}
	m.fill(func(own inspect.Column, column TargetColumn) bool { return alike(own.Name, legacy.Name, column) })
	count := len(m.columns)
	key := target.primary()
	m.fill(func(own inspect.Column, column TargetColumn) bool {
		return len(legacy.Key) == 1 && legacy.Key[0] == own.Name && len(key) == 1 && key[0] == column.Name
	})
	m.fill(func(own inspect.Column, column TargetColumn) bool {
		name, wanted := meaning(words(own.Name)), meaning(words(column.Name))
		return column.needed() && (strings.HasSuffix(name, " "+wanted) || name == wanted+" number")
	})
	m.guess(count)
	return m
}

// fill pairs what is still alone.
func (m *match) fill(belong func(inspect.Column, TargetColumn) bool) {
	for _, column := range m.target.Columns {
		if _, done := m.columns[column.Name]; done {
			continue
		}
		for i, own := range m.legacy.Columns {
			_, fits := propose(own, column)
			if fits && !m.takes(i) && belong(own, column) {
				m.columns[column.Name] = i
				break
			}
		}
	}
}

func (m *match) takes(index int) bool {
	for _, i := range m.columns {
		if i == index {
			return true
		}
	}
	return false
}

// guess marks all pairs but the first ones, which were made by name.
func (m *match) guess(named int) {
	if len(m.columns) == named {
		return
	}
	for name, i := range m.columns {
		if !alike(m.legacy.Columns[i].Name, m.legacy.Name, *m.target.column(name)) {
			m.guessed[name] = true
		}
	}
}

func (t *TargetTable) primary() []string {
	for _, rule := range t.Unique {
		if columns, plain := plainNames(rule.Columns); rule.Primary && plain {
			return columns
		}
	}
	return nil
}

// needed tells a column that must be given a value.
func (c TargetColumn) needed() bool {
	return c.NotNull && !c.Default && c.Identity == "" && !c.Generated
}

// matches pairs legacy tables with the target's: by name first, then by columns where most of them agree. References between
// paired tables come last.
func matches(catalog *inspect.Catalog, target *TargetCatalog) map[string]*match {
	found, taken := map[string]*match{}, map[string]bool{}
	accept := func(m *match) {
		found[postgres.Ident(m.legacy.Schema, m.legacy.Name)] = m
		taken[m.target.Name] = true
	}
	candidates := func(each func(*inspect.Table, *TargetTable)) {
		for i := range catalog.Tables {
			legacy := &catalog.Tables[i]
			for j := range target.Tables {
				_, done := found[postgres.Ident(legacy.Schema, legacy.Name)]
				if !done && !legacy.IsPartition && legacy.Kind != inspect.Foreign && !taken[target.Tables[j].Name] {
					each(legacy, &target.Tables[j])
				}
			}
		}
	}
	candidates(func(legacy *inspect.Table, target *TargetTable) {
		if strings.Join(tableWords(legacy.Name), " ") == strings.Join(tableWords(target.Name), " ") {
			accept(pair(legacy, target))
		}
	})
	candidates(func(legacy *inspect.Table, target *TargetTable) {
		if m := pair(legacy, target); len(m.columns) >= 3 && 2*len(m.columns) >= len(legacy.Columns) && m.fillsMost() {
			m.byColumns = true
			accept(m)
		}
	})
	for _, key := range slices.Sorted(maps.Keys(found)) {
		found[key].references(found)
	}
	return found
}

// references pairs a column that refers to another table with the one that does so in the target: it has the name of that
// table's key, unless every key has that name.
func (m *match) references(found map[string]*match) {
	for _, name := range slices.Sorted(maps.Keys(found)) {
		other := found[name]
		if len(other.legacy.Key) != 1 || len(words(other.legacy.Key[0])) == 1 {
			continue
		}
		count := len(m.columns)
		m.fill(func(own inspect.Column, column TargetColumn) bool {
			return own.Name == other.legacy.Key[0] && m.target.refers(column.Name, other.target.Name)
		})
		m.guess(count)
	}
}

func (t *TargetTable) refers(column, table string) bool {
	return slices.ContainsFunc(t.Foreign, func(rule ForeignRule) bool {
		return rule.Table == table && len(rule.Columns) == 1 && rule.Columns[0] == quoteName(column)
	})
}

// fillsMost tells whether at least half of the columns that need a value get one.
func (m *match) fillsMost() bool {
	needed, filled := 0, 0
	for _, column := range m.target.Columns {
		if column.needed() {
			needed++
			if _, ok := m.columns[column.Name]; ok {
				filled++
			}
		}
	}
	return 2*filled >= needed
}
