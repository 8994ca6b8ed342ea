package lexer

import (
	"iter"
	"strings"
	"unicode/utf8"
)

// Tokens cuts sql into tokens, blanks and comments included.
func Tokens(sql string) iter.Seq[Token] {
	return func(yield func(Token) bool) {
		for pos := 0; pos < len(sql); {
			token := next(sql[pos:])
			token.Pos = pos
			if !yield(token) {
				return
			}
			pos += len(token.Text)
		}
	}
}

// next is the token at the start of s, which isn't empty.
func next(s string) Token {
	c := s[0]
	switch {
	case isSpace(c):
		return Token{Kind: Whitespace, Text: s[:span(s, isSpace)]}
	case strings.HasPrefix(s, "--"):
		return Token{Kind: Comment, Text: s[:lineEnd(s)]}
	case strings.HasPrefix(s, "/*"):
		length, closed := blockComment(s)
		return Token{Kind: Comment, Text: s[:length], Unterminated: !closed}
	case c == '\'':
		return quoted(s, Plain)
	case c == '"':
		return quotedName(s, 0, Quoted)
	case c == '$':
		return dollar(s)
	case isNumber(s):
		return Token{Kind: Number, Text: s[:number(s)]}
	case isNameStart(c):
		return prefixed(s)
	}
	return Token{Kind: Symbol, Text: s[:symbol(s)]}
}

// prefixed is a name, or a string whose quote has a letter before it.
func prefixed(s string) Token {
	if len(s) > 1 && s[1] == '\'' {
		switch s[0] {
		case 'e', 'E':
			return quoted(s, Escape)
		case 'b', 'B':
			return quoted(s, Bit)
		case 'x', 'X':
			return quoted(s, Hex)
		}
	}
	if len(s) > 2 && (s[0] == 'u' || s[0] == 'U') && s[1] == '&' {
		switch s[2] {
		case '\'':
			return withEscape(s, quoted(s, Unicode))
		case '"':
			return withEscape(s, quotedName(s, 2, Unicode))
		}
	}
	return Token{Kind: Identifier, Text: s[:span(s, isNamePart)]}
}

// quoted is the string constant at the start of s, with the pieces that continue it on further lines.
func quoted(s string, form Form) Token {
	pos := prefixLength(form) + 1
	for {
		length, closed := quoteBody(s[pos:], form == Escape)
		pos += length
		if !closed {
			return Token{Kind: String, Form: form, Text: s, Unterminated: true}
		}
		gap, ok := continuation(s[pos:])
		if !ok {
			return Token{Kind: String, Form: form, Text: s[:pos]}
		}
		pos += gap
	}
}

// quoteBody measures up to and with the closing quote; the opening one was read.
func quoteBody(s string, backslashes bool) (length int, closed bool) {
	for i := 0; i < len(s); i++ {
		switch {
		case backslashes && s[i] == '\\':
			i++
		case s[i] != '\'':
		case i+1 < len(s) && s[i+1] == '\'':
			i++
		default:
			return i + 1, true
		}
	}
	return len(s), false
}

// continuation measures what lies between a closing quote and the opening quote of the next piece, that quote included.
// Pieces are one string only when a line break parts them.
func continuation(s string) (length int, ok bool) {
	broken := false
	for i := 0; i < len(s); {
		switch {
		case s[i] == '\'':
			return i + 1, broken
		case isSpace(s[i]):
			broken = broken || s[i] == '\n' || s[i] == '\r'
			i++
		case strings.HasPrefix(s[i:], "--"):
			i += lineEnd(s[i:])
		default:
			return 0, false
		}
	}
	return 0, false
}

func quotedName(s string, prefix int, form Form) Token {
	for i := prefix + 1; i < len(s); i++ {
		switch {
		case s[i] != '"':
		case i+1 < len(s) && s[i+1] == '"':
			i++
		default:
			return Token{Kind: Identifier, Form: form, Text: s[:i+1]}
		}
	}
	return Token{Kind: Identifier, Form: form, Text: s, Unterminated: true}
}

// dollar is a parameter, a dollar-quoted string or a lone dollar.
func dollar(s string) Token {
	if n := digits(s[1:], len(s), 10); n > 0 {
		return Token{Kind: Parameter, Text: s[:1+n]}
	}
	tag := 1
	if tag < len(s) && isNameStart(s[tag]) {
		tag += span(s[tag:], isTagPart)
	}
	if tag == len(s) || s[tag] != '$' {
		return Token{Kind: Symbol, Text: s[:1]}
	}
	fence := s[:tag+1]
	end := strings.Index(s[len(fence):], fence)
	if end < 0 {
		return Token{Kind: String, Form: Dollar, Text: s, Unterminated: true}
	}
	return Token{Kind: String, Form: Dollar, Text: s[:end+2*len(fence)]}
}

// withEscape looks behind a U& form for its UESCAPE clause: UESCAPE 'c'.
func withEscape(s string, token Token) Token {
	rest := skipBlanks(s[len(token.Text):])
	n := span(rest, isNamePart)
	if !strings.EqualFold(rest[:n], "uescape") {
		return token
	}
	rest = skipBlanks(rest[n:])
	if strings.HasPrefix(rest, "'") {
		if escape, size := utf8.DecodeRuneInString(rest[1:]); strings.HasPrefix(rest[1+size:], "'") {
			token.escape = escape
		}
	}
	return token
}

func skipBlanks(s string) string {
	for s != "" {
		switch {
		case isSpace(s[0]):
			s = s[1:]
		case strings.HasPrefix(s, "--"):
			s = s[lineEnd(s):]
		case strings.HasPrefix(s, "/*"):
			length, _ := blockComment(s)
			s = s[length:]
		default:
			return s
		}
	}
	return s
}
