package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"tenantctl/internal/config"
)

// reader takes the nodes of one file apart and collects what is wrong with them.
type reader struct {
	file     string
	problems config.Problems
}

func (r *reader) place(n *yaml.Node) config.Place {
	return config.Place{File: r.file, Line: max(n.Line, 1), Column: max(n.Column, 1)}
}

func (r *reader) problem(n *yaml.Node, path, format string, args ...any) {
	r.problems = append(r.problems, &config.Problem{Place: r.place(n), Path: path, Message: fmt.Sprintf(format, args...)})
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntax reports what the YAML parser says.
func (r *reader) syntax(err error) {
	line := 1
	match := yamlLine.FindStringSubmatch(err.Error())
	if match != nil && match[1] != "" {
		line, _ = strconv.Atoi(match[1]) // the pattern has checked it
	}
	message := yamlLine.ReplaceAllString(err.Error(), "")
	r.problems = append(r.problems, &config.Problem{Place: config.Place{File: r.file, Line: line, Column: 1}, Message: "not YAML: " + message})
}

// field is one key of a mapping node with its value.
type field struct {
	key   *yaml.Node
	name  string
	value *yaml.Node
}

// pairs lists the keys of a mapping node, each once.
func (r *reader) pairs(n *yaml.Node, path string) []field {
	n = resolved(n)
	if n.Kind != yaml.MappingNode {
		r.problem(n, path, "expected keys and values, got %s", describe(n))
		return nil
	}
	first := make(map[string]int, len(n.Content)/2)
	var fields []field
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := resolved(n.Content[i])
		if key.Kind != yaml.ScalarNode {
			r.problem(n.Content[i], path, "a key must be a plain word")
			continue
		}
		if line, twice := first[key.Value]; twice {
			r.problem(n.Content[i], join(path, key.Value), "given twice; the first is on line %d", line)
			continue
		}
		first[key.Value] = n.Content[i].Line
		fields = append(fields, field{n.Content[i], key.Value, resolved(n.Content[i+1])})
	}
	return fields
}

// fields lists the keys of a mapping node by name; one that isn't known is a problem.
func (r *reader) fields(n *yaml.Node, path string, known ...string) map[string]field {
	found := make(map[string]field, len(known))
	for _, f := range r.pairs(n, path) {
		if !slices.Contains(known, f.name) {
			r.problem(f.key, join(path, f.name), "unknown key %q%s", f.name, didYouMean(f.name, known, "keys"))
			continue
		}
		found[f.name] = f
	}
	return found
}

// items lists a sequence node's items.
func (r *reader) items(n *yaml.Node, path string) []*yaml.Node {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.problem(n, path, "expected a list, got %s", describe(n))
		return nil
	}
	items := make([]*yaml.Node, len(n.Content))
	for i, item := range n.Content {
		items[i] = resolved(item)
	}
	return items
}

// text is the text of a scalar; what YAML takes for a number or a truth value is text here, as SQL and names are.
func (r *reader) text(f field, path string) string {
	switch {
	case f.value == nil:
		return ""
	case f.value.Kind != yaml.ScalarNode || isNull(f.value):
		r.problem(f.value, path, "expected a text, got %s", describe(f.value))
		return ""
	case strings.TrimSpace(f.value.Value) == "":
		r.problem(f.value, path, "is empty")
		return ""
	case strings.ContainsRune(f.value.Value, 0):
		r.problem(f.value, path, "holds a zero byte")
		return ""
	}
	return f.value.Value
}

// required is the text of a key that must be there.
func (r *reader) required(n *yaml.Node, fields map[string]field, path, name, why string) string {
	f, given := fields[name]
	if !given {
		r.problem(n, path, "needs %q: %s", name, why)
		return ""
	}
	return r.text(f, join(path, name))
}

// join is the path of a key.
func join(path, key string) string {
	if strings.ContainsAny(key, ". \"[]") {
		key = strconv.Quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// item is the path of a list's item.
func item(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// resolved follows an alias to what it stands for.
func resolved(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "keys and values"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	}
	return strconv.Quote(n.Value)
}
