package inspect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tenantctl/internal/tenant"
)

// Severity is what a Finding means for the move.
type Severity string

// The severities of findings.
const (
	// Refusal: the move doesn't start.
	Refusal Severity = "refusal"
	// Warning: the move starts; somebody should read this first.
	Warning Severity = "warning"
	// Note: said so that nothing is silent.
	Note Severity = "note"
)

// Finding is one thing that a move must know, by name.
type Finding struct {
	Severity Severity `json:"severity"`
	Code     string   `json:"code"`   // stable, for scripts: "privilege", "large-object", "unmapped-column" ...
	Object   string   `json:"object"` // what it concerns: "table public.orders"
	Message  string   `json:"message"`
	Hint     string   `json:"hint,omitempty"` // what to do, typed or decided
}

// String is the finding on one line: what, why, what to do.
func (f Finding) String() string {
	line := f.Object + ": " + f.Message
	if f.Hint != "" {
		line += "; " + f.Hint
	}
	return line
}

// Sort orders findings: refusals first, then warnings, then notes; within each by code and object.
func Sort(findings []Finding) {
	rank := func(f Finding) int { return slices.Index([]Severity{Refusal, Warning, Note}, f.Severity) }
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Object, b.Object), cmp.Compare(a.Message, b.Message))
	})
}

// Refused is an error that wraps tenant.ErrRefused and lists every refusal, one a line; nil where there is none.
func Refused(findings []Finding) error {
	var lines []string
	for _, f := range findings {
		if f.Severity == Refusal {
			lines = append(lines, "- "+f.String())
		}
	}
	switch len(lines) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%w: nothing was touched; 1 thing stands in the way:\n%s", tenant.ErrRefused, lines[0])
	}
	return fmt.Errorf("%w: nothing was touched; %d things stand in the way:\n%s", tenant.ErrRefused, len(lines), strings.Join(lines, "\n"))
}
