package mapping

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tenantctl/internal/config"
)

// Load reads a mapping file and those it extends. Its error wraps tenant.ErrInvalid and holds every problem with its place.
func Load(path string) (*Mapping, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read mapping: %w", err)
	}
	return Parse(path, data)
}

// Parse reads a mapping whose text is given; files that it extends are looked for beside path.
func Parse(path string, data []byte) (*Mapping, error) {
	merged, problems := parse(path, data, nil)
	if len(problems) == 0 {
		problems = merged.incomplete()
	}
	if len(problems) > 0 {
		return nil, problems
	}
	mapping := &Mapping{File: path, Source: merged.source, Lift: merged.lift, Ignore: merged.ignore}
	for _, entry := range merged.tables {
		mapping.Tables = append(mapping.Tables, entry.Table)
	}
	return mapping, nil
}

// parse reads one file and merges it over the file that it extends. chain are the files that led here.
func parse(path string, data []byte, chain []string) (*file, config.Problems) {
	child, problems := decode(path, data)
	if child == nil {
		return &file{}, problems
	}
	if child.extends == "" {
		return child, append(problems, child.nothingInherited()...)
	}
	base := filepath.Join(filepath.Dir(path), filepath.FromSlash(child.extends))
	if filepath.IsAbs(child.extends) {
		base = child.extends
	}
	chain = append(chain, filepath.Clean(path))
	if slices.Contains(chain, base) {
		message := "extends itself: " + strings.Join(append(chain, base), " -> ")
		return &file{}, append(problems, &config.Problem{Place: child.place, Path: "extends", Message: message})
	}
	text, err := os.ReadFile(base) //nolint:gosec // the file that the mapping names
	if err != nil {
		return &file{}, append(problems, &config.Problem{Place: child.place, Path: "extends", Message: fmt.Sprintf("read %s: %s", base, cause(err))})
	}
	parent, inherited := parse(base, text, chain)
	problems = append(problems, inherited...)
	if len(problems) > 0 {
		return &file{}, problems
	}
	return merge(parent, child)
}

// cause is an error of the file system without the path, which the message has already.
func cause(err error) error {
	if unwrapped, ok := err.(*os.PathError); ok { //nolint:errorlint // os.ReadFile returns it bare
		return unwrapped.Err
	}
	return err
}

// nothingInherited finds what only a file that extends another may say.
func (f *file) nothingInherited() config.Problems {
	var problems config.Problems
	for _, entry := range f.tables {
		for _, removed := range entry.removed {
			problems = append(problems, &config.Problem{
				Place: removed.column.Place, Path: removed.key, Message: "null takes an inherited column away, but this file extends none",
			})
		}
		if entry.whereNull {
			problems = append(problems, &config.Problem{
				Place: entry.Place, Path: "where", Message: "null takes an inherited filter away, but this file extends none",
			})
		}
	}
	return problems
}

// incomplete finds tables that still lack what they need after merging.
func (f *file) incomplete() config.Problems {
	var problems config.Problems
	for _, entry := range f.tables {
		missing := ""
		switch {
		case entry.To == "":
			missing = `"to": the table of the tenant's schema`
		case len(entry.Columns) == 0:
			missing = `"columns": what fills the table's columns`
		default:
			continue
		}
		problems = append(problems, &config.Problem{Place: entry.Place, Path: "table " + entry.From.String(), Message: "needs " + missing})
	}
	return problems
}

// merge puts a file over the one that it extends.
func merge(base, child *file) (*file, config.Problems) {
	merged := &file{source: base.source}
	for _, entry := range base.tables {
		if !slices.ContainsFunc(child.ignore, func(i Ignore) bool { return i.Column == "" && i.Table == entry.From }) {
			merged.tables = append(merged.tables, entry)
		}
	}
	if child.source != nil {
		merged.source = child.source
	}
	var problems config.Problems
	for _, entry := range child.tables {
		i := merged.overridden(entry, child.tables)
		if i < 0 {
			problems = append(problems, (&file{tables: []tableEntry{entry}}).nothingInherited()...)
			merged.tables = append(merged.tables, entry)
			continue
		}
		table, failed := override(merged.tables[i], entry)
		merged.tables[i] = table
		problems = append(problems, failed...)
	}
	merged.lift = unionLift(base.lift, child.lift)
	merged.ignore = unionIgnore(base.ignore, child)
	return merged, problems
}

// overridden finds the inherited entry that one of the child's is about, -1 if it is new. A legacy table that feeds one
// target is found by its name alone, so that the child may send it elsewhere; one that feeds several, by both ends.
func (f *file) overridden(entry tableEntry, siblings []tableEntry) int {
	sameTable := func(e tableEntry) bool { return e.From == entry.From }
	exact := slices.IndexFunc(f.tables, func(e tableEntry) bool { return sameTable(e) && e.To == entry.To })
	if exact >= 0 {
		return exact
	}
	first := slices.IndexFunc(f.tables, sameTable)
	if first < 0 || slices.ContainsFunc(f.tables[first+1:], sameTable) {
		return -1
	}
	mine := 0
	for _, sibling := range siblings {
		if sameTable(sibling) {
			mine++
		}
	}
	if mine > 1 {
		return -1
	}
	return first
}

// override puts a child's entry over the inherited one, column by column.
func override(base, child tableEntry) (tableEntry, config.Problems) {
	merged := base
	merged.Place, merged.removed = child.Place, nil
	merged.Columns = slices.Clone(base.Columns)
	if child.To != "" {
		merged.To = child.To
	}
	if child.Service != "" {
		merged.Service = child.Service
	}
	if child.Where != nil || child.whereNull {
		merged.Where = child.Where
	}
	var problems config.Problems
	for _, removed := range child.removed {
		i := slices.IndexFunc(merged.Columns, removed.column.same)
		if i < 0 {
			problems = append(problems, &config.Problem{
				Place: removed.column.Place, Path: removed.key,
				Message: "null takes an inherited column away, but none is inherited by this name" + didYouMean(removed.key, columnKeys(merged.Columns), "columns"),
			})
			continue
		}
		merged.Columns = slices.Delete(merged.Columns, i, i+1)
	}
	for _, column := range child.Columns {
		if i := slices.IndexFunc(merged.Columns, column.same); i >= 0 {
			merged.Columns[i] = column
			continue
		}
		merged.Columns = append(merged.Columns, column)
	}
	return merged, problems
}

func columnKeys(columns []Column) []string {
	keys := make([]string, len(columns))
	for i, column := range columns {
		keys[i] = column.key()
	}
	return keys
}

func unionLift(base, child []Pattern) []Pattern {
	union := slices.Clone(base)
	for _, pattern := range child {
		if !slices.ContainsFunc(union, func(p Pattern) bool { return p.Schema == pattern.Schema && p.Name == pattern.Name }) {
			union = append(union, pattern)
		}
	}
	return union
}

// unionIgnore takes the base's along, but for what the child gives a reason of its own or maps.
func unionIgnore(base []Ignore, child *file) []Ignore {
	union := slices.DeleteFunc(slices.Clone(base), func(inherited Ignore) bool {
		again := slices.ContainsFunc(child.ignore, func(i Ignore) bool { return i.Table == inherited.Table && i.Column == inherited.Column })
		mapped := inherited.Column == "" && slices.ContainsFunc(child.tables, func(e tableEntry) bool { return e.From == inherited.Table })
		return again || mapped
	})
	return append(union, child.ignore...)
}
