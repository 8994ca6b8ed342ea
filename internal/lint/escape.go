package lint

import (
	"regexp"
	"strings"

	"tenantctl/internal/postgres/lexer"
)

// escape is a comment that lets findings be: -- lint:ignore R1,R7 reason. Before a statement, within it or behind it on its last
// line it is about that statement; lint:ignore-file is about the file.
type escape struct {
	rules  []string
	reason string
	whole  bool // of the file
	pos    int
	end    int
	used   map[string]bool
	fault  string // why it isn't one; "" else
}

// irreversible is a comment that says that there is no way back, and why: -- tenantctl:irreversible reason.
type irreversible struct {
	reason string
	pos    int
}

var (
	escapeForm       = regexp.MustCompile(`^lint:(ignore-file|ignore)(?:[ \t]+(.*))?$`)
	escapeLike       = regexp.MustCompile(`(?i)^lint[: -]*(ignore|disable|nolint)|^nolint`)
	rulesForm        = regexp.MustCompile(`^([A-Za-z]+[0-9]+(?:[ \t]*,[ \t]*[A-Za-z]+[0-9]+)*)(?:[ \t:]+(.*))?$`)
	irreversibleForm = regexp.MustCompile(`^tenantctl:irreversible(?:[ \t:]+(.*))?$`)
)

// escapes reads the comments of a script.
func readComments(sql string, book rulebook) (escapes []*escape, marks []irreversible) {
	for token := range lexer.Tokens(sql) {
		if token.Kind != lexer.Comment {
			continue
		}
		text := commentText(token.Text)
		if match := irreversibleForm.FindStringSubmatch(text); match != nil {
			marks = append(marks, irreversible{reason: strings.TrimSpace(match[1]), pos: token.Pos})
			continue
		}
		if e, ok := parseEscape(text, book); ok {
			e.pos, e.end = token.Pos, token.End()
			escapes = append(escapes, e)
		}
	}
	return escapes, marks
}

// commentText is a comment without its marks.
func commentText(text string) string {
	if rest, found := strings.CutPrefix(text, "--"); found {
		return strings.TrimSpace(rest)
	}
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(text, "/*"), "*/"))
}

// parseEscape reads the text of a comment; false where it is about something else.
func parseEscape(text string, book rulebook) (*escape, bool) {
	match := escapeForm.FindStringSubmatch(text)
	if match == nil {
		if escapeLike.MatchString(text) {
			return &escape{fault: "an escape is written -- lint:ignore RULE reason"}, true
		}
		return nil, false
	}
	e := &escape{whole: match[1] == "ignore-file", used: map[string]bool{}}
	parts := rulesForm.FindStringSubmatch(strings.TrimSpace(match[2]))
	if parts == nil {
		e.fault = "the escape names no rule: -- lint:" + match[1] + " R1 reason"
		return e, true
	}
	for _, id := range strings.Split(parts[1], ",") {
		id = strings.ToUpper(strings.TrimSpace(id))
		e.rules = append(e.rules, id)
		if !book.escapable(id) {
			e.fault = "no rule " + id + " can be escaped"
		}
	}
	e.reason = strings.TrimSpace(parts[2])
	if e.reason == "" && e.fault == "" {
		e.fault = "the escape of " + strings.Join(e.rules, ", ") + " gives no reason"
	}
	return e, true
}

// covers tells whether the escape lets a rule's findings be, and counts that it did.
func (e *escape) covers(rule string) bool {
	if e.fault != "" {
		return false
	}
	for _, id := range e.rules {
		if id == rule {
			e.used[id] = true
			return true
		}
	}
	return false
}
