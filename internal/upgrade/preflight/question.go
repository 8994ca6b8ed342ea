package preflight

import (
	"fmt"
	"slices"
	"strings"

	"tenantctl/internal/postgres"
)

// question is what a statement makes us ask of a tenant's rows.
type question interface {
	kind() Kind
	// others are the tables beside the altered one that it looks at.
	others() []tableName
	// ask is a query that gives a number and a JSON list of samples; "" where this tenant isn't to be asked.
	ask(at place) string
	// found says in words what a number above 0 means.
	found(a Amount, table string) string
	// next says what to do about it.
	next(table string) string
}

// place is a table as one tenant has it, with what a question needs beside it.
type place struct {
	table  *relation
	parent *relation
	index  *relation // one that has the name of the index to be made already
	Options
}

// bad is the query for rows that are in the way, keys first, counted up to the limit.
func (at place) bad(rows string) string {
	return fmt.Sprintf("with bad (k) as materialized (%s limit %d) select (select count(*) from bad), (select coalesce(json_agg(k), '[]') from (select k from bad where k is not null limit %d) s)",
		rows, at.Limit+1, at.Samples)
}

// has tells whether the table has all of some columns.
func (at place) has(columns ...string) bool { return at.table.has(columns) }

// sql names the table, without what inherits from it where only is true. The rows of a partitioned table are its partitions'.
func (r *relation) sql(only bool) string {
	name := postgres.Ident(r.Schema, r.Name)
	if only && r.Kind == "r" {
		return "only " + name
	}
	return name
}

// key is an expression that shows a row's primary key, NULL where there is none.
func (r *relation) key(alias string) string {
	if len(r.Key) == 0 {
		return "null::text"
	}
	parts := make([]string, len(r.Key))
	for i, column := range r.Key {
		parts[i] = postgres.Literal(column+"=") + " || left(" + postgres.Ident(alias, column) + "::text, 60)"
	}
	return "concat_ws(', ', " + strings.Join(parts, ", ") + ")"
}

func elementsOf(columns []string) []string {
	elements := make([]string, len(columns))
	for i, column := range columns {
		elements[i] = postgres.Ident(column)
	}
	return elements
}

// oneLine is SQL as a message shows it.
func oneLine(sql string) string { return strings.Join(strings.Fields(sql), " ") }

// nulls stand in the way of NOT NULL.
type nulls struct {
	columns []string
	only    bool
}

func (nulls) kind() Kind          { return Nulls }
func (nulls) others() []tableName { return nil }

func (q nulls) ask(at place) string {
	open := slices.DeleteFunc(slices.Clone(q.columns), func(c string) bool { return slices.Contains(at.table.Required, c) })
	if !at.has(q.columns...) || len(open) == 0 {
		return ""
	}
	return at.bad(fmt.Sprintf("select %s from %s where %s", at.table.key(at.table.Name), at.table.sql(q.only),
		strings.Join(elementsOf(open), " is null or ")+" is null"))
}

func (q nulls) found(a Amount, table string) string {
	return fmt.Sprintf("%s of %s no value in %s", a.rows(), table+a.verb(" has", " have"), strings.Join(q.columns, " or "))
}

func (q nulls) next(table string) string {
	return fmt.Sprintf("give the rows of %s a value in %s, in a file before this one or by hand", table, strings.Join(q.columns, " and "))
}

// duplicates stand in the way of UNIQUE.
type duplicates struct {
	elements   []string // SQL of what has to be unique together
	columns    []string // that are elements
	where      string
	nullsEqual bool
	index      string
}

func (duplicates) kind() Kind          { return Duplicates }
func (duplicates) others() []tableName { return nil }

func (q duplicates) ask(at place) string {
	if !at.has(q.columns...) || at.index != nil && at.index.Valid {
		return ""
	}
	var conditions, places []string
	for i, element := range q.elements {
		places = append(places, fmt.Sprint(i+1))
		if !q.nullsEqual {
			conditions = append(conditions, "("+element+") is not null")
		}
	}
	if q.where != "" {
		conditions = append(conditions, "("+q.where+")")
	}
	where := ""
	if len(conditions) > 0 {
		where = " where " + strings.Join(conditions, " and ")
	}
	key := at.table.key(at.table.Name)
	return at.bad(fmt.Sprintf("select k from (select %s, min(%s) || ' and ' || max(%s) as k from %s%s group by %s having count(*) > 1) as d",
		numbered(q.elements), key, key, at.table.sql(true), where, strings.Join(places, ", ")))
}

