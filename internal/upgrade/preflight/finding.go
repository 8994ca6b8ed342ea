package preflight

import (
	"fmt"
	"strconv"
	"time"

	"tenantctl/internal/tenant"
)

// Kind is what was asked about.
type Kind string

// The kinds of findings.
const (
	Nulls      Kind = "nulls"      // before NOT NULL or a primary key
	Duplicates Kind = "duplicates" // before a unique constraint or index
	Orphans    Kind = "orphans"    // before a foreign key
	Broken     Kind = "broken"     // rows that break a check
	Required   Kind = "required"   // rows without a value for a new column
	Casts      Kind = "casts"      // values that a new type doesn't take
	Rewrite    Kind = "rewrite"    // a large table that is written anew
)

// Severity is what a finding means for its tenant.
type Severity string

// The severities.
const (
	Blocking Severity = "blocking" // the tenant will fail
	Warning  Severity = "warning"  // an earlier statement of the rollout may mend it
	Unknown  Severity = "unknown"  // it couldn't be found out
	Cost     Severity = "cost"     // it works, and takes long
)

// Finding is what one statement would meet in one tenant.
type Finding struct {
	Tenant    tenant.Name `json:"tenant"`
	Instance  string      `json:"instance"`
	Service   string      `json:"service"`
	File      string      `json:"file"`
	Line      int         `json:"line"`
	Statement string      `json:"statement"`
	Kind      Kind        `json:"kind"`
	Severity  Severity    `json:"severity"`
	Table     string      `json:"table"`
	Amount
	// Samples are primary keys of rows, or pairs of them; nothing else of a row is ever shown.
	Samples []string `json:"samples,omitempty"`
	Message string   `json:"message"`
	Next    string   `json:"next,omitempty"`
}

// Blocks tells that the tenant will fail.
func (f Finding) Blocks() bool { return f.Severity == Blocking }

// Amount is how much was found.
type Amount struct {
	Count int64 `json:"count,omitempty"` // rows, or values for duplicates
	More  bool  `json:"more,omitempty"`  // than Count: it was counted no further
	// Bytes is the size of a table with its indexes, and Takes an estimate from it, for rewrites.
	Bytes int64         `json:"bytes,omitempty"`
	Takes time.Duration `json:"takes,omitempty"`

	rate int64
}

func (a Amount) rows() string { return a.of("row", "rows") }

func (a Amount) of(one, many string) string {
	switch {
	case a.More && a.Count == 0:
		return "some " + many
	case a.More:
		return fmt.Sprintf("more than %d %s", a.Count, many)
	case a.Count == 1:
		return "1 " + one
	}
	return strconv.FormatInt(a.Count, 10) + " " + many
}

func (a Amount) verb(one, many string) string {
	if a.Count == 1 && !a.More {
		return one
	}
	return many
}

func size(bytes int64) string {
	const kilo = 1024
	units := []string{"B", "kB", "MB", "GB", "TB"}
	value, unit := float64(bytes), 0
	for value >= kilo && unit < len(units)-1 {
		value /= kilo
		unit++
	}
	if unit == 0 || value >= 10 {
		return fmt.Sprintf("%.0f %s", value, units[unit])
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}
