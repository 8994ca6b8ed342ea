package lexer

import "strings"

func isSpace(c byte) bool {
	return c == ' ' || c >= '\t' && c <= '\r'
}

func isNameStart(c byte) bool {
	return c == '_' || c >= 0x80 || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func isNamePart(c byte) bool { return isTagPart(c) || c == '$' }

func isTagPart(c byte) bool { return isNameStart(c) || isDigit(c, 10) }

// span measures the leading run of a class.
func span(s string, class func(byte) bool) int {
	n := 0
	for n < len(s) && class(s[n]) {
		n++
	}
	return n
}

func lineEnd(s string) int {
	if end := strings.IndexAny(s, "\n\r"); end >= 0 {
		return end
	}
	return len(s)
}

// blockComment measures a comment and those nested in it.
func blockComment(s string) (length int, closed bool) {
	depth := 0
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], "/*"):
			depth++
			i += 2
		case strings.HasPrefix(s[i:], "*/"):
			depth--
			i += 2
			if depth == 0 {
				return i, true
			}
		default:
			i++
		}
	}
	return len(s), false
}

func isNumber(s string) bool {
	return isDigit(s[0], 10) || s[0] == '.' && len(s) > 1 && isDigit(s[1], 10)
}

// number measures an integer, a decimal with exponent, or PostgreSQL 16's 0x1F, 0o17 and 1_000. In 1..9 it stops before the dots.
func number(s string) int {
	if len(s) > 2 && s[0] == '0' {
		if base, ok := map[byte]byte{'x': 16, 'o': 8, 'b': 2}[s[1]|0x20]; ok && isDigit(s[2], base) {
			return 2 + grouped(s[2:], base)
		}
	}
	n := grouped(s, 10)
	if n < len(s) && s[n] == '.' && !strings.HasPrefix(s[n:], "..") {
		n++
		n += grouped(s[n:], 10)
	}
	return n + exponent(s[n:])
}

// grouped measures digits with single underscores between them.
func grouped(s string, base byte) int {
	n := 0
	for n < len(s) && (isDigit(s[n], base) || n > 0 && s[n] == '_' && n+1 < len(s) && isDigit(s[n+1], base)) {
		n++
	}
	return n
}

func exponent(s string) int {
	if s == "" || s[0]|0x20 != 'e' {
		return 0
	}
	n := 1
	if n < len(s) && (s[n] == '+' || s[n] == '-') {
		n++
	}
	count := grouped(s[n:], 10)
	if count == 0 {
		return 0
	}
	return n + count
}

const (
	operatorChars = "~!@#^&|`?+-*/%<>="
	// An operator of several characters ends in + or - only if it has one of these.
	allowTrailingSign = "~!@#^&|`?%"
)

// symbol measures an operator, or a mark that stands alone.
func symbol(s string) int {
	for _, mark := range []string{"::", "..", ":="} {
		if strings.HasPrefix(s, mark) {
			return len(mark)
		}
	}
	n := span(s, func(c byte) bool { return strings.IndexByte(operatorChars, c) >= 0 })
	if n == 0 {
		return 1
	}
	for _, comment := range []string{"--", "/*"} {
		if at := strings.Index(s[:n], comment); at > 0 {
			n = at
		}
	}
	for n > 1 && (s[n-1] == '+' || s[n-1] == '-') && !strings.ContainsAny(s[:n-1], allowTrailingSign) {
		n--
	}
	return n
}
