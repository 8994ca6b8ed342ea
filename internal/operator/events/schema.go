package events

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"tenantctl/internal/schema"
)

// node is a JSON Schema, as much of it as events need.
type node struct {
	Schema      string           `json:"$schema,omitempty"`
	Title       string           `json:"title,omitempty"`
	Description string           `json:"description,omitempty"`
	Type        any              `json:"type,omitempty"` // a name, or several
	Const       string           `json:"const,omitempty"`
	Format      string           `json:"format,omitempty"`
	Items       *node            `json:"items,omitempty"`
	Properties  map[string]*node `json:"properties,omitempty"`
	Required    []string         `json:"required,omitempty"`
	Values      *node            `json:"additionalProperties,omitempty"` // of a map
	OneOf       []*node          `json:"oneOf,omitempty"`
	Ref         string           `json:"$ref,omitempty"`
	Defs        map[string]*node `json:"$defs,omitempty"`
}

// Schema is the JSON Schema of every event, each also by itself under $defs. Members that it doesn't have may come with a later version.
func Schema() ([]byte, error) {
	top := &node{
		Schema: schema.Draft, Title: "Events of tenantctl",
		Description: "What operators send to RabbitMQ and to webhooks: CloudEvents 1.0 in JSON. $defs has each type.", Defs: map[string]*node{},
	}
	for _, kind := range Kinds() {
		top.Defs[kind.Type] = kind.schema()
		top.OneOf = append(top.OneOf, &node{Ref: "#/$defs/" + kind.Type})
	}
	return schema.Text(top)
}

func (k Kind) schema() *node {
	made := nodeOf(reflect.TypeFor[envelope]())
	made.Description = k.When
	for name, value := range map[string]string{"specversion": "1.0", "source": "tenantctl", "datacontenttype": "application/json", "type": k.Type} {
		made.Properties[name].Const = value
	}
	made.Properties["id"].Description = "A number that rises in the order of what happened; the same when an event comes again."
	made.Properties["subject"] = &node{Type: "string", Description: "The tenant."}
	if k.Fleet {
		delete(made.Properties, "subject")
	}
	data := &node{Type: "object", Required: []string{"message"}, Properties: map[string]*node{
		"message": {Type: "string", Description: "For people."}, "actor": {Type: "string", Description: "Who did it."},
	}}
	if k.Detail != nil {
		data.Properties["detail"] = nodeOf(reflect.TypeOf(k.Detail))
		data.Required = append(data.Required, "detail")
	}
	made.Properties["data"] = data
	made.Required = append(made.Required, "data")
	return made
}

// nodeOf is the schema of a type as encoding/json writes it. What a pointer holds may be absent, or null.
func nodeOf(t reflect.Type) *node {
	switch t {
	case reflect.TypeFor[time.Time]():
		return &node{Type: "string", Format: "date-time"}
	case reflect.TypeFor[time.Duration]():
		return &node{Type: "integer", Description: "Nanoseconds."}
	case reflect.TypeFor[json.RawMessage]():
		return &node{Type: "object"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		made := nodeOf(t.Elem())
		made.Type = []any{made.Type, "null"}
		return made
	case reflect.Struct:
		return structNode(t)
	case reflect.Map:
		return &node{Type: "object", Values: nodeOf(t.Elem())}
	case reflect.Slice:
		return &node{Type: []any{"array", "null"}, Items: nodeOf(t.Elem())}
	case reflect.Bool:
		return &node{Type: "boolean"}
	case reflect.String:
		return &node{Type: "string"}
	}
	return &node{Type: "integer"}
}

func structNode(t reflect.Type) *node {
	made := &node{Type: "object", Properties: map[string]*node{}}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		made.Properties[name] = nodeOf(f.Type)
		if f.Type.Kind() != reflect.Pointer && !strings.Contains(options, "omit") {
			made.Required = append(made.Required, name)
		}
	}
	return made
}
