package config

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// field is what the tags of document.go say of one key.
type field struct {
	name     string
	index    []int
	required bool
	enum     []string
	min, max *bound
	pattern  *regexp.Regexp
	expect   string
	unique   bool
	rule     *nameRule
	doc      string
}

// bound is a number as its tag has it: for durations in nanoseconds.
type bound struct {
	text  string
	value int64
}

// shape is a struct's fields, in order, and which of them exclude one another.
type shape struct {
	fields []field
	oneOf  []string
}

// shapeOf reads the tags of a struct type, those of inlined structs included.
func shapeOf(t reflect.Type) *shape {
	s := &shape{}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Tag == "" {
			continue
		}
		if list := f.Tag.Get("oneof"); list != "" {
			s.oneOf = strings.Split(list, ",")
			continue
		}
		name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if option == "inline" {
			inner := shapeOf(f.Type)
			for _, inlined := range inner.fields {
				inlined.index = append([]int{i}, inlined.index...)
				s.fields = append(s.fields, inlined)
			}
			s.oneOf = append(s.oneOf, inner.oneOf...)
			continue
		}
		s.fields = append(s.fields, fieldOf(f, name, i))
	}
	return s
}

func fieldOf(f reflect.StructField, name string, index int) field {
	made := field{
		name: name, index: []int{index}, required: f.Tag.Get("required") != "", expect: f.Tag.Get("expect"),
		unique: f.Tag.Get("unique") != "", doc: f.Tag.Get("doc"), rule: nameRuleOf(f.Tag.Get("names")),
		min: boundOf(f.Tag.Get("min")), max: boundOf(f.Tag.Get("max")),
	}
	if list := f.Tag.Get("enum"); list != "" {
		made.enum = strings.Split(list, ",")
	}
	if pattern := f.Tag.Get("pattern"); pattern != "" {
		made.pattern = regexp.MustCompile(pattern)
	}
	return made
}

func boundOf(text string) *bound {
	if text == "" {
		return nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return &bound{text: text, value: n}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil
	}
	return &bound{text: text, value: int64(d)}
}

// mustHold names the keys without which the struct can't be, nil if it may be empty.
func (s *shape) mustHold() []string {
	var names []string
	for _, f := range s.fields {
		if f.required {
			names = append(names, f.name)
		}
	}
	if len(s.oneOf) > 0 {
		names = append(names, strings.Join(s.oneOf, " or "))
	}
	return names
}

// position is which of the fields has a key, -1 if none has.
func (s *shape) position(name string) int {
	for i := range s.fields {
		if s.fields[i].name == name {
			return i
		}
	}
	return -1
}

func (s *shape) names() []string {
	names := make([]string, len(s.fields))
	for i := range s.fields {
		names[i] = s.fields[i].name
	}
	return names
}

// nameRule is what the keys of a mapping must look like. No name may hold what takes its meaning from being a separator in
// names of the database: an underscore.
type nameRule struct {
	pattern *regexp.Regexp
	max     int
	reserve []string // taken by tenantctl itself
	say     string   // what it is the name of
	of      string   // what the pattern wants, in words
}

func nameRuleOf(what string) *nameRule {
	const (
		slug   = `^[a-z0-9]+(-[a-z0-9]+)*$`
		ofSlug = "a-z, 0-9 and single hyphens, with a letter or digit at both ends"
	)
	switch what {
	case "tenant":
		return &nameRule{pattern: regexp.MustCompile(slug), max: 40, say: "a tenant's name", of: ofSlug}
	case "instance":
		return &nameRule{pattern: regexp.MustCompile(slug), max: 40, say: "an instance's name", of: ofSlug}
	case "service":
		return &nameRule{pattern: regexp.MustCompile(slug), max: 40, reserve: []string{"legacy"}, say: "a service's name", of: ofSlug}
	case "header":
		return &nameRule{pattern: regexp.MustCompile(`^[A-Za-z0-9-]+$`), max: 100, say: "a header's name", of: "letters, digits and hyphens"}
	}
	return nil
}

// slugFrom makes of a name what was likely meant: Client_X becomes client-x. It is "" where that can't be told.
func (r *nameRule) slugFrom(name string) string {
	if strings.IndexFunc(name, func(c rune) bool { return c > unicode.MaxASCII }) >= 0 {
		return ""
	}
	words := strings.FieldsFunc(strings.ToLower(name), func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') })
	slug := strings.Join(words, "-")
	if len(slug) > r.max {
		return ""
	}
	return slug
}
