package config

import (
	"bytes"
	"strings"

	"gopkg.in/yaml.v3"
)

// Most of the time of a command over 10,000 tenants would go into the YAML parser. Nearly every tenants.yaml is written in a small
// part of YAML, which this file reads some times faster: mappings by indentation, {...} and [...] on one line, text without
// escapes, comments. The tree is the one that yaml.v3 makes, but for the comments. What isn't plainly of that part, or is wrong,
// is left to yaml.v3, which then also says what is wrong.

// longestLine bounds what a line may cost: how deep its brackets go, how often its characters are counted.
const longestLine = 4096

// plainTree reads a document of that part of YAML; nil where it has anything else. data has its references shielded.
func plainTree(data []byte) *yaml.Node {
	if bytes.ContainsAny(data, "\t\r") {
		return nil
	}
	p := &plainReader{}
	number := 0
	for line := range strings.Lines(string(data)) {
		if number++; len(line) > longestLine {
			return nil
		}
		if p.line = (plainLine{text: strings.TrimSuffix(line, "\n"), number: number}); !p.next() {
			return nil
		}
	}
	if p.pending != nil || len(p.levels) == 0 {
		return nil
	}
	return p.levels[0].mapping
}

// plainReader is the state between two lines.
type plainReader struct {
	line    plainLine
	levels  []plainLevel // open mappings, the outermost first
	pending *yaml.Node   // a key whose value is on the lines below
	nodes   []yaml.Node  // to be given out: one allocation for many
}

type plainLevel struct {
	indent  int
	mapping *yaml.Node
}

// next takes one line: nothing, or a key with its value.
func (p *plainReader) next() bool {
	l := &p.line
	l.spaces()
	if l.ended() {
		return true
	}
	if !p.level(l.at) {
		return false
	}
	key := p.key()
	if key == nil {
		return false
	}
	into := p.levels[len(p.levels)-1].mapping
	into.Content = append(into.Content, key)
	if l.spaces(); l.ended() {
		p.pending = key
		return true
	}
	value := p.value(inBlock)
	if value == nil || !l.ended() {
		return false
	}
	into.Content = append(into.Content, value)
	return true
}

// level opens the mapping that a line begins, or closes those that it ends.
func (p *plainReader) level(indent int) bool {
	last := len(p.levels) - 1
	switch {
	case last < 0 || p.pending != nil && indent > p.levels[last].indent:
		mapping := p.node(yaml.MappingNode, "!!map", "")
		if p.pending != nil {
			parent := p.levels[last].mapping
			parent.Content = append(parent.Content, mapping)
			p.pending = nil
		}
		p.levels = append(p.levels, plainLevel{indent, mapping})
		return true
	case p.pending != nil:
		return false // a key without a value
	}
	for last >= 0 && p.levels[last].indent > indent {
		last--
	}
	p.levels = p.levels[:last+1]
	return last >= 0 && p.levels[last].indent == indent
}

// node makes a node that begins where the line stands.
func (p *plainReader) node(kind yaml.Kind, tag, value string) *yaml.Node {
	const slab = 128
	if len(p.nodes) == 0 {
		p.nodes = make([]yaml.Node, slab)
	}
	node := &p.nodes[0]
	p.nodes = p.nodes[1:]
	node.Kind, node.Tag, node.Value, node.Line, node.Column = kind, tag, value, p.line.number, p.line.column()
	return node
}

// key is a word and its colon.
func (p *plainReader) key() *yaml.Node {
	const longest = 100 // far below the 1024 at which YAML holds a text to be no key
	l := &p.line
	word := l.word(inKey)
	if word == "" || len(word) > longest {
		return nil
	}
	key := p.node(yaml.ScalarNode, "", word)
	key.Tag = key.ShortTag()
	l.at += len(word)
	if !l.take(':') || l.at < len(l.text) && l.text[l.at] != ' ' {
		return nil
	}
	return key
}

// value is what stands on the line: text, a list or a mapping in brackets.
func (p *plainReader) value(where context) *yaml.Node {
	l := &p.line
	if l.at == len(l.text) {
		return nil
	}
	switch l.text[l.at] {
	case '{':
		return p.brackets(yaml.MappingNode, "!!map", '}')
	case '[':
		return p.brackets(yaml.SequenceNode, "!!seq", ']')
	case '"', '\'':
		return p.quoted()
	}
	word := l.word(where)
	if word == "" {
		return nil
	}
	node := p.node(yaml.ScalarNode, "", word)
	node.Tag = node.ShortTag()
	l.at += len(word)
	return node
}

