package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// decoder fills a document from a YAML tree and collects every problem on its way.
type decoder struct {
	file     string
	skipped  int  // lines of the file before the text that was parsed
	path     path // of what is being decoded
	problems Problems
	shapes   map[reflect.Type]*shape
	zones    map[string]*time.Location
	budget   int // nodes that may still be visited: aliases can multiply a small file without bound
}

// expansion is how many nodes more than it has bytes a file may come to by its aliases.
const expansion = 250_000

func newDecoder(s source) *decoder {
	return &decoder{
		file: s.name, shapes: map[reflect.Type]*shape{}, zones: map[string]*time.Location{},
		budget: len(s.data) + expansion,
	}
}

func (d *decoder) place(node *yaml.Node) Place {
	return Place{File: d.file, Line: max(node.Line, 1) + d.skipped, Column: max(node.Column, 1)}
}

func (d *decoder) problem(node *yaml.Node, format string, args ...any) {
	if d.budget < -1 {
		return
	}
	d.problems = append(d.problems, &Problem{Place: d.place(node), Path: d.path.String(), Message: fmt.Sprintf(format, args...)})
}

// spend counts a visit to a node and tells whether another is allowed.
func (d *decoder) spend(node *yaml.Node) bool {
	d.budget--
	if d.budget == -1 {
		d.problems = nil // they are multiplied too
		d.problem(node, "aliases make too much of this file; write less of it with * and <<")
	}
	return d.budget >= 0
}

// within decodes one step further down the path.
func (d *decoder) within(s segment, decode func()) {
	d.path = append(d.path, s)
	decode()
	d.path = d.path[:len(d.path)-1]
}

// decode fills out from a node. mark is the key of the node, where there is one: the place of problems with a whole mapping.
func (d *decoder) decode(node, mark *yaml.Node, out reflect.Value, f *field) {
	node = resolved(node)
	if !d.spend(mark) {
		return
	}
	switch target := out.Addr().Interface().(type) {
	case scalar:
		d.scalar(node, target, f)
		return
	case keyed:
		d.mapping(node, target, f)
		return
	}
	switch out.Kind() {
	case reflect.Pointer:
		d.pointer(node, mark, out, f)
	case reflect.Struct:
		d.structure(node, mark, out)
	case reflect.Slice:
		d.list(node, out, f)
	case reflect.String:
		d.text(node, out, f)
	case reflect.Int:
		d.integer(node, out, f)
	case reflect.Float64:
		d.number(node, out, f)
	case reflect.Bool:
		d.truth(node, out)
	default:
		panic("config: no decoding for " + out.Type().String())
	}
}

// pointer decodes what may be left out; a mapping without content counts as left out unless it must hold something.
func (d *decoder) pointer(node, mark *yaml.Node, out reflect.Value, f *field) {
	elem := out.Type().Elem()
	if isNull(node) && elem.Kind() == reflect.Struct && len(d.shape(elem).mustHold()) == 0 {
		return
	}
	out.Set(reflect.New(elem))
	d.decode(node, mark, out.Elem(), f)
}

func (d *decoder) shape(t reflect.Type) *shape {
	s := d.shapes[t]
	if s == nil {
		s = shapeOf(t)
		d.shapes[t] = s
	}
	return s
}

func (d *decoder) structure(node, mark *yaml.Node, out reflect.Value) {
	s := d.shape(out.Type())
	if isNull(node) {
		node = &yaml.Node{Kind: yaml.MappingNode, Line: mark.Line, Column: mark.Column}
	}
	if node.Kind != yaml.MappingNode {
		d.unlike(node, "keys such as "+examples(s))
		return
	}
	given := make([]*yaml.Node, len(s.fields))
	d.pairs(node, func(name string, key, value *yaml.Node) (before int) {
		i := s.position(name)
		if i < 0 {
			d.within(segment{key: name}, func() { d.problem(key, "unknown key%s", d.unknownKey(name, out.Type(), s)) })
			return 0
		}
		if given[i] != nil {
			return d.place(given[i]).Line
		}
		given[i] = key
		d.path = append(d.path, segment{key: name})
		d.decode(value, key, out.FieldByIndex(s.fields[i].index), &s.fields[i])
		d.path = d.path[:len(d.path)-1]
		return 0
	})
	d.checkGiven(mark, s, given)
}

