package lexer

import "strings"

// Kind is what a token is.
type Kind int

// The kinds of tokens.
const (
	// Identifier is a name or keyword; only grammar could tell them apart. Form is Plain, Quoted or Unicode.
	Identifier Kind = iota + 1
	// String is a constant in quotes. Form says which quotes; pieces continued over a line break are one token.
	String
	// Number is a numeric constant without its sign.
	Number
	// Symbol is an operator or a mark of punctuation.
	Symbol
	// Parameter is $1, $2 ...
	Parameter
	// Whitespace is a run of blanks and line breaks.
	Whitespace
	// Comment is one -- comment without its line break, or one /* comment */ with those nested in it.
	Comment
)

// Form is how a String or an Identifier is written.
type Form int

// The forms of Strings and Identifiers.
const (
	Plain   Form = iota // 'text', or a name without quotes
	Quoted              // "Name"
	Escape              // E'text\n'
	Bit                 // B'0101'
	Hex                 // X'1FF'
	Unicode             // U&'d\0061t', U&"d\0061t"
	Dollar              // $tag$text$tag$
)

// Token is a piece of the input.
type Token struct {
	Kind Kind
	Form Form
	// Text is the piece as it stands there.
	Text string
	// Pos is where it begins, in bytes from the start of the input.
	Pos int
	// Unterminated marks a quote or comment that the input doesn't close.
	Unterminated bool

	escape rune // of a Unicode form, where a UESCAPE clause follows it; else 0
}

// End is the offset of the first byte after the token.
func (t Token) End() int { return t.Pos + len(t.Text) }

// Significant tells what the grammar sees from blanks and comments.
func (t Token) Significant() bool { return t.Kind != Whitespace && t.Kind != Comment }

// Is tells whether the token is this keyword, in any case and not quoted.
func (t Token) Is(keyword string) bool {
	return t.Kind == Identifier && t.Form == Plain && len(t.Text) == len(keyword) && strings.EqualFold(t.Text, keyword)
}

// IsSymbol tells whether the token is this operator or mark.
func (t Token) IsSymbol(symbol string) bool { return t.Kind == Symbol && t.Text == symbol }

// Tag is the tag of a dollar-quoted String, without its dollars.
func (t Token) Tag() string {
	if t.Form != Dollar {
		return ""
	}
	return t.Text[1 : 1+strings.IndexByte(t.Text[1:], '$')]
}

// BodyPos is where the text inside a dollar-quoted String begins, in bytes from the start of the input: the offset to add to
// those of tokens within it.
func (t Token) BodyPos() int { return t.Pos + len(t.Tag()) + 2 }

// Value is what the token stands for: an Identifier's name as the server keeps it (folded, cut at 63 bytes), a String's
// content with its quotes and escapes undone, the Text of all else.
func (t Token) Value() string {
	switch t.Kind {
	case Identifier:
		return clip(t.name())
	case String:
		return t.content()
	}
	return t.Text
}

func (t Token) name() string {
	switch t.Form {
	case Quoted:
		return undouble(t.inner(1), '"')
	case Unicode:
		return decodeUnicode(undouble(t.inner(len(`U&"`)), '"'), t.escape)
	}
	return fold(t.Text)
}

func (t Token) content() string {
	if t.Form == Dollar {
		fence := len(t.Tag()) + 2
		if t.Unterminated {
			return t.Text[fence:]
		}
		return t.Text[fence : len(t.Text)-fence]
	}
	raw := joinPieces(t.inner(prefixLength(t.Form) + 1))
	switch t.Form {
	case Escape:
		return decodeEscapes(raw)
	case Unicode:
		return decodeUnicode(undouble(raw, '\''), t.escape)
	}
	return undouble(raw, '\'')
}

// inner is the text after the opening and before the closing quote.
func (t Token) inner(open int) string {
	if t.Unterminated {
		return t.Text[open:]
	}
	return t.Text[open : len(t.Text)-1]
}

func prefixLength(form Form) int {
	switch form {
	case Escape, Bit, Hex:
		return 1
	case Unicode:
		return 2
	}
	return 0
}
