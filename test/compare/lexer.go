package compare

import "strings"

// tokenKind tells apart the few kinds of words that matter when schema names are looked for.
type tokenKind int

const (
	other   tokenKind = iota // operators, numbers, white space
	word                     // an identifier without quotes
	quoted                   // an identifier in double quotes
	text                     // a string constant, whatever its quotes
	comment                  // either kind of comment
)

// token is a piece of SQL. open + its value as it stands + end is what was read.
type token struct {
	kind      tokenKind
	raw       string
	value     string // identifiers: folded or without quotes; strings and comments: what is inside
	blank     bool   // nothing but white space
	open, end string
}

// tokens cuts a text of SQL (or of anything: it never fails) into tokens. What isn't closed ends with the text.
func tokens(s string) []token {
	var list []token
	for len(s) > 0 {
		t := nextToken(s)
		list = append(list, t)
		s = s[len(t.raw):]
	}
	return list
}

func nextToken(s string) token {
	switch {
	case isSpace(s[0]):
		end := 1
		for end < len(s) && isSpace(s[end]) {
			end++
		}
		return token{raw: s[:end], blank: true}
	case strings.HasPrefix(s, "--"):
		end := strings.IndexByte(s, '\n')
		if end < 0 {
			end = len(s)
		}
		return token{kind: comment, raw: s[:end], value: s[2:end], open: "--"}
	case strings.HasPrefix(s, "/*"):
		return blockComment(s)
	case s[0] == '"':
		raw, inside := quotedRun(s, '"', false)
		return token{kind: quoted, raw: raw, value: inside}
	case s[0] == '\'':
		raw, inside := quotedRun(s, '\'', false)
		return token{kind: text, raw: raw, value: inside, open: "'", end: "'"}
	case (s[0] == 'E' || s[0] == 'e') && len(s) > 1 && s[1] == '\'':
		raw, inside := quotedRun(s[1:], '\'', true)
		return token{kind: text, raw: s[:1] + raw, value: inside, open: "'", end: "'"}
	case s[0] == '$':
		return dollar(s)
	case isLetter(s[0]):
		end := 1
		for end < len(s) && (isLetter(s[end]) || s[end] == '$' || s[end] >= '0' && s[end] <= '9') {
			end++
		}
		return token{kind: word, raw: s[:end], value: strings.ToLower(s[:end])}
	}
	return token{raw: s[:1]}
}

// quotedRun reads from an opening quote to its closing one, a doubled quote being one, and a backslash an escape when asked.
func quotedRun(s string, quote byte, escapes bool) (raw, inside string) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case escapes && s[i] == '\\' && i+1 < len(s):
			if s[i+1] != quote && s[i+1] != '\\' {
				b.WriteByte('\\')
			}
			i++
			b.WriteByte(s[i])
		case s[i] != quote:
			b.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == quote:
			i++
			b.WriteByte(quote)
		default:
			return s[:i+1], b.String()
		}
	}
	return s, b.String()
}

// dollar reads a dollar-quoted string, or the dollar sign alone where it begins none.
func dollar(s string) token {
	end := 1
	for end < len(s) && (isLetter(s[end]) || end > 1 && s[end] >= '0' && s[end] <= '9') {
		end++
	}
	if end >= len(s) || s[end] != '$' {
		return token{raw: s[:1]}
	}
	tag := s[:end+1]
	size := strings.Index(s[len(tag):], tag)
	if size < 0 {
		return token{raw: s[:1]}
	}
	return token{kind: text, raw: s[:len(tag)*2+size], value: s[len(tag) : len(tag)+size], open: tag, end: tag}
}

func blockComment(s string) token {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
		}
		if depth == 0 {
			return token{kind: comment, raw: s[:i+1], value: s[2 : i-1], open: "/*", end: "*/"}
		}
	}
	return token{kind: comment, raw: s, value: s[2:], open: "/*"}
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// isLetter holds for what begins an identifier: every byte of a letter beyond ASCII counts.
func isLetter(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
