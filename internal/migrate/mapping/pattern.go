package mapping

import (
	"fmt"
	"strings"
)

// Pattern selects tables by name; * stands for any run of characters: public.custom_*, public."Custom*", *.*.
type Pattern struct {
	Schema string // "": the schemas of the legacy search path
	Name   string
	text   string
}

// ParsePattern reads a pattern. As in SQL, a part without quotes is folded to lower case; * works in quotes too.
func ParsePattern(text string) (Pattern, error) {
	parts, err := splitPattern(text)
	if err != nil {
		return Pattern{}, err
	}
	switch len(parts) {
	case 1:
		return Pattern{Name: parts[0], text: text}, nil
	case 2:
		return Pattern{Schema: parts[0], Name: parts[1], text: text}, nil
	}
	return Pattern{}, fmt.Errorf("%s has %d parts; a pattern is schema.table or table", text, len(parts))
}

// String is the pattern as it was written.
func (p Pattern) String() string { return p.text }

// Matches tells whether a table is meant. searchPath are the schemas of a pattern that names none.
func (p Pattern) Matches(schema, name string, searchPath []string) bool {
	if !like(p.Name, name) {
		return false
	}
	if p.Schema != "" {
		return like(p.Schema, schema)
	}
	for _, s := range searchPath {
		if s == schema {
			return true
		}
	}
	return false
}

// splitPattern cuts at the dots outside quotes.
func splitPattern(text string) ([]string, error) {
	var parts []string
	rest := strings.TrimSpace(text)
	for {
		part, after, err := patternPart(text, rest)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
		if after == "" {
			return parts, nil
		}
		if after[0] != '.' {
			return nil, notAPattern(text)
		}
		rest = after[1:]
	}
}

// patternPart reads the part at the start of s, in quotes or not.
func patternPart(text, s string) (part, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexFunc(s, func(c rune) bool { return c != '*' && c != '_' && c != '$' && c < 0x80 && !isWordRune(c) })
		if end < 0 {
			end = len(s)
		}
		if end == 0 {
			return "", "", notAPattern(text)
		}
		return foldASCII(s[:end]), s[end:], nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '"' {
			b.WriteByte(s[i])
			continue
		}
		if strings.HasPrefix(s[i:], `""`) {
			b.WriteByte('"')
			i++
			continue
		}
		if b.Len() == 0 {
			return "", "", notAPattern(text)
		}
		return b.String(), s[i+1:], nil
	}
	return "", "", fmt.Errorf("%s has a quote that isn't closed", text)
}

func isWordRune(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// foldASCII lowers A-Z and nothing else, as the server does with names in a UTF-8 database.
func foldASCII(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'A' && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}, s)
}

func notAPattern(text string) error {
	return fmt.Errorf(`%q is not a pattern; write public.custom_* or public."Custom*", where * stands for any characters`, text)
}

// like matches a text against a pattern in which * stands for any run of characters.
func like(pattern, text string) bool {
	head, rest, found := strings.Cut(pattern, "*")
	if !found {
		return pattern == text
	}
	if !strings.HasPrefix(text, head) {
		return false
	}
	text = text[len(head):]
	for {
		var middle string
		if middle, rest, found = strings.Cut(rest, "*"); !found {
			return strings.HasSuffix(text, middle)
		}
		at := strings.Index(text, middle)
		if at < 0 {
			return false
		}
		text = text[at+len(middle):]
	}
}