func (d *decoder) checkGiven(mark *yaml.Node, s *shape, given []*yaml.Node) {
	count := 0
	for i := range s.fields {
		switch f := &s.fields[i]; {
		case f.required && given[i] == nil:
			d.problem(mark, "needs the key %s", f.name)
		case given[i] != nil && slices.Contains(s.oneOf, f.name):
			count++
		}
	}
	if len(s.oneOf) == 0 {
		return
	}
	switch {
	case count == 0:
		d.problem(mark, "needs %s", strings.Join(s.oneOf, " or "))
	case count > 1:
		d.problem(mark, "has %s; keep one of them", strings.Join(s.oneOf, " and "))
	}
}

// unknownKey says where a key belongs: a slip of the pen, or a level too high.
func (d *decoder) unknownKey(name string, t reflect.Type, s *shape) string {
	if near := nearest(name, s.names()); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	for _, f := range s.fields {
		inner := t.FieldByIndex(f.index).Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && slices.Contains(d.shape(inner).names(), name) {
			return fmt.Sprintf("; it belongs under %q", f.name)
		}
	}
	return "; known keys: " + strings.Join(s.names(), ", ")
}

func (d *decoder) mapping(node *yaml.Node, out keyed, f *field) {
	if isNull(node) {
		return
	}
	if node.Kind != yaml.MappingNode {
		d.unlike(node, "a name for each, as in \"NAME: {...}\"")
		return
	}
	out.reserve(len(node.Content) / 2)
	d.pairs(node, func(name string, key, value *yaml.Node) (before int) {
		if place, twice := out.find(name); twice {
			return place.Line
		}
		d.path = append(d.path, segment{key: name})
		d.checkName(name, key, f.rule)
		d.decode(value, key, reflect.ValueOf(out.add(name, d.place(key))).Elem(), f)
		d.path = d.path[:len(d.path)-1]
		return 0
	})
}

func (d *decoder) checkName(name string, key *yaml.Node, rule *nameRule) {
	switch {
	case slices.Contains(rule.reserve, name):
		d.problem(key, "the name %q is taken by tenantctl itself; choose another", name)
	case len(name) > rule.max:
		d.problem(key, "%s has at most %d characters, this one has %d", rule.say, rule.max, len(name))
	case !rule.pattern.MatchString(name):
		hint := ""
		if slug := rule.slugFrom(name); slug != "" {
			hint = fmt.Sprintf("; write %q", slug)
		}
		d.problem(key, "%s is made of %s%s", rule.say, rule.of, hint)
	}
}

// visitor takes a key of a mapping. Where it has had the key before, it leaves it be and gives the line of the first.
type visitor func(name string, key, value *yaml.Node) (before int)

// pairs visits the keys of a mapping: its own in their order, then what "<<" adds.
func (d *decoder) pairs(node *yaml.Node, visit visitor) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := resolved(node.Content[i])
		if key.Tag == "!!merge" {
			continue
		}
		if key.Kind != yaml.ScalarNode {
			d.problem(node.Content[i], "a key must be a plain word")
			continue
		}
		name := unshield(key.Value)
		if before := visit(name, node.Content[i], node.Content[i+1]); before > 0 {
			d.within(segment{key: name}, func() { d.problem(node.Content[i], "given twice; the first is on line %d", before) })
		}
	}
	d.mergedPairs(node, visit, 0)
}

// mergedPairs visits what "<<" brings in; what is there already is stronger, and no problem.
func (d *decoder) mergedPairs(node *yaml.Node, visit visitor, depth int) {
	for _, merged := range merges(node) {
		if merged.Kind != yaml.MappingNode || depth >= maxMerges {
			d.problem(node, "<< must name a mapping (<<: *name), and not itself")
			return
		}
		for i := 0; i+1 < len(merged.Content); i += 2 {
			key := resolved(merged.Content[i])
			if !d.spend(key) {
				return
			}
			if key.Kind == yaml.ScalarNode && key.Tag != "!!merge" {
				visit(unshield(key.Value), merged.Content[i], merged.Content[i+1])
			}
		}
		d.mergedPairs(merged, visit, depth+1)
	}
}

func (d *decoder) list(node *yaml.Node, out reflect.Value, f *field) {
	if isNull(node) {
		return
	}
	if node.Kind != yaml.SequenceNode {
		d.unlike(node, "a list such as [a, b]")
		return
	}
	list := reflect.MakeSlice(out.Type(), len(node.Content), len(node.Content))
	out.Set(list)
	seen := make(map[string]bool)
	for i, item := range node.Content {
		d.path = append(d.path, segment{index: i, inList: true})
		d.decode(item, item, list.Index(i), f)
		if text, ok := d.plain(resolved(item)); ok && f.unique {
			if seen[text] {
				d.problem(item, "given twice")
			}
			seen[text] = true
		}
		d.path = d.path[:len(d.path)-1]
	}
}
