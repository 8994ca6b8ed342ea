package mapping

import (
	"fmt"
	"slices"
	"strings"

	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
)

// trial is what has to be tried over the rows of one legacy table.
type trial struct {
	table  string // for people
	from   string // quoted and qualified
	where  string // compiled
	filter string // as it was written
	sure   string // rows for which it is true needn't be tried; "": all are
	key    string // SQL: text that names a row
	groups []group
}

// over makes the trials of some groups: those that are sure of some rows are evaluated apart, over the other rows.
func (t trial) over(groups []group) []trial {
	all, some := t, t
	var sure []string
	for _, g := range groups {
		if g.sure == "" {
			all.groups = append(all.groups, g)
			continue
		}
		some.groups = append(some.groups, g)
		if !slices.Contains(sure, g.sure) {
			sure = append(sure, g.sure)
		}
	}
	var trials []trial
	if len(all.groups) > 0 || t.where != "" {
		trials = append(trials, all)
	}
	if len(some.groups) > 0 {
		some.sure = "(" + strings.Join(sure, ") and (") + ")"
		trials = append(trials, some)
	}
	return trials
}

// group is what is evaluated together: the checks of one column or rule. A row for which one can't be evaluated fails the group.
type group struct {
	object   string
	written  string // the expression, for people
	severity inspect.Severity
	values   []value  // that its checks, or what is derived, use
	derived  *derived // made of the columns' expressions: where one fails, so does this; nil: the checks use values only
	checks   []check
	sure     string // a condition over the legacy row that none of its checks needs; "": none is known
}

// check is a condition that is true for bad rows. It names columns of the legacy row, values, and what is derived.
type check struct {
	bad  string
	code string
	says string // what is wrong with such rows
	hint string
}

// value is an expression of the mapping over the legacy row. However many checks name it, it is computed once a row.
type value struct {
	name   string
	column string // of the target, that it fills
	sql    string
}

// derived is an expression over the row that the target would hold.
type derived struct {
	name  string
	table string // of the target
	sql   string
}

// legacyRows is SQL for rows of a legacy table with the values and all that is derived beside its own columns.
type legacyRows struct {
	from    string // quoted and qualified
	where   []string
	values  []value
	derived []derived
}

// rows are those that the filter leaves, with what some groups name and nothing else: an expression that fails must not fail
// the groups of others. extra is one more condition, on ctid.
func (t trial) rows(extra string, groups ...group) legacyRows {
	rows := legacyRows{from: t.from}
	if extra != "" {
		rows.where = append(rows.where, extra)
	}
	if t.where != "" {
		rows.where = append(rows.where, "("+t.where+")")
	}
	if t.sure != "" {
		rows.where = append(rows.where, "("+t.sure+") is not true")
	}
	for _, g := range groups {
		rows = rows.with(g)
	}
	return rows
}

// with adds what a group names.
func (r legacyRows) with(g group) legacyRows {
	for _, v := range g.values {
		if !slices.Contains(r.values, v) {
			r.values = append(r.values, v)
		}
	}
	if g.derived != nil {
		r.derived = append(r.derived, *g.derived)
	}
	return r
}

// sql is what follows FROM. The offset keeps the planner from computing a value anew at each place that names it, or before the
// filter; written as text it is a constant from the start, which a parallel scan asks for. What is derived becomes part of
// the conditions that name it.
func (r legacyRows) sql() string {
	var sql strings.Builder
	sql.WriteString("(select ctid, *")
	for _, v := range r.values {
		fmt.Fprintf(&sql, ", (%s) as %s", v.sql, v.name)
	}
	sql.WriteString(" from only " + r.from)
	if len(r.where) > 0 {
		sql.WriteString(" where " + strings.Join(r.where, " and "))
	}
	sql.WriteString(" offset '0') as tenantctl_tried")
	columns := make([]string, len(r.values))
	for i, v := range r.values {
		columns[i] = v.name + " as " + postgres.Ident(v.column)
	}
	for _, d := range r.derived {
		fmt.Fprintf(&sql, ", lateral (select (%s) as %[2]s from (select %[3]s) as %[4]s) as %[2]s",
			d.sql, d.name, strings.Join(columns, ", "), postgres.Ident(d.table))
	}
	return sql.String()
}

// conditions are those of all checks of some groups.
func conditions(groups []group) []string {
	var bad []string
	for _, g := range groups {
		for _, check := range g.checks {
			bad = append(bad, check.bad)
		}
	}
	return bad
}

// anyOf is true for rows for which one condition is.
func anyOf(conditions []string) string {
	if len(conditions) == 0 {
		return "false"
	}
	return "((" + strings.Join(conditions, ") or (") + "))"
}
