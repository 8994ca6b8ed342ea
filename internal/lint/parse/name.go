package parse

import (
	"fmt"
	"strconv"
	"strings"
)

// Key is how a relation is known: its name, behind its schema where one is written.
func (r RangeVar) Key() string {
	if r.Schema == "" {
		return r.Name
	}
	return r.Schema + "." + r.Name
}

// Names are the texts of a list of names.
func Names(nodes []Node) []string {
	names := make([]string, 0, len(nodes))
	for _, node := range nodes {
		switch {
		case node.String != nil:
			names = append(names, node.String.Value)
		case node.IndexElem != nil:
			names = append(names, node.IndexElem.Name)
		}
	}
	return names
}

// Qualified takes a name of one or more parts apart.
func Qualified(nodes []Node) RangeVar {
	names := Names(nodes)
	switch len(names) {
	case 0:
		return RangeVar{}
	case 1:
		return RangeVar{Name: names[0]}
	}
	return RangeVar{Schema: names[len(names)-2], Name: names[len(names)-1]}
}

// Object is the name of a thing to drop, whatever form it has.
func (n Node) Object() RangeVar {
	switch {
	case n.List != nil:
		return Qualified(n.List.Items)
	case n.TypeName != nil:
		return Qualified(n.TypeName.Names)
	case n.ObjectWithArgs != nil:
		return Qualified(n.ObjectWithArgs.Name)
	case n.RangeVar != nil:
		return *n.RangeVar
	case n.String != nil:
		return RangeVar{Name: n.String.Value}
	}
	return RangeVar{}
}

// Base is the type's name without PostgreSQL's own schema, and without modifiers and array bounds.
func (t *TypeName) Base() string {
	if t == nil {
		return ""
	}
	q := Qualified(t.Names)
	if q.Schema == "pg_catalog" {
		q.Schema = ""
	}
	return q.Key()
}

// Modifiers are the numbers behind the name, as in numeric(12, 2).
func (t *TypeName) Modifiers() []int64 {
	var numbers []int64
	for _, m := range t.Typmods {
		if m.AConst != nil && m.AConst.Integer != nil {
			numbers = append(numbers, m.AConst.Integer.Value)
		}
	}
	return numbers
}

// String is the type as SQL would have it, in one spelling for all.
func (t *TypeName) String() string {
	if t == nil {
		return ""
	}
	text := t.Base()
	if spelling, found := spellings(text); found {
		text = spelling
	}
	if m := t.Modifiers(); len(m) > 0 && t.Base() != "interval" {
		parts := make([]string, len(m))
		for i, n := range m {
			parts[i] = strconv.FormatInt(n, 10)
		}
		text = withModifiers(text, "("+strings.Join(parts, ",")+")")
	}
	return text + strings.Repeat("[]", len(t.ArrayBounds))
}

// withModifiers puts the numbers where the grammar wants them: timestamp(3) with time zone.
func withModifiers(text, numbers string) string {
	if head, zone, found := strings.Cut(text, " with"); found {
		return head + numbers + " with" + zone
	}
	return text + numbers
}

// spellings are the names that people write for those that the grammar makes of them.
func spellings(internal string) (string, bool) {
	switch internal {
	case "int2":
		return "smallint", true
	case "int4":
		return "integer", true
	case "int8":
		return "bigint", true
	case "float4":
		return "real", true
	case "float8":
		return "double precision", true
	case "bool":
		return "boolean", true
	case "bpchar":
		return "char", true
	case "timestamptz":
		return "timestamptz", true
	case "timetz":
		return "timetz", true
	case "varbit":
		return "bit varying", true
	}
	return "", false
}

// Option finds an option of a statement.
func Option(nodes []Node, name string) (*DefElem, bool) {
	for _, node := range nodes {
		if node.DefElem != nil && node.DefElem.Name == name {
			return node.DefElem, true
		}
	}
	return nil, false
}

// On tells whether an option is on: named, and not switched off.
func On(nodes []Node, name string) bool {
	option, found := Option(nodes, name)
	if !found {
		return false
	}
	if s := option.Arg.String; s != nil {
		return s.Value != "false" && s.Value != "off" && s.Value != "0"
	}
	return true
}

// Text is a constant as it is written after SET name =.
func (n Node) Text() string {
	switch {
	case n.String != nil:
		return n.String.Value
	case n.AConst == nil:
	case n.AConst.Text != nil:
		return n.AConst.Text.Value
	case n.AConst.Integer != nil:
		return fmt.Sprint(n.AConst.Integer.Value)
	}
	return ""
}

// Signature is a routine's input types, with commas between them.
func (f *CreateFunctionStmt) Signature() string {
	var types []string
	for _, node := range f.Parameters {
		p := node.FunctionParameter
		if p != nil && p.Mode != "FUNC_PARAM_OUT" && p.Mode != "FUNC_PARAM_TABLE" {
			types = append(types, p.Type.String())
		}
	}
	return strings.Join(types, ",")
}

// Arguments are the input types behind a routine's name, as Signature has them.
func (n Node) Arguments() string {
	if n.ObjectWithArgs == nil {
		return ""
	}
	var types []string
	for _, arg := range n.ObjectWithArgs.Args {
		if arg.TypeName != nil {
			types = append(types, arg.TypeName.String())
		}
	}
	return strings.Join(types, ",")
}
