package mapping

import "tenantctl/internal/config"

// Mapping is a mapping file, with the files that it extends merged in.
type Mapping struct {
	File   string
	Source *SourceVersion // nil: not checked
	Tables []Table
	Lift   []Pattern // tables carried as they are
	Ignore []Ignore
}

// SourceVersion is what the legacy schema says of its own version.
type SourceVersion struct {
	SQL    string // gives one value, on the legacy database
	Expect string // that value as text
	Place  config.Place
}

// Table is the way of one legacy table to one of the platform's.
type Table struct {
	From    Name
	To      string // in the tenant's schema
	Service string // whose stream made it; "": not said
	Columns []Column
	Where   *Where // nil: all rows
	Place   config.Place
}

// Column fills one column of the target.
type Column struct {
	Target  string
	Extra   string // key in the target's jsonb column, for extra.NAME; else ""
	SQL     string // over the legacy row
	Reverse []Reverse
	Place   config.Place // of the expression
}

// Reverse is how a legacy column is had back.
type Reverse struct {
	Column string // of the legacy table
	SQL    string // over the target's row
	Place  config.Place
}

// Where leaves rows behind, and says why.
type Where struct {
	SQL, Reason string
	Place       config.Place
}

// Ignore leaves a table or a column behind, and says why.
type Ignore struct {
	Table  Name
	Column string // "": the whole table
	Reason string
	Place  config.Place
}

// extraColumn is the target's column that keeps what only some clients have, by extra.NAME.
const extraColumn = "extra"

// key is the column as the file names it.
func (c Column) key() string {
	if c.Extra != "" {
		return extraColumn + "." + quoteName(c.Extra)
	}
	return quoteName(c.Target)
}

// object is what is ignored, as the file names it.
func (i Ignore) object() string {
	if i.Column == "" {
		return "table " + i.Table.String()
	}
	return "column " + i.Table.String() + "." + quoteName(i.Column)
}
