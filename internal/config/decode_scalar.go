package config

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// plain is the text of a scalar that YAML reads as text, and whether it is one.
func (d *decoder) plain(node *yaml.Node) (string, bool) {
	if node.Kind != yaml.ScalarNode || node.Tag != "!!str" {
		return "", false
	}
	return unshield(node.Value), true
}

func (d *decoder) scalar(node *yaml.Node, target scalar, f *field) {
	text, ok := d.plain(node)
	if !ok {
		d.unlike(node, target.wants())
		return
	}
	if text == "" {
		d.problem(node, "is empty")
		return
	}
	if err := target.parse(text, spot{place: d.place(node), path: d.path.String(), zones: d.zones}); err != nil {
		d.problem(node, "%s", err)
		return
	}
	if duration, ok := target.(*Duration); ok {
		d.checkBounds(node, int64(*duration), f)
	}
}

func (d *decoder) text(node *yaml.Node, out reflect.Value, f *field) {
	text, ok := d.plain(node)
	switch {
	case !ok && node.Kind == yaml.ScalarNode && !isNull(node) && node.Style&yaml.TaggedStyle == 0:
		d.problem(node, "expected a text, got %s; put it in quotes: %q", describe(node), node.Value)
	case !ok:
		d.unlike(node, "a text")
	case text == "":
		d.problem(node, "is empty")
	case f.enum != nil && !slices.Contains(f.enum, text):
		d.problem(node, "expected one of %s, got %q%s", strings.Join(f.enum, ", "), text, perhaps(nearest(text, f.enum)))
	case f.pattern != nil && !f.pattern.MatchString(text):
		d.problem(node, "expected %s, got %q", f.expect, text)
	default:
		out.SetString(text)
	}
}

func (d *decoder) integer(node *yaml.Node, out reflect.Value, f *field) {
	if node.Kind != yaml.ScalarNode || node.Tag != "!!int" {
		if node.Tag == "!!float" {
			d.problem(node, "expected a whole number, got %s", node.Value)
			return
		}
		d.unlike(node, "a whole number")
		return
	}
	number, err := strconv.ParseInt(node.Value, 10, 64)
	if err != nil || len(node.Value) > 1 && node.Value[0] == '0' {
		if err := node.Decode(&number); err != nil { // 0x10, 1_000
			d.problem(node, "expected a whole number, got %s", node.Value)
			return
		}
	}
	if d.checkBounds(node, number, f) {
		out.SetInt(number)
	}
}

// number decodes one that may have a fraction.
func (d *decoder) number(node *yaml.Node, out reflect.Value, f *field) {
	if node.Kind != yaml.ScalarNode || node.Tag != "!!int" && node.Tag != "!!float" {
		d.unlike(node, "a number")
		return
	}
	var number float64
	if err := node.Decode(&number); err != nil || math.IsNaN(number) || math.IsInf(number, 0) {
		d.problem(node, "expected a number, got %s", node.Value)
		return
	}
	if f.min != nil && number < float64(f.min.value) {
		d.problem(node, "must be at least %s, not %s", f.min.text, node.Value)
		return
	}
	out.SetFloat(number)
}

func (d *decoder) truth(node *yaml.Node, out reflect.Value) {
	if node.Kind != yaml.ScalarNode || node.Tag != "!!bool" {
		d.unlike(node, "true or false")
		return
	}
	out.SetBool(strings.EqualFold(node.Value, "true"))
}

func (d *decoder) checkBounds(node *yaml.Node, value int64, f *field) bool {
	switch {
	case f.min != nil && f.max != nil && f.min.value == f.max.value && value != f.min.value:
		d.problem(node, "must be %s, not %s; this tenantctl knows no other", f.min.text, node.Value)
	case f.min != nil && value < f.min.value:
		d.problem(node, "must be at least %s, not %s", f.min.text, node.Value)
	case f.max != nil && value > f.max.value:
		d.problem(node, "must be at most %s, not %s", f.max.text, node.Value)
	default:
		return true
	}
	return false
}

// unlike is the problem of a node that isn't what is expected there.
func (d *decoder) unlike(node *yaml.Node, expected string) {
	if isNull(node) {
		d.problem(node, "has no value; expected %s", expected)
		return
	}
	d.problem(node, "expected %s, got %s", expected, describe(node))
}

// describe says what stands there in words. It repeats true and false only: anything else may be a secret.
func describe(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode:
		return "keys and values"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	case node.Tag == "!!int", node.Tag == "!!float":
		return "a number"
	case node.Tag == "!!bool":
		return node.Value
	case node.Tag == "!!timestamp":
		return "a date"
	case node.Tag == "!!str":
		return "a text"
	}
	return "the tag " + node.Tag
}

func examples(s *shape) string {
	names := s.names()
	return strings.Join(names[:min(3, len(names))], ", ")
}

func perhaps(word string) string {
	if word == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", word)
}
