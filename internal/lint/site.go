package lint

import (
	"fmt"

	"tenantctl/internal/lint/parse"
)

// site is where a rule looks: a statement in its script.
type site struct {
	*script
	*statement
	rule *Rule
}

// report says what was found at an offset of the script.
func (s *site) report(pos int, object string, rewrite Rewrite, format string, args ...any) {
	s.found(s.rule, s.statement, pos, object, s.rule.Severity, rewrite, fmt.Sprintf(format, args...))
}

// reportAs does so with a severity that isn't the rule's.
func (s *site) reportAs(severity Severity, pos int, object string, rewrite Rewrite, format string, args ...any) {
	s.found(s.rule, s.statement, pos, object, severity, rewrite, fmt.Sprintf(format, args...))
}

// eachAlter visits the actions of ALTER TABLE on tables that may have rows, of the kinds asked for; of every kind where none is.
func (s *site) eachAlter(visit func(alteration), subtypes ...string) {
	for _, a := range s.alters {
		if s.fresh(a.table) {
			continue
		}
		if len(subtypes) == 0 {
			visit(a)
		}
		for _, subtype := range subtypes {
			if a.Subtype == subtype {
				visit(a)
			}
		}
	}
}

// eachConstraint visits constraints of a kind that are added to tables that may have rows.
func (s *site) eachConstraint(visit func(alteration, *parse.Constraint), kind string) {
	s.eachAlter(func(a alteration) {
		if c := a.Def.Constraint; c != nil && c.Type == kind {
			visit(a, c)
		}
	}, "AT_AddConstraint")
}

// eachInline visits constraints of a kind that come with a new column of a table that may have rows.
func (s *site) eachInline(visit func(alteration, columnParts, int), kind string) {
	s.eachAlter(func(a alteration) {
		parts := a.column(s.sql)
		for i, c := range parts.constraints {
			if c.Type == kind {
				visit(a, parts, i)
			}
		}
	}, "AT_AddColumn")
}
