// Package copy streams rows from the legacy database into the tenant's tables: COPY to COPY, rows framed but not decoded, memory
// bounded, in chunks that commit together with their mark and their hash, so that a copy that died goes on where it stopped.
package copy

// Format is the COPY format in which a table travels and is hashed.
type Format string

// The formats. Text is for tables whose binary form isn't the same on both sides: it holds OIDs, or a type has none.
const (
	Binary Format = "binary"
	Text   Format = "text"
)

// Table is one table's way from the legacy database to the tenant's schema. Lift and mapping both compile to it.
type Table struct {
	Name    string // stable key in marks, progress and reports: the legacy table as people write it, public."Orders"
	Source  Source
	Target  Target
	Columns []Column
	// Generated are stored columns that the target computes by itself, and what the source holds in them: compared, not copied.
	Generated []Column
	Where     string // SQL condition over the legacy row; "": all rows
	Format    Format
	Key       []string // target columns that tell rows apart, for naming differing rows; nil: none
}

// Source is where rows come from.
type Source struct {
	OID      uint32
	Schema   string
	Name     string
	Pages    int64  // of the heap
	Bytes    int64  // heap and TOAST
	Rows     int64  // estimate
	Filenode uint32 // must be the same before and after each chunk
}

// Target is where rows go.
type Target struct {
	Schema string
	Name   string
}

// Column is one column of the target and what fills it.
type Column struct {
	Target string // column name
	Expr   string // SQL over the legacy row; for a lift the quoted column itself
}