// quoted is a text in quotes without a quote or an escape in it.
func (p *plainReader) quoted() *yaml.Node {
	l := &p.line
	quote := l.text[l.at]
	length := strings.IndexByte(l.text[l.at+1:], quote)
	if length < 0 {
		return nil
	}
	text := l.text[l.at+1 : l.at+1+length]
	after := l.at + length + 2
	if !printable(text) || quote == '"' && strings.Contains(text, `\`) || after < len(l.text) && l.text[after] == quote {
		return nil
	}
	node := p.node(yaml.ScalarNode, "!!str", text)
	node.Style = yaml.DoubleQuotedStyle
	if quote == '\'' {
		node.Style = yaml.SingleQuotedStyle
	}
	l.at = after
	return node
}

// brackets is a list or a mapping on one line, with one comma between two items.
func (p *plainReader) brackets(kind yaml.Kind, tag string, closing byte) *yaml.Node {
	l := &p.line
	node := p.node(kind, tag, "")
	node.Style = yaml.FlowStyle
	l.at++
	l.spaces()
	for first := true; !l.take(closing); first = false {
		if !first {
			if !l.take(',') {
				return nil
			}
			l.spaces()
		}
		if kind == yaml.MappingNode {
			key := p.key()
			if key == nil {
				return nil
			}
			node.Content = append(node.Content, key)
			l.spaces()
		}
		value := p.value(inBrackets)
		if value == nil {
			return nil
		}
		node.Content = append(node.Content, value)
		l.spaces()
	}
	return node
}

// plainLine is a line that is read from left to right.
type plainLine struct {
	text   string
	number int
	at     int
}

// column counts characters from 1.
func (l *plainLine) column() int {
	return l.at + 1 - (len(openBrace)-1)*(strings.Count(l.text[:l.at], openBrace)+strings.Count(l.text[:l.at], closeBrace))
}

func (l *plainLine) spaces() {
	for l.at < len(l.text) && l.text[l.at] == ' ' {
		l.at++
	}
}

func (l *plainLine) take(char byte) bool {
	if l.at < len(l.text) && l.text[l.at] == char {
		l.at++
		return true
	}
	return false
}

// ended tells that nothing but a comment follows, which needs a space before it.
func (l *plainLine) ended() bool {
	rest := strings.TrimLeft(l.text[l.at:], " ")
	begins := l.at == 0 || len(rest) < len(l.text)-l.at || l.text[l.at-1] == ' '
	return rest == "" || rest[0] == '#' && begins && printable(rest)
}

// context is where a text without quotes stands.
type context int

const (
	inKey context = iota
	inBrackets
	inBlock
)

// word is the text without quotes that the line goes on with; "" where it is empty, or has characters that mean something in
// YAML or might.
func (l *plainLine) word(where context) string {
	rest := l.text[l.at:]
	end := 0
	for end < len(rest) {
		switch char := rest[end]; {
		case letterOrDigit(char), char == '_', end > 0 && (char == '-' || char == '.' || char == '/'):
			end++
		case where != inKey && (char == '$' || end == 0 && char == '/'):
			end++
		case where != inKey && (strings.HasPrefix(rest[end:], openBrace) || strings.HasPrefix(rest[end:], closeBrace)):
			end += len(openBrace)
		case where != inKey && end > 0 && char == ':' && end+1 < len(rest) && (letterOrDigit(rest[end+1]) || rest[end+1] == '/'):
			end++
		case where == inBlock && end > 0 && char == ' ' && end+1 < len(rest) && letterOrDigit(rest[end+1]):
			end++
		default:
			return l.whole(rest[:end], rest[end:], where)
		}
	}
	return rest
}

// whole is the word if what follows can end one.
func (l *plainLine) whole(word, after string, where context) string {
	ends := after[0] == ' '
	switch where {
	case inKey:
		ends = after[0] == ':'
	case inBrackets:
		ends = ends || strings.IndexByte(",]}", after[0]) >= 0
	case inBlock:
	}
	if !ends {
		return ""
	}
	return word
}

func letterOrDigit(char byte) bool {
	return char >= 'a' && char <= 'z' || char >= 'A' && char <= 'Z' || char >= '0' && char <= '9'
}

// printable tells text of ASCII's printable characters and our stand-ins.
func printable(text string) bool {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] >= ' ' && text[i] <= '~':
		case strings.HasPrefix(text[i:], openBrace), strings.HasPrefix(text[i:], closeBrace):
			i += len(openBrace) - 1
		default:
			return false
		}
	}
	return true
}
