package mapping

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"gopkg.in/yaml.v3"

	"tenantctl/internal/config"
)

// file is one mapping file as it is written, before those that it extends are merged in.
type file struct {
	extends string
	place   config.Place // of extends
	source  *SourceVersion
	tables  []tableEntry
	lift    []Pattern
	ignore  []Ignore
}

// tableEntry is a table of one file. What a child's entry leaves out, it inherits.
type tableEntry struct {
	Table
	removed   []removal // columns given as null
	whereNull bool      // where: null
}

// removal takes an inherited column away.
type removal struct {
	column Column
	key    string
}

// decode reads one file. All that is wrong with it is reported at once, each with its place.
func decode(name string, data []byte) (*file, config.Problems) {
	r := &reader{file: name}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the file is empty; a mapping begins with \"version: 1\"")
		}
		r.syntax(err)
		return nil, r.problems
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		r.syntax(errors.New("a second document follows; a mapping is one document"))
	}
	f := r.document(document.Content[0])
	return f, r.problems
}

func (r *reader) document(root *yaml.Node) *file {
	f := &file{}
	fields := r.fields(root, "", "version", "extends", "source", "tables", "lift", "ignore")
	if resolved(root).Kind != yaml.MappingNode {
		return f
	}
	if version := r.required(root, fields, "", "version", "the version of this format, 1"); version != "" && version != "1" {
		r.problem(fields["version"].value, "version", "must be 1, not %s; this tenantctl knows no other", version)
	}
	if extends, given := fields["extends"]; given {
		f.extends, f.place = r.text(extends, "extends"), r.place(extends.value)
	}
	if source, given := fields["source"]; given && !isNull(source.value) {
		f.source = r.source(source.value)
	}
	if tables, given := fields["tables"]; given {
		for i, n := range r.items(tables.value, "tables") {
			f.tables = append(f.tables, r.table(n, item("tables", i)))
		}
		r.distinct(f.tables)
	}
	if lift, given := fields["lift"]; given {
		for i, n := range r.items(lift.value, "lift") {
			f.lift = append(f.lift, r.pattern(n, item("lift", i))...)
		}
	}
	if ignore, given := fields["ignore"]; given {
		for i, n := range r.items(ignore.value, "ignore") {
			f.ignore = append(f.ignore, r.ignored(n, item("ignore", i))...)
		}
	}
	return f
}

func (r *reader) source(n *yaml.Node) *SourceVersion {
	fields := r.fields(n, "source", "schemaVersion", "expect")
	return &SourceVersion{
		SQL:    r.required(n, fields, "source", "schemaVersion", "a query that gives the legacy schema's version"),
		Expect: r.required(n, fields, "source", "expect", "the version that this mapping was written for"),
		Place:  r.place(n),
	}
}

func (r *reader) table(n *yaml.Node, path string) tableEntry {
	entry := tableEntry{Table: Table{Place: r.place(n)}}
	fields := r.fields(n, path, "from", "to", "service", "columns", "where")
	if n.Kind != yaml.MappingNode {
		return entry
	}
	if from := r.required(n, fields, path, "from", "the legacy table"); from != "" {
		name, err := ParseName(from)
		r.check(fields["from"], join(path, "from"), err)
		entry.From = name
	}
	if to, given := fields["to"]; given {
		if text := r.text(to, join(path, "to")); text != "" {
			name, err := oneName(text)
			r.check(to, join(path, "to"), err)
			entry.To = name
		}
	}
	entry.Service = r.text(fields["service"], join(path, "service"))
	if columns, given := fields["columns"]; given && !isNull(columns.value) {
		r.columns(columns.value, join(path, "columns"), &entry)
	}
	if where, given := fields["where"]; given {
		entry.whereNull = isNull(where.value)
		if !entry.whereNull {
			entry.Where = r.where(where.value, join(path, "where"))
		}
	}
	return entry
}

func (r *reader) check(f field, path string, err error) {
	if err != nil {
		r.problem(f.value, path, "%s", err)
	}
}

func (r *reader) where(n *yaml.Node, path string) *Where {
	if n.Kind == yaml.ScalarNode {
		r.problem(n, path, "rows that stay behind need a reason: { sql: ..., reason: ... }")
		return nil
	}
	fields := r.fields(n, path, "sql", "reason")
	return &Where{
		SQL:    r.required(n, fields, path, "sql", "a condition over the legacy row"),
		Reason: r.required(n, fields, path, "reason", "why the other rows stay behind"),
		Place:  r.place(n),
	}
}

