package config

import (
	"fmt"
	"reflect"
	"slices"

	"tenantctl/internal/schema"
)

// schemaNode is a JSON Schema (draft 2020-12), the part of it that this format needs. The order of the fields is the order of
// the keys in the file.
type schemaNode struct {
	Schema               string                 `json:"$schema,omitempty"`
	Title                string                 `json:"title,omitempty"`
	Description          string                 `json:"description,omitempty"`
	Type                 any                    `json:"type,omitempty"`
	Enum                 []string               `json:"enum,omitempty"`
	Pattern              string                 `json:"pattern,omitempty"`
	MinLength            int                    `json:"minLength,omitempty"`
	MaxLength            int                    `json:"maxLength,omitempty"`
	Minimum              *int64                 `json:"minimum,omitempty"`
	Maximum              *int64                 `json:"maximum,omitempty"`
	Not                  *schemaNode            `json:"not,omitempty"`
	Items                *schemaNode            `json:"items,omitempty"`
	UniqueItems          bool                   `json:"uniqueItems,omitempty"`
	Properties           map[string]*schemaNode `json:"properties,omitempty"`
	PropertyNames        *schemaNode            `json:"propertyNames,omitempty"`
	AdditionalProperties any                    `json:"additionalProperties,omitempty"`
	Required             []string               `json:"required,omitempty"`
	OneOf                []*schemaNode          `json:"oneOf,omitempty"`
	Examples             []any                  `json:"examples,omitempty"`
}

// JSONSchema describes tenants.yaml for editors. It knows what the decoder knows of single values; what only the whole file
// shows (a ring that isn't declared) it can't tell. docs/tenants.schema.json is its output.
func JSONSchema() ([]byte, error) {
	top := schemaOf(reflect.TypeFor[document](), &field{})
	top.Schema = schema.Draft
	top.Title = "tenants.yaml of tenantctl"
	return schema.Text(top)
}

func schemaOf(t reflect.Type, f *field) *schemaNode {
	if t.Kind() == reflect.Pointer {
		return schemaOf(t.Elem(), f)
	}
	var n *schemaNode
	switch value := reflect.New(t).Interface().(type) {
	case scalar:
		n = value.describe()
		n.MinLength = 1
		n.Description = boundsOf(t, f)
		return n
	case keyed:
		return keyedSchema(value, f)
	}
	switch t.Kind() {
	case reflect.Struct:
		n = structSchema(shapeOf(t), t)
	case reflect.Slice:
		n = &schemaNode{Type: []string{"array", "null"}, UniqueItems: f.unique, Items: schemaOf(t.Elem(), &field{})}
	case reflect.Int:
		n = &schemaNode{Type: "integer"}
		if f.min != nil {
			n.Minimum = &f.min.value
		}
		if f.max != nil {
			n.Maximum = &f.max.value
		}
	case reflect.Float64:
		n = &schemaNode{Type: "number"}
		if f.min != nil {
			n.Minimum = &f.min.value
		}
	case reflect.Bool:
		n = &schemaNode{Type: "boolean"}
	default:
		n = &schemaNode{Type: "string", Enum: f.enum}
		if f.enum == nil {
			n.MinLength = 1
		}
		if f.pattern != nil {
			n.Pattern = f.pattern.String()
		}
	}
	return n
}

// boundsOf says what JSON Schema can't check of a duration.
func boundsOf(t reflect.Type, f *field) string {
	if t != reflect.TypeFor[Duration]() || f.max == nil {
		return ""
	}
	return fmt.Sprintf("From %s to %s.", f.min.text, f.max.text)
}

func structSchema(s *shape, t reflect.Type) *schemaNode {
	n := &schemaNode{Type: "object", Properties: map[string]*schemaNode{}, AdditionalProperties: false}
	for i := range s.fields {
		f := &s.fields[i]
		property := schemaOf(t.FieldByIndex(f.index).Type, f)
		property.Description = joined(f.doc, property.Description)
		n.Properties[f.name] = property
		if f.required {
			n.Required = append(n.Required, f.name)
		}
	}
	for _, name := range s.oneOf {
		n.OneOf = append(n.OneOf, &schemaNode{Required: []string{name}})
	}
	if len(s.mustHold()) == 0 {
		n.Type = []string{"object", "null"}
	}
	return n
}

func keyedSchema(value keyed, f *field) *schemaNode {
	names := &schemaNode{Pattern: f.rule.pattern.String(), MaxLength: f.rule.max}
	if len(f.rule.reserve) > 0 {
		names.Not = &schemaNode{Enum: slices.Clone(f.rule.reserve)}
	}
	return &schemaNode{
		Type: []string{"object", "null"}, PropertyNames: names,
		AdditionalProperties: schemaOf(reflect.TypeOf(value.element()).Elem(), &field{}),
	}
}

func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + " " + b
}
