package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// source is one file as it was read.
type source struct {
	name string
	data []byte
}

// YAML forbids braces in an unquoted text within {...}, so that { dsn: ${VAR} } would not parse. While YAML reads the file,
// characters of the private use area, as wide as the braces, stand for those of a ${VAR}.
const (
	openBrace  = "\uE000"
	closeBrace = "\uE001"
)

// parse reads the one YAML document of a file. The error is Problems.
func (s source) parse() (*yaml.Node, error) {
	data, problem := s.text()
	if problem != nil {
		return nil, Problems{problem}
	}
	data = shieldReferences(data)
	if node := plainTree(data); node != nil {
		return node, nil
	}
	node, problem := s.document(data)
	if problem != nil {
		return nil, Problems{problem}
	}
	return node, nil
}

// text is the file without a byte order mark, known to be UTF-8 and free of our stand-ins.
func (s source) text() ([]byte, *Problem) {
	if bytes.HasPrefix(s.data, []byte{0xff, 0xfe}) || bytes.HasPrefix(s.data, []byte{0xfe, 0xff}) {
		return nil, s.problem(1, 1, "the file is UTF-16; save it as UTF-8")
	}
	data := bytes.TrimPrefix(s.data, []byte("\uFEFF"))
	for _, char := range []string{openBrace, closeBrace} {
		if bytes.Contains(data, []byte(char)) {
			line, column := position(data, char)
			return nil, s.problem(line, column, "this character is reserved for private use; remove it")
		}
	}
	if utf8.Valid(data) {
		return data, nil
	}
	good := 0
	for good < len(data) {
		r, size := utf8.DecodeRune(data[good:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		good += size
	}
	line, column := lineColumn(data[:good])
	return nil, s.problem(line, column, "this character isn't UTF-8; save the file as UTF-8")
}

func (s source) document(data []byte) (node *yaml.Node, problem *Problem) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	defer func() {
		if r := recover(); r != nil { // yaml.v3 panics on what it holds to be impossible
			node, problem = nil, s.problem(1, 1, fmt.Sprintf("this isn't YAML: %v", r))
		}
	}()
	var document, another yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF) || err == nil && isNull(document.Content[0]) && document.Content[0].Value == "":
		return nil, s.problem(1, 1, "the file is empty; `tenantctl init` writes a first one")
	case err != nil:
		return nil, s.syntaxProblem(decoder, data, err)
	}
	switch err := decoder.Decode(&another); {
	case err == nil:
		return nil, s.problem(another.Line, another.Column, "a second YAML document begins here; keep one document in a file, without \"---\" in it")
	case !errors.Is(err, io.EOF):
		return nil, s.syntaxProblem(decoder, data, err)
	}
	return document.Content[0], nil
}

// syntaxProblem puts an error of the YAML parser where it was found. yaml.v3 knows the line and column, but its error tells
// only the line on which the enclosing mapping began, which may be the top of the file; hence the look inside.
func (s source) syntaxProblem(decoder *yaml.Decoder, data []byte, err error) *Problem {
	if _, anchor, ok := strings.Cut(err.Error(), "unknown anchor '"); ok {
		anchor = strings.TrimSuffix(anchor, "' referenced")
		line, column := position(data, "*"+anchor)
		return s.problem(line, column, fmt.Sprintf("*%s refers to &%s, which isn't there; a text that begins with * needs quotes", anchor, anchor))
	}
	parser := inside(inside(reflect.ValueOf(decoder), "parser"), "parser")
	mark, begun := inside(parser, "problem_mark"), inside(parser, "context_mark")
	line, column := number(mark, "line")+1, number(mark, "column")+1
	what := inside(parser, "problem")
	if !what.IsValid() || what.Kind() != reflect.String || what.String() == "" {
		return s.problem(line, column, "this isn't YAML: "+strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return s.problem(line, column, explain(what.String(), charAt(data, line, column), number(begun, "line")+1))
}

// explain says in plain words what YAML found wrong; begun is the line where the quote or bracket was opened.
func explain(what string, char string, begun int) string {
	switch {
	case char == "\t":
		return "a tab stands here; indent with spaces"
	case what == "mapping values are not allowed in this context":
		return "this colon can't begin a value; check the indentation, or put a text with a colon in quotes"
	case what == "did not find expected key":
		return "this doesn't line up with the keys above; check the indentation and quotes"
	case what == "did not find expected '-' indicator":
		return "expected an item of the list, which begins with \"-\"; check the indentation"
	case strings.HasPrefix(what, "did not find expected ',' or"):
		end := strings.TrimPrefix(what, "did not find expected ',' or ")
		return fmt.Sprintf("expected \",\" or %s: the bracket opened on line %d isn't closed", strings.ReplaceAll(end, "'", `"`), begun)
	case what == "found unexpected end of stream":
		return fmt.Sprintf("the quote opened on line %d is never closed", begun)
	case what == "found character that cannot start any token":
		return fmt.Sprintf("a text can't begin with %s; put it in quotes", char)
	case what == "found unknown escape character":
		return `unknown escape after "\"; use single quotes where a backslash is meant`
	}
	return "this isn't YAML: " + what
}

func (s source) problem(line, column int, message string) *Problem {
	return &Problem{Place: Place{File: s.name, Line: max(line, 1), Column: max(column, 1)}, Message: message}
}

// inside is a field of a struct or of what a pointer points to; the zero Value where there is none.
func inside(v reflect.Value, name string) reflect.Value {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	return v.FieldByName(name)
}

func number(v reflect.Value, name string) int {
	if field := inside(v, name); field.IsValid() && field.CanInt() {
		return int(field.Int())
	}
	return 0
}

// position is the line and column of a text's first mention.
func position(data []byte, text string) (line, column int) {
	before, _, found := bytes.Cut(data, []byte(text))
	if !found {
		return 1, 1
	}
	return lineColumn(before)
}

// lineColumn is where the text goes on after what stands before.
func lineColumn(before []byte) (line, column int) {
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
}

func charAt(data []byte, line, column int) string {
	for range line - 1 {
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	row, _, _ := bytes.Cut(data, []byte("\n"))
	runes := []rune(string(row))
	if column > len(runes) {
		return ""
	}
	return string(runes[column-1])
}

func shieldReferences(data []byte) []byte {
	shielded := make([]byte, 0, len(data)+len(data)/16)
	for {
		before, rest, found := bytes.Cut(data, []byte("${"))
		shielded = append(shielded, before...)
		if !found {
			return shielded
		}
		end := bytes.IndexByte(rest, '}')
		if end < 0 || !isVariable(string(rest[:end])) {
			shielded = append(shielded, "${"...)
			data = rest
			continue
		}
		shielded = append(shielded, "$"+openBrace...)
		shielded = append(shielded, rest[:end]...)
		shielded = append(shielded, closeBrace...)
		data = rest[end+1:]
	}
}

// unshield is the text of a scalar as the file has it.
func unshield(text string) string {
	if !strings.Contains(text, openBrace) {
		return text
	}
	return strings.ReplaceAll(strings.ReplaceAll(text, openBrace, "{"), closeBrace, "}")
}
