package core

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// kind is how a column's value is written in JSON and read from it.
type kind string

const (
	text    kind = "text"
	number  kind = "numeric" // a string in JSON: a client's float would round it
	integer kind = "integer"
	big     kind = "bigint"
	moment  kind = "timestamptz"
	day     kind = "date"
	object  kind = "jsonb"
)

// column is one that callers see, and may write unless it is fixed.
type column struct {
	name  string
	kind  kind
	fixed bool
}

// resource is a table as callers see it. Its statements name every column: tenants are at different versions of it.
type resource struct {
	table   string
	what    string // one of it, for people
	key     string
	keyKind kind
	columns []column
	extra   string            // further members of one that is read alone: SQL over its row r
	filters map[string]string // parameters of a list, and the columns that must be equal to them
	keep    string            // which rows must not be deleted: SQL over its row r, and why
	keepWhy string
}

// shown is a row as JSON. PostgreSQL makes it, so that nothing is decoded only to be encoded again.
func (r *resource) shown(alone bool) string {
	parts := make([]string, 0, len(r.columns))
	for _, c := range r.columns {
		value := "r." + c.name
		if c.kind == number {
			value += "::text"
		}
		parts = append(parts, "'"+c.name+"', "+value)
	}
	sql := "json_build_object(" + strings.Join(parts, ", ") + ")"
	if alone && r.extra != "" {
		sql = "(" + sql + "::jsonb || " + r.extra + ")"
	}
	return sql + "::text"
}

// one selects a row by its key, with what tells its versions apart.
func (r *resource) one() string {
	return fmt.Sprintf("select %s, r.xmin::text from %s r where r.%s = $1::%s", r.shown(true), r.table, r.key, r.keyKind)
}

// list selects a page. $1 is the last key before it or null, $2 how many; the filters' values follow.
func (r *resource) list(filters []string) string {
	sql := fmt.Sprintf("select %s, r.%s::text from %s r where ($1::%s is null or r.%s > $1::%s)", r.shown(false), r.key, r.table, r.keyKind, r.key, r.keyKind)
	for i, name := range filters {
		sql += fmt.Sprintf(" and r.%s = $%d", r.filters[name], i+3)
	}
	return sql + fmt.Sprintf(" order by r.%s limit $2::int", r.key)
}

// given are the columns that a body has and a caller may write.
func (r *resource) given(body map[string]json.RawMessage) []column {
	return slices.DeleteFunc(slices.Clone(r.columns), func(c column) bool {
		_, is := body[c.name]
		return !is || c.fixed
	})
}

// value reads a column from the body, which is parameter $1.
func (c column) value() string {
	if c.kind == object {
		return fmt.Sprintf("nullif($1::jsonb -> '%s', 'null')", c.name)
	}
	return fmt.Sprintf("($1::jsonb ->> '%s')::%s", c.name, c.kind)
}

// insert makes a row of what is given, and leaves the rest to the table's defaults. It returns the key.
func (r *resource) insert(given []column) string {
	names, values := make([]string, 0, len(given)), make([]string, 0, len(given))
	for _, c := range given {
		names, values = append(names, c.name), append(values, c.value())
	}
	return fmt.Sprintf("insert into %s (%s) select %s returning %s::text", r.table, strings.Join(names, ", "), strings.Join(values, ", "), r.key)
}

// matching is a condition on a row: key $2, and, unless $3 is null, one of the versions that the caller has seen.
func (r *resource) matching() string {
	return fmt.Sprintf("r.%s = $2::%s and ($3::text[] is null or r.xmin::text = any ($3::text[]))", r.key, r.keyKind)
}

// update changes what is given of the row that matches. It counts 0 where there is none.
func (r *resource) update(given []column) string {
	sets := []string{"updated_at = clock_timestamp()"}
	for _, c := range given {
		sets = append(sets, c.name+" = "+c.value())
	}
	return fmt.Sprintf("update %s r set %s where %s and $1::jsonb is not null", r.table, strings.Join(sets, ", "), r.matching())
}

// remove deletes the row that matches. Parameter $1 isn't used, so that matching is the same everywhere.
func (r *resource) remove() string {
	sql := fmt.Sprintf("delete from %s r where %s and $1::text is null", r.table, r.matching())
	if r.keep != "" {
		sql += " and not (" + r.keep + ")"
	}
	return sql
}
