package tui

import (
	"slices"
	"strings"
)

// filter is what `/` asks for: words that must be there, !words that mustn't, and key=value, all at once.
type filter struct {
	text  string
	terms []term
}

type term struct {
	key   string // "": anywhere in the text
	value string
	not   bool
}

// filterKeys are the keys that a filter of tenants knows.
func filterKeys() []string {
	return []string{"ring", "state", "route", "instance", "cell", "service", "op", "need"}
}

// parseFilter reads what is typed, while it is typed: whatever it is, it is a filter.
func parseFilter(s string) filter {
	f := filter{text: strings.TrimSpace(s)}
	for _, word := range strings.Fields(strings.ToLower(s)) {
		var t term
		word, t.not = strings.CutPrefix(word, "!")
		key, value, found := strings.Cut(word, "=")
		if unequal, is := strings.CutSuffix(key, "!"); found && is {
			key, t.not = unequal, !t.not
		}
		if found && slices.Contains(filterKeys(), key) {
			t.key, t.value = key, value
		} else {
			t.value = word
		}
		if t.value != "" {
			f.terms = append(f.terms, t)
		}
	}
	return f
}

// keeps tells whether something passes. Its text is lower case; of gives the value of a key. A value matches from its beginning,
// so that ring=can is enough.
func (f filter) keeps(text string, of func(key string) []string) bool {
	for _, t := range f.terms {
		var has bool
		if t.key == "" {
			has = strings.Contains(text, t.value)
		} else {
			has = slices.ContainsFunc(of(t.key), func(v string) bool { return strings.HasPrefix(strings.ToLower(v), t.value) })
		}
		if has == t.not {
			return false
		}
	}
	return true
}

// keepsText is keeps for what has no keys.
func (f filter) keepsText(text string) bool {
	return f.keeps(strings.ToLower(text), func(string) []string { return nil })
}