func (r *reader) columns(n *yaml.Node, path string, entry *tableEntry) {
	for _, f := range r.pairs(n, path) {
		column, err := columnNamed(f.name)
		if err != nil {
			r.problem(f.key, join(path, f.name), "%s", err)
			continue
		}
		if isNull(f.value) {
			column.Place = r.place(f.key)
			entry.removed = append(entry.removed, removal{column, f.name})
			continue
		}
		if slices.ContainsFunc(entry.Columns, column.same) {
			r.problem(f.key, join(path, f.name), "names column %s, which is given already", column.key())
			continue
		}
		column.Place = r.place(f.value)
		r.expression(f, join(path, f.name), &column)
		entry.Columns = append(entry.Columns, column)
	}
}

// columnNamed reads a key of columns: a column of the target, or extra.NAME.
func columnNamed(key string) (Column, error) {
	parts, err := splitName(key)
	switch {
	case err != nil:
		return Column{}, err
	case len(parts) == 1:
		return Column{Target: parts[0]}, nil
	case len(parts) == 2 && parts[0] == extraColumn:
		return Column{Target: extraColumn, Extra: parts[1]}, nil
	}
	return Column{}, fmt.Errorf("%s is not a column of the target; only extra.NAME has two parts", key)
}

// same tells whether two entries fill the same place.
func (c Column) same(other Column) bool { return c.Target == other.Target && c.Extra == other.Extra }

func (r *reader) expression(f field, path string, column *Column) {
	if f.value.Kind != yaml.MappingNode {
		column.SQL = r.text(f, path)
		return
	}
	fields := r.fields(f.value, path, "sql", "reverse")
	column.SQL = r.required(f.value, fields, path, "sql", "SQL over the legacy row")
	reverse, given := fields["reverse"]
	if !given || isNull(reverse.value) {
		return
	}
	for _, back := range r.pairs(reverse.value, join(path, "reverse")) {
		where := join(join(path, "reverse"), back.name)
		name, err := oneName(back.name)
		if err != nil {
			r.problem(back.key, where, "%s", err)
			continue
		}
		column.Reverse = append(column.Reverse, Reverse{Column: name, SQL: r.text(back, where), Place: r.place(back.value)})
	}
}

func (r *reader) pattern(n *yaml.Node, path string) []Pattern {
	text := r.text(field{value: n}, path)
	if text == "" {
		return nil
	}
	pattern, err := ParsePattern(text)
	if err != nil {
		r.problem(n, path, "%s", err)
		return nil
	}
	return []Pattern{pattern}
}

func (r *reader) ignored(n *yaml.Node, path string) []Ignore {
	fields := r.fields(n, path, "table", "column", "reason")
	if n.Kind != yaml.MappingNode {
		return nil
	}
	ignore := Ignore{Place: r.place(n), Reason: r.required(n, fields, path, "reason", "why it stays behind")}
	table, isTable := fields["table"]
	column, isColumn := fields["column"]
	if isTable == isColumn {
		r.problem(n, path, `needs either "table" or "column"`)
		return nil
	}
	var err error
	if isTable {
		if text := r.text(table, join(path, "table")); text != "" {
			ignore.Table, err = ParseName(text)
			r.check(table, join(path, "table"), err)
		}
		return []Ignore{ignore}
	}
	if text := r.text(column, join(path, "column")); text != "" {
		ignore.Table, ignore.Column, err = columnPath(text)
		r.check(column, join(path, "column"), err)
	}
	return []Ignore{ignore}
}

// columnPath reads table.column or schema.table.column.
func columnPath(text string) (Name, string, error) {
	parts, err := splitName(text)
	switch {
	case err != nil:
		return Name{}, "", err
	case len(parts) == 2:
		return Name{Name: parts[0]}, parts[1], nil
	case len(parts) == 3:
		return Name{Schema: parts[0], Name: parts[1]}, parts[2], nil
	}
	return Name{}, "", fmt.Errorf("%s is not a column; write table.column or schema.table.column", text)
}

// distinct refuses two entries of one file for the same way.
func (r *reader) distinct(entries []tableEntry) {
	seen := map[string]int{}
	for i, entry := range entries {
		way := entry.From.String() + " -> " + entry.To
		if line, twice := seen[way]; twice && entry.From.Name != "" {
			r.problems = append(r.problems, &config.Problem{
				Place: entry.Place, Path: item("tables", i), Message: fmt.Sprintf("%s is mapped twice; the first is on line %d", entry.From, line),
			})
		}
		seen[way] = entry.Place.Line
	}
}
