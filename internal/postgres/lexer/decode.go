package lexer

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const maxIdentifier = 63 // bytes; NAMEDATALEN - 1

// fold lowers A-Z and nothing else, as the server does in a UTF-8 database.
func fold(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			return strings.Map(func(r rune) rune {
				if r >= 'A' && r <= 'Z' {
					return r + 'a' - 'A'
				}
				return r
			}, s)
		}
	}
	return s
}

// clip cuts a name where the server does: at 63 bytes, never inside a character.
func clip(name string) string {
	if len(name) <= maxIdentifier {
		return name
	}
	end := maxIdentifier
	for end > 0 && !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end]
}

func undouble(s string, quote byte) string {
	q := string(quote)
	return strings.ReplaceAll(s, q+q, q)
}

// joinPieces takes out what stands between the pieces of a string that continues over a line break: quote, blanks and
// comments, quote. Within a piece quotes come only doubled or after a backslash, and neither is followed by a blank.
func joinPieces(s string) string {
	if !strings.ContainsAny(s, "\n\r") {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			out.WriteString(s[i : i+2])
			i += 2
		case s[i] == '\'' && strings.HasPrefix(s[i:], "''"):
			out.WriteString("''")
			i += 2
		case s[i] == '\'':
			gap, ok := continuation(s[i+1:])
			if !ok {
				out.WriteByte(s[i])
				i++
				continue
			}
			i += 1 + gap
		default:
			out.WriteByte(s[i])
			i++
		}
	}
	return out.String()
}

// simpleEscapes are those of E” strings that are one letter.
const simpleEscapes = "b\bf\fn\nr\rt\tv\v"

func decodeEscapes(s string) string {
	var out strings.Builder
	var high rune // of a surrogate pair
	for i := 0; i < len(s); {
		if s[i] != '\\' || i+1 == len(s) {
			if strings.HasPrefix(s[i:], "''") {
				i++
			}
			out.WriteByte(s[i])
			i++
			continue
		}
		c := s[i+1]
		i += 2
		switch {
		case c >= '0' && c <= '7':
			n := digits(s[i-1:], 3, 8)
			out.WriteByte(byte(parse(s[i-1:i-1+n], 8)))
			i += n - 1
		case c == 'x' && digits(s[i:], 2, 16) > 0:
			n := digits(s[i:], 2, 16)
			out.WriteByte(byte(parse(s[i:i+n], 16)))
			i += n
		case c == 'u' && digits(s[i:], 4, 16) == 4:
			high = writeRune(&out, high, parse(s[i:i+4], 16))
			i += 4
		case c == 'U' && digits(s[i:], 8, 16) == 8:
			high = writeRune(&out, high, parse(s[i:i+8], 16))
			i += 8
		default:
			out.WriteByte(simpleEscape(c))
		}
	}
	return out.String()
}

func simpleEscape(c byte) byte {
	for i := 0; i < len(simpleEscapes); i += 2 {
		if simpleEscapes[i] == c {
			return simpleEscapes[i+1]
		}
	}
	return c
}

// decodeUnicode undoes the \XXXX and \+XXXXXX of a U& form; escape is its UESCAPE character, 0 meaning a backslash.
func decodeUnicode(s string, escape rune) string {
	if escape == 0 {
		escape = '\\'
	}
	var out strings.Builder
	var high rune
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		rest := s[i+size:]
		switch {
		case r != escape:
			out.WriteString(s[i : i+size])
			i += size
		case digits(rest, 4, 16) == 4:
			high = writeRune(&out, high, parse(rest[:4], 16))
			i += size + 4
		case strings.HasPrefix(rest, "+") && digits(rest[1:], 6, 16) == 6:
			high = writeRune(&out, high, parse(rest[1:7], 16))
			i += size + 7
		default: // the escape doubled, or text that the server refuses
			out.WriteRune(escape)
			i += size
			if strings.HasPrefix(rest, string(escape)) {
				i += size
			}
		}
	}
	return out.String()
}

// writeRune writes a code point; of a surrogate pair it keeps the first half, which it returns, until the second comes.
func writeRune(out *strings.Builder, high, r rune) rune {
	if r >= 0xD800 && r < 0xDC00 {
		return r
	}
	if high != 0 {
		r = utf16.DecodeRune(high, r)
	}
	out.WriteRune(r)
	return 0
}

// digits counts the leading digits of a base, limit at most.
func digits(s string, limit int, base byte) int {
	n := 0
	for n < limit && n < len(s) && isDigit(s[n], base) {
		n++
	}
	return n
}

func isDigit(c, base byte) bool {
	switch {
	case c >= '0' && c <= '9':
		return c-'0' < base
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return base == 16
	}
	return false
}

func parse(s string, base int) rune {
	n, err := strconv.ParseUint(s, base, 32)
	if err != nil || n > utf8.MaxRune {
		return utf8.RuneError
	}
	return rune(n)
}
