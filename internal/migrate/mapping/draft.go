package mapping

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
)

// Draft proposes a mapping: tables and columns are paired by name and type, what only the client has goes to extra, tables without
// a counterpart are lifted. What a person must decide is a comment in the draft, and Compile refuses the mapping until it is
// decided.
func Draft(catalog *inspect.Catalog, target TargetCatalog) []byte {
	d := &draft{}
	d.line("# Drafted from database %s. Read each line: names and types were matched, meaning wasn't.", strconv.Quote(catalog.Server.Database))
	d.line("version: 1")
	found := matches(catalog, &target)
	var mapped, rest []*inspect.Table
	for i := range catalog.Tables {
		table := &catalog.Tables[i]
		switch {
		case table.IsPartition:
		case has(found, table):
			mapped = append(mapped, table)
		default:
			rest = append(rest, table)
		}
	}
	if len(mapped) > 0 {
		d.line("\ntables:")
	}
	for _, table := range mapped {
		d.table(found[postgres.Ident(table.Schema, table.Name)])
	}
	d.lift(rest)
	d.ignore(rest)
	return d.text.Bytes()
}

// draft is the text so far, and what was left for the ignore section.
type draft struct {
	text    bytes.Buffer
	ignored []Ignore // with a reason that is certain
	open    []string // columns that a person must decide
}

func (d *draft) line(format string, args ...any) { fmt.Fprintf(&d.text, format+"\n", args...) }

func has(found map[string]*match, table *inspect.Table) bool {
	_, ok := found[postgres.Ident(table.Schema, table.Name)]
	return ok
}

func (d *draft) table(m *match) {
	name := Name{m.legacy.Schema, m.legacy.Name}
	d.line("")
	if m.byColumns {
		d.line("  # paired by its columns, not by its name: is it the same thing?")
	}
	d.line("  - from: %s", scalar(name.String()))
	d.line("    to: %s", scalar(quoteName(m.target.Name)))
	if m.target.Service != "" {
		d.line("    service: %s", scalar(m.target.Service))
	}
	d.line("    columns:")
	taken := map[int]bool{}
	for _, column := range m.target.Columns {
		i, paired := m.columns[column.Name]
		if !paired {
			d.unfilled(column)
			continue
		}
		taken[i] = true
		p, _ := propose(m.legacy.Columns[i], column)
		if m.guessed[column.Name] && p.comment == "" {
			p.comment = "a guess"
		}
		d.column(quoteName(column.Name), m.legacy.Columns[i].Name, p)
	}
	d.leftovers(m, name, taken)
}

func (d *draft) column(key, legacy string, p proposal) {
	value := scalar(p.sql)
	if p.reverse != "" {
		value = fmt.Sprintf("{ sql: %s, reverse: { %s: %s } }", scalar(p.sql), scalar(quoteName(legacy)), scalar(p.reverse))
	}
	if p.comment != "" {
		value += " # " + p.comment
	}
	d.line("      %s: %s", scalar(key), value)
}

// unfilled tells of a column of the target that nothing fills, where it needs a value.
func (d *draft) unfilled(column TargetColumn) {
	if column.needed() {
		d.line("      # decide: %s needs a value (%s not null) and nothing looks like it", comment(quoteName(column.Name)), comment(column.Type))
	}
}

// leftovers finds a place for the columns that have no counterpart.
func (d *draft) leftovers(m *match, table Name, taken map[int]bool) {
	extra := m.target.column(extraColumn)
	keeps := extra != nil && extra.Base.OID == pgtype.JSONBOID
	var keys []string
	for i, column := range m.legacy.Columns {
		switch {
		case taken[i]:
		case column.Generated:
			d.ignored = append(d.ignored, Ignore{Table: table, Column: column.Name, Reason: "computed by the legacy database"})
		case keeps && column.TypeOID != pgtype.ByteaOID:
			key := strings.Join(words(column.Name), "_")
			if key == "" || slices.Contains(keys, key) {
				key = column.Name
			}
			keys = append(keys, key)
			d.column(extraColumn+"."+quoteName(key), column.Name, proposal{sql: quoteName(column.Name)})
		default:
			d.open = append(d.open, table.String()+"."+quoteName(column.Name))
		}
	}
}

func (d *draft) lift(tables []*inspect.Table) {
	var lifted []string
	for _, table := range tables {
		if table.Kind != inspect.Foreign {
			lifted = append(lifted, Name{table.Schema, table.Name}.String())
		}
	}
	if len(lifted) == 0 {
		return
	}
	d.line("\n# Carried as they are, beside the mapped ones.\nlift:")
	for _, name := range lifted {
		d.line("  - %s", scalar(name))
	}
}

func (d *draft) ignore(tables []*inspect.Table) {
	var open []string
	for _, column := range d.open {
		open = append(open, fmt.Sprintf("{ column: %s, reason: '' }", scalar(column)))
	}
	for _, table := range tables {
		if table.Kind == inspect.Foreign {
			open = append(open, fmt.Sprintf("{ table: %s, reason: '' }", scalar(Name{table.Schema, table.Name}.String())))
		}
	}
	if len(open) > 0 {
		d.line("\n# decide: map these, or leave them behind with a reason.")
		for _, item := range open {
			d.line("# - %s", comment(item))
		}
	}
	if len(d.ignored) > 0 {
		d.line("\nignore:")
	}
	for _, ignore := range d.ignored {
		d.line("  - { column: %s, reason: %s }", scalar(ignore.Table.String()+"."+quoteName(ignore.Column)), scalar(ignore.Reason))
	}
}

// yamlWords are plain words that YAML, in one version or another, takes for something else than text.
var yamlWords = []string{"null", "true", "false", "yes", "no", "on", "off", "y", "n"} //nolint:gochecknoglobals // a constant list

// scalar writes a text as YAML reads it back, in quotes where it needs them.
func scalar(text string) string {
	parts := strings.Split(text, ".")
	switch {
	case !slices.ContainsFunc(parts, func(part string) bool { return !isPlainName(part) }) && !slices.Contains(yamlWords, text):
		return text
	case strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }):
		return strconv.Quote(text) // its escapes are YAML's too
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// comment keeps a text on one line, and in the characters that YAML has in comments.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}
