package lint

import (
	"fmt"
	"slices"
	"strings"
)

// Severity is how much a finding matters.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // stops clients' work, loses data or fails
	Warning Severity = "warning" // should be read before it runs
	Info    Severity = "info"    // so that nothing is silent
)

// Severities lists them, the gravest first.
func Severities() []Severity { return []Severity{Error, Warning, Info} }

// AtLeast tells whether a severity is as grave as another.
func (s Severity) AtLeast(other Severity) bool {
	return slices.Index(Severities(), s) <= slices.Index(Severities(), other)
}

// Direction is the way that a file goes.
type Direction string

// The directions.
const (
	Up   Direction = "up"
	Down Direction = "down"
)

// Finding is one thing that a rule found.
type Finding struct {
	Rule     string   `json:"rule"`
	Name     string   `json:"name"`
	Severity Severity `json:"severity"`
	Line     int      `json:"line"`
	Column   int      `json:"column"`
	// Object is what the statement is about: the key of a table where one is locked.
	Object  string `json:"object,omitempty"`
	Message string `json:"message"`
	Why     string `json:"why"`
	// Rewrite is the safe way.
	Rewrite Rewrite `json:"rewrite"`
	// Size is how large the table is, where a database was asked.
	Size *Size `json:"size,omitempty"`
	// Reason is why somebody decided to let it be, of a finding that was suppressed.
	Reason string `json:"reason,omitempty"`

	statement int // index within the script; -1 of the whole file
	sized     bool
}

// Rewrite is the safe way in place of a statement: files of SQL, in the order in which they have to run, or words where SQL
// can't say it.
type Rewrite struct {
	Files []string `json:"files,omitempty"`
	Note  string   `json:"note,omitempty"`
}

// sql is a rewrite of several files.
func sql(files ...string) Rewrite { return Rewrite{Files: files} }

// words is a rewrite that SQL can't say.
func words(format string, args ...any) Rewrite { return Rewrite{Note: fmt.Sprintf(format, args...)} }

// with adds words.
func (r Rewrite) with(format string, args ...any) Rewrite {
	r.Note = fmt.Sprintf(format, args...)
	return r
}

// String is the rewrite as people read it.
func (r Rewrite) String() string {
	var parts []string
	for i, file := range r.Files {
		text := file
		if len(r.Files) > 1 {
			text = fmt.Sprintf("-- file %d\n%s", i+1, file)
		}
		parts = append(parts, text)
	}
	if r.Note != "" {
		parts = append(parts, r.Note)
	}
	return strings.Join(parts, "\n")
}

// FileReport is what came of one file.
type FileReport struct {
	Path       string    `json:"path"`
	Version    uint64    `json:"version,omitempty"`
	Direction  Direction `json:"direction,omitempty"`
	Statements int       `json:"statements"`
	Findings   []Finding `json:"findings"`
	// Suppressed are those that an escape with a reason lets be.
	Suppressed []Finding `json:"suppressed"`
}

// ServiceReport is what came of one service's files.
type ServiceReport struct {
	Service string       `json:"service"`
	Files   []FileReport `json:"files"`
}

// Report is what came of a run.
type Report struct {
	Services []ServiceReport `json:"services"`
	// Tenants is how many tenants each file runs for; 0 unknown.
	Tenants int `json:"tenants"`
}

// Count counts findings of a severity.
func (r *Report) Count(severity Severity) int {
	n := 0
	r.each(func(f *Finding) {
		if f.Severity == severity {
			n++
		}
	})
	return n
}

// Suppressed counts the findings that escapes let be.
func (r *Report) Suppressed() int {
	n := 0
	for _, service := range r.Services {
		for _, file := range service.Files {
			n += len(file.Suppressed)
		}
	}
	return n
}

// Failed tells whether something was found that is as grave as this.
func (r *Report) Failed(at Severity) bool {
	failed := false
	r.each(func(f *Finding) { failed = failed || f.Severity.AtLeast(at) })
	return failed
}

func (r *Report) each(visit func(*Finding)) {
	for s := range r.Services {
		for f := range r.Services[s].Files {
			findings := r.Services[s].Files[f].Findings
			for i := range findings {
				visit(&findings[i])
			}
		}
	}
}
