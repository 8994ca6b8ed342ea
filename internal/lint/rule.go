package lint

import "slices"

// Rule is one thing that lint looks for.
type Rule struct {
	ID   string
	Name string
	// Severity holds where the size of the table isn't known.
	Severity Severity
	// Sized tells that it is about how long a table stays locked, so that the severity follows the table's size.
	Sized bool
	// What is looked for, and Why it matters: a sentence each.
	What, Why string
	// Examples are what the documentation shows and the tests run.
	Examples []Example

	check func(*site)   // once for each statement
	whole func(*script) // once for each file, after its statements
}

// Example is a migration that a rule finds, and what it lets pass.
type Example struct {
	// Given are files that ran before; nil stands for a small shop's.
	Given []string
	// Bad is the file that is found.
	Bad string
	// Down is the way back beside it; "" stands for a marker that there is none, NoFile for no file.
	Down string
	// Safe are files that do the same and aren't found; nil where the finding itself proposes them.
	Safe []string
	// SafeDown is the way back beside the last of Safe, as Down is.
	SafeDown string
}

// NoFile stands for a file that isn't there.
const NoFile = "\x00"

// Theme is a group of rules.
type Theme struct {
	Title string
	Intro string
	Rules []Rule
}

// Themes are all rules, in the order of the documentation.
func Themes() []Theme {
	return []Theme{lockTheme(), rewriteTheme(), compatibilityTheme(), transactionTheme(), tenantTheme(), hygieneTheme(), ownTheme()}
}

// Rules are all rules.
func Rules() []Rule {
	var all []Rule
	for _, theme := range Themes() {
		all = append(all, theme.Rules...)
	}
	return all
}

// The ids of the findings that are about lint itself.
const (
	syntaxID  = "L1"
	escapeID  = "L2"
	unusedID  = "L3"
	invalidID = "R30"
)

// ownTheme are findings about what lint was given to read.
func ownTheme() Theme {
	return Theme{
		Title: "Files and escapes",
		Intro: "About what lint itself was given to read. They can't be escaped.",
		Rules: []Rule{
			{
				ID: syntaxID, Name: "syntax", Severity: Error,
				What: "a file that PostgreSQL's grammar doesn't take",
				Why:  "The server would refuse it, and no other rule can read it.",
				Examples: []Example{{
					Bad: "alter tabel orders add column paid boolean;", Safe: []string{"alter table orders add column paid boolean;"},
				}},
			},
			{
				ID: escapeID, Name: "escape-without-reason", Severity: Error,
				What: "an escape that gives no reason, or names no rule",
				Why:  "Who reads the file in a year has to be able to judge whether the reason still holds.",
				Examples: []Example{{
					Bad:  "-- lint:ignore R18\ndrop table orders;",
					Safe: []string{"-- lint:ignore R18 replaced by sales in version 7, nothing has read it since\ndrop table orders;"},
				}},
			},
			{
				ID: unusedID, Name: "unused-escape", Severity: Warning,
				What: "an escape that nothing was found for",
				Why:  "It would hide the next thing that the rule finds there.",
				Examples: []Example{{
					Bad:  "-- lint:ignore R1 the table is small\nalter table orders add column paid boolean;",
					Safe: []string{"alter table orders add column paid boolean;"},
				}},
			},
		},
	}
}

// rulebook finds rules by their id.
type rulebook map[string]*Rule

func newRulebook(rules []Rule) rulebook {
	book := make(rulebook, len(rules))
	for i := range rules {
		book[rules[i].ID] = &rules[i]
	}
	return book
}

// escapable tells whether a rule can be escaped: those about lint itself can't.
func (b rulebook) escapable(id string) bool {
	return b[id] != nil && !slices.Contains([]string{syntaxID, escapeID, unusedID, invalidID}, id)
}
