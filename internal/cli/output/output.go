// Package output writes what a command found: as a table for people, or as JSON, YAML or names for programs. The forms for
// programs are stable: they carry apiVersion and kind, and fields are only ever added.
package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"gopkg.in/yaml.v3"

	"tenantctl/internal/tenant"
)

// APIVersion names the shape of everything that is written for programs.
const APIVersion = "tenantctl/v1"

// Format is a form of output.
type Format string

// The formats.
const (
	Table Format = "table"
	JSON  Format = "json"
	YAML  Format = "yaml"
	Name  Format = "name"
)

// Formats lists them.
func Formats() []Format { return []Format{Table, JSON, YAML, Name} }

// Printer writes documents in one format.
type Printer struct {
	Out    io.Writer
	Format Format
	Color  bool
	Width  int // of the terminal; 0: lines may be of any length
}

// View is how people and shells see a document.
type View struct {
	// Table writes the form for people.
	Table func(w io.Writer) error
	// Names are kind/name, one a line; nil where the things have none.
	Names []string
}

// NoNameError is a document whose things have no names.
type NoNameError struct{ Kind string }

func (e *NoNameError) Error() string {
	return fmt.Sprintf("%s has no names to print: use table, json or yaml", e.Kind)
}

// Unwrap makes it a mistake of whoever asked.
func (e *NoNameError) Unwrap() error { return tenant.ErrInvalid }

// One writes a single thing. Its fields stand beside apiVersion and kind, so that it has to be a struct or a map.
func (p Printer) One(kind string, value any, view View) error {
	return p.write(kind, view, func() ([]byte, error) {
		body, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", kind, err)
		}
		return withKind(kind, body), nil
	})
}

// List writes things as the items of a list.
func (p Printer) List(kind string, items any, view View) error {
	return p.write(kind, view, func() ([]byte, error) {
		body, err := json.Marshal(struct {
			Items any `json:"items"`
		}{items})
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", kind, err)
		}
		return withKind(kind, bytes.Replace(body, []byte(`{"items":null}`), []byte(`{"items":[]}`), 1)), nil
	})
}

// Line writes one of a sequence of things: a line of JSON, or a YAML document.
func (p Printer) Line(kind string, value any, view View) error {
	if p.Format != JSON {
		if p.Format == YAML {
			if _, err := io.WriteString(p.Out, "---\n"); err != nil {
				return err
			}
		}
		return p.One(kind, value, view)
	}
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", kind, err)
	}
	_, err = p.Out.Write(append(withKind(kind, body), '\n'))
	return err
}

func (p Printer) write(kind string, view View, encode func() ([]byte, error)) error {
	switch p.Format {
	case Name:
		return p.names(kind, view)
	case JSON, YAML:
		body, err := encode()
		if err != nil {
			return err
		}
		if p.Format == YAML {
			return p.yaml(body)
		}
		return p.json(body)
	case Table:
	}
	return view.Table(p.Out)
}

func (p Printer) names(kind string, view View) error {
	if view.Names == nil {
		return &NoNameError{Kind: kind}
	}
	var lines bytes.Buffer
	for _, name := range view.Names {
		lines.WriteString(name + "\n")
	}
	_, err := p.Out.Write(lines.Bytes())
	return err
}

// withKind puts apiVersion and kind in front of the fields of a JSON object.
func withKind(kind string, object []byte) []byte {
	head := fmt.Appendf(nil, `{"apiVersion":%q,"kind":%q`, APIVersion, kind)
	if string(object) == "{}" {
		return append(head, '}')
	}
	return slices.Concat(head, []byte{','}, object[1:])
}

func (p Printer) json(body []byte) error {
	var indented bytes.Buffer
	indented.Grow(len(body) * 2)
	if err := json.Indent(&indented, body, "", "  "); err != nil {
		return fmt.Errorf("indent: %w", err)
	}
	indented.WriteByte('\n')
	_, err := p.Out.Write(indented.Bytes())
	return err
}

// yaml writes the JSON in YAML's block form, so that both have the same fields in the same order.
func (p Printer) yaml(body []byte) error {
	var node yaml.Node
	if err := yaml.Unmarshal(body, &node); err != nil {
		return fmt.Errorf("turn into YAML: %w", err)
	}
	unfold(&node)
	encoder := yaml.NewEncoder(p.Out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&node); err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	return encoder.Close()
}

// unfold drops JSON's braces and quotes; yaml quotes again what would read as something else.
func unfold(node *yaml.Node) {
	node.Style = 0
	for _, child := range node.Content {
		unfold(child)
	}
}
