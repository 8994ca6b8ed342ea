package config

import (
	"fmt"
	"slices"
	"strings"

	"tenantctl/internal/tenant"
)

// Problem is one thing wrong with a file. It wraps tenant.ErrInvalid and never holds a secret.
type Problem struct {
	Place
	Path    string `json:"path,omitempty"` // which value: tenants.client-x.ring
	Message string `json:"message"`

	cause error
}

// Error is the problem on one line: file:line:column: path: message.
func (p *Problem) Error() string {
	if p.Path == "" {
		return fmt.Sprintf("%s: %s", p.Place, p.Message)
	}
	return fmt.Sprintf("%s: %s: %s", p.Place, p.Path, p.Message)
}

// Unwrap gives tenant.ErrInvalid and the cause where there is one.
func (p *Problem) Unwrap() []error {
	if p.cause == nil {
		return []error{tenant.ErrInvalid}
	}
	return []error{tenant.ErrInvalid, p.cause}
}

// Problems are all that is wrong, in the order in which it stands in the files.
type Problems []*Problem

// maxShown bounds the error text: one wrong ring name may be a problem of every tenant.
const maxShown = 100

// Error has a line for each problem, the first hundred of them.
func (p Problems) Error() string {
	lines := make([]string, 0, min(len(p), maxShown)+1)
	for i, problem := range p {
		if i == maxShown {
			lines = append(lines, fmt.Sprintf("... and %d more problems", len(p)-maxShown))
			break
		}
		lines = append(lines, problem.Error())
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.Is and errors.As see each problem.
func (p Problems) Unwrap() []error {
	all := make([]error, len(p))
	for i, problem := range p {
		all[i] = problem
	}
	return all
}

// sorted puts the problems into reading order; files keep the order given.
func (p Problems) sorted(files []string) Problems {
	slices.SortStableFunc(p, func(a, b *Problem) int {
		if a.File != b.File {
			return slices.Index(files, a.File) - slices.Index(files, b.File)
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return p
}