// numbered gives each element a name that no other has.
func numbered(elements []string) string {
	named := make([]string, len(elements))
	for i, element := range elements {
		named[i] = fmt.Sprintf("%s as e%d", element, i+1)
	}
	return strings.Join(named, ", ")
}

func (q duplicates) subject() string { return "(" + oneLine(strings.Join(q.elements, ", ")) + ")" }

func (q duplicates) found(a Amount, table string) string {
	return fmt.Sprintf("%s of %s in %s more than once", a.of("value", "values"), q.subject(), table+a.verb(" occurs", " occur"))
}

func (q duplicates) next(table string) string {
	return fmt.Sprintf("make the rows of %s differ in %s, in a file before this one or by hand", table, q.subject())
}

// orphans stand in the way of a foreign key.
type orphans struct {
	columns []string
	parent  tableName
	keys    []string // empty: the parent's primary key
	full    bool     // MATCH FULL
}

func (orphans) kind() Kind            { return Orphans }
func (q orphans) others() []tableName { return []tableName{q.parent} }

func (q orphans) ask(at place) string {
	if !at.has(q.columns...) || at.parent == nil {
		return ""
	}
	keys := q.keys
	if len(keys) == 0 {
		keys = at.parent.Key
	}
	if len(keys) != len(q.columns) || !at.parent.has(keys) {
		return ""
	}
	var given, missing, equal []string
	for i, column := range q.columns {
		child := postgres.Ident("child", column)
		given, missing = append(given, child+" is not null"), append(missing, child+" is null")
		equal = append(equal, postgres.Ident("parent", keys[i])+" = "+child)
	}
	where := fmt.Sprintf("%s and not exists (select from %s as parent where %s)", strings.Join(given, " and "), at.parent.sql(true), strings.Join(equal, " and "))
	if q.full && len(given) > 1 {
		where = fmt.Sprintf("(%s) or (%s) and (%s)", where, strings.Join(given, " or "), strings.Join(missing, " or "))
	}
	return at.bad(fmt.Sprintf("select %s from %s as child where %s", at.table.key("child"), at.table.sql(true), where))
}

func (q orphans) found(a Amount, table string) string {
	return fmt.Sprintf("%s of %s to no row of %s by %s", a.rows(), table+a.verb(" points", " point"), q.parent.name, strings.Join(q.columns, ", "))
}

func (q orphans) next(table string) string {
	return fmt.Sprintf("delete those rows of %s, point them elsewhere, or add the missing rows of %s", table, q.parent.name)
}

// broken are rows that break a check.
type broken struct {
	expression string
	only       bool
}

func (broken) kind() Kind          { return Broken }
func (broken) others() []tableName { return nil }

func (q broken) ask(at place) string {
	return at.bad(fmt.Sprintf("select %s from %s where not (%s)", at.table.key(at.table.Name), at.table.sql(q.only), q.expression))
}

func (q broken) found(a Amount, table string) string {
	return fmt.Sprintf("%s of %s the check (%s)", a.rows(), table+a.verb(" breaks", " break"), oneLine(q.expression))
}

func (q broken) next(table string) string {
	return fmt.Sprintf("change the rows of %s, in a file before this one or by hand, or loosen the check", table)
}

// required is a new column that existing rows have no value for.
type required struct {
	column, typ string
}

func (required) kind() Kind          { return Required }
func (required) others() []tableName { return nil }

// ask leaves types out that have a default of their own, as a domain may.
func (q required) ask(at place) string {
	if at.has(q.column) {
		return ""
	}
	return at.bad(fmt.Sprintf("select %s from %s where exists (select from pg_type where oid = to_regtype(%s) and typdefault is null)",
		at.table.key(at.table.Name), at.table.sql(false), postgres.Literal(q.typ)))
}

func (q required) found(a Amount, table string) string {
	return fmt.Sprintf("%s of %s no value for the new column %s, which must have one", a.rows(), table+a.verb(" would have", " would have"), q.column)
}

func (q required) next(string) string {
	return fmt.Sprintf("give column %s a default; or add it without NOT NULL, fill it, and set NOT NULL in a later file", q.column)
}
