// Package resource answers the usual operations on a table: list, get, create, change, delete. A Resource says how its rows look to
// callers, as SQL, so that one API can stand over tables of different shapes. Whose rows they are is the Store's to know.
package resource

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"tenantctl/internal/platform/scope"
)

// Kind is how a column's value is written in JSON and read from it.
type Kind string

// The kinds of columns.
const (
	Text    Kind = "text"
	Number  Kind = "numeric" // a string in JSON: a client's float would round it
	Integer Kind = "integer"
	Big     Kind = "bigint"
	Moment  Kind = "timestamptz"
	Day     Kind = "date"
	Object  Kind = "jsonb"
)

// Column is one that callers see, and may write unless it is fixed.
type Column struct {
	Name  string
	Kind  Kind
	Fixed bool
	// Where the table has it otherwise than callers see it:
	Read   string // SQL over the row r; empty: the column of that name
	Target string // the column that is written, as SQL writes it; empty: Name
	Write  string // SQL that makes its value of %s, a text; empty: a cast to Kind
	// Only, where it isn't nil, says that the table has no such column: these values of JSON may be given, and nothing is done with them.
	Only []string
}

// Resource is a table as callers see it. Its statements name every column: tenants are at different versions of it.
type Resource struct {
	Table   string // as SQL writes it
	What    string // one of it, for people
	Key     string // SQL over the row r, by which lists are ordered, too
	KeyKind Kind
	KeyName string // the column in which callers see the key
	Find    string // SQL: is %s, a text, the key of the row r? Empty: Key equals it, cast to KeyKind
	There   string // SQL over the row r: which rows there are; empty: all
	Columns []Column
	Extra   string            // further members of one that is read alone: SQL over the row r
	Filters map[string]string // parameters of a list, and SQL over the row r and %s, their value
	Touch   string            // SQL that is set with every change; empty: nothing
	Delete  string            // SQL that is set instead of deleting the row; empty: it is deleted
	Keep    string            // which rows must not be deleted: SQL over the row r, and why
	KeepWhy string
	// After does what else belongs to a write, in its transaction.
	After func(ctx context.Context, tx scope.Tx, body map[string]json.RawMessage, key string) error
}

func (r *Resource) there() string {
	if r.There == "" {
		return ""
	}
	return " and " + r.There
}

func (r *Resource) find(parameter string) string {
	if r.Find != "" {
		return fmt.Sprintf(r.Find, parameter)
	}
	return r.Key + " = " + parameter + "::" + string(r.KeyKind)
}

// read is the column's value, as SQL over the row r.
func (c Column) read() string {
	if c.Read == "" {
		return "r." + c.Name
	}
	return c.Read
}

// selected are a row's values, in the order of its columns.
func (r *Resource) selected() []string {
	values := make([]string, 0, len(r.Columns))
	for _, c := range r.Columns {
		values = append(values, c.read())
	}
	return values
}

// one selects a row by its key, then what tells its versions apart, and its further members, if there are any.
func (r *Resource) one() string {
	values := append(r.selected(), "r.xmin")
	if r.Extra != "" {
		values = append(values, r.Extra)
	}
	return fmt.Sprintf("select %s from %s r where %s%s", strings.Join(values, ", "), r.Table, r.find("$1"), r.there())
}

// list makes what selects a page, and tells which of the values is the key. $1 is how many; the values of the filters follow, and at
// last, where a page went before, its last key.
func (r *Resource) list() (sql func(filters []string, next bool) string, key int) {
	values := r.selected()
	if key = slices.Index(values, r.Key); key < 0 {
		key, values = len(values), append(values, r.Key)
	}
	from := fmt.Sprintf("select %s from %s r where true%s", strings.Join(values, ", "), r.Table, r.there())
	return func(filters []string, next bool) string {
		sql := from
		for i, name := range filters {
			sql += " and " + fmt.Sprintf(r.Filters[name], fmt.Sprintf("$%d", i+2))
		}
		if next {
			sql += fmt.Sprintf(" and %s > $%d::%s", r.Key, len(filters)+2, r.KeyKind)
		}
		return sql + " order by " + r.Key + " limit $1::int"
	}, key
}

// given are the columns that a body has and a caller may write.
func (r *Resource) given(body map[string]json.RawMessage) []Column {
	return slices.DeleteFunc(slices.Clone(r.Columns), func(c Column) bool {
		_, is := body[c.Name]
		return !is || c.Fixed || c.Only != nil
	})
}

// set is the column that is written, and its value, read from the body, which is parameter $1.
func (c Column) set() (column, value string) {
	column = c.Target
	if column == "" {
		column = c.Name
	}
	switch {
	case c.Write != "":
		return column, fmt.Sprintf(c.Write, "($1::jsonb ->> '"+c.Name+"')")
	case c.Kind == Object:
		return column, fmt.Sprintf("nullif($1::jsonb -> '%s', 'null')", c.Name)
	}
	return column, fmt.Sprintf("($1::jsonb ->> '%s')::%s", c.Name, c.Kind)
}

// insert makes a row of what is given, and leaves the rest to the table's defaults. It returns the key.
func (r *Resource) insert(given []Column) string {
	names, values := make([]string, 0, len(given)), make([]string, 0, len(given))
	for _, c := range given {
		name, value := c.set()
		names, values = append(names, name), append(values, value)
	}
	return fmt.Sprintf("insert into %s as r (%s) select %s returning (%s)::text", r.Table, strings.Join(names, ", "), strings.Join(values, ", "), r.Key)
}

// matching is a condition on a row: key $2, and, unless $3 is null, one of the versions that the caller has seen.
func (r *Resource) matching() string {
	return r.find("$2") + r.there() + " and ($3::text[] is null or r.xmin::text = any ($3::text[]))"
}

// update changes what is given of the row that matches. It counts 0 where there is none.
func (r *Resource) update(given []Column) string {
	var sets []string
	if r.Touch != "" {
		sets = append(sets, r.Touch)
	}
	for _, c := range given {
		column, value := c.set()
		sets = append(sets, column+" = "+value)
	}
	if len(sets) == 0 { // nothing of the row itself changes, but it is another version of it
		column, _, _ := strings.Cut(r.Key, "::")
		column = strings.TrimPrefix(column, "r.")
		sets = append(sets, column+" = r."+column)
	}
	return fmt.Sprintf("update %s r set %s where %s and $1::jsonb is not null", r.Table, strings.Join(sets, ", "), r.matching())
}

// remove deletes the row that matches. Parameter $1 isn't used, so that matching is the same everywhere.
func (r *Resource) remove() string {
	sql := "delete from " + r.Table + " r"
	if r.Delete != "" {
		sql = "update " + r.Table + " r set " + r.Delete
	}
	sql += " where " + r.matching() + " and $1::text is null"
	if r.Keep != "" {
		sql += " and not (" + r.Keep + ")"
	}
	return sql
}
