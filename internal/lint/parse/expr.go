package parse

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
)

// Expr is an expression, or any other part of a tree that is only walked.
type Expr struct{ tree any }

// UnmarshalJSON keeps the tree as it is.
func (e *Expr) UnmarshalJSON(text []byte) error {
	if err := json.Unmarshal(text, &e.tree); err != nil {
		return fmt.Errorf("read an expression: %w", err)
	}
	return nil
}

// Given tells whether there is one.
func (e Expr) Given() bool { return e.tree != nil }

// Kind is the kind of the expression's root.
func (e Expr) Kind() string {
	kind, _ := unwrap(e.tree)
	return kind
}

// Fields are those of a node in a generic tree.
type Fields map[string]any

// Walk visits every node below, in an order that is always the same. Kind is "" for those whose kind their place tells. Where
// visit is false what is below isn't visited.
func (e Expr) Walk(visit func(kind string, f Fields) bool) { walk("", e.tree, visit) }

func walk(kind string, tree any, visit func(string, Fields) bool) {
	switch t := tree.(type) {
	case []any:
		for _, item := range t {
			walk("", item, visit)
		}
	case map[string]any:
		if inner, fields := unwrap(t); inner != "" {
			walk(inner, fields, visit)
			return
		}
		if !visit(kind, t) {
			return
		}
		keys := make([]string, 0, len(t))
		for key, value := range t {
			switch value.(type) {
			case []any, map[string]any:
				keys = append(keys, key)
			}
		}
		sort.Strings(keys)
		for _, key := range keys {
			walk("", t[key], visit)
		}
	}
}

// unwrap takes {"Kind": {...}} apart; kinds begin with a capital, fields don't.
func unwrap(tree any) (string, map[string]any) {
	m, ok := tree.(map[string]any)
	if !ok || len(m) != 1 {
		return "", nil
	}
	for key, value := range m {
		if fields, ok := value.(map[string]any); ok && key[0] >= 'A' && key[0] <= 'Z' {
			return key, fields
		}
	}
	return "", nil
}

// Text is a field that holds text.
func (f Fields) Text(name string) string {
	text, _ := f[name].(string)
	return text
}

// Int is a field that holds a number; absent is 0, which is how the tree writes it.
func (f Fields) Int(name string) int {
	n, _ := f[name].(float64)
	return int(n)
}

// Names are the texts of a field that is a list of names: funcname, fields, names.
func (f Fields) Names(name string) []string {
	list, _ := f[name].([]any)
	var names []string
	for _, item := range list {
		kind, fields := unwrap(item)
		if kind == "String" {
			names = append(names, Fields(fields).Text("sval"))
		}
	}
	return names
}

// Sub is a field that is an expression.
func (f Fields) Sub(name string) Expr { return Expr{f[name]} }

// Column is the name of the column where the expression is nothing but one; "" else.
func (e Expr) Column() string {
	kind, fields := unwrap(e.tree)
	if kind != "ColumnRef" {
		return ""
	}
	names := Fields(fields).Names("fields")
	if len(names) == 0 {
		return ""
	}
	return names[len(names)-1]
}

// Constant tells whether the expression holds no column and no call: a literal, however it is cast.
func (e Expr) Constant() bool {
	constant := true
	e.Walk(func(kind string, _ Fields) bool {
		if kind == "ColumnRef" || kind == "FuncCall" || kind == "SubLink" {
			constant = false
		}
		return constant
	})
	return constant
}

// NotNull lists the columns that a condition keeps from being null: c is not null, also as one of several parts joined by and.
func (e Expr) NotNull() []string {
	kind, fields := unwrap(e.tree)
	f := Fields(fields)
	switch {
	case kind == "NullTest" && f.Text("nulltesttype") == "IS_NOT_NULL":
		if column := f.Sub("arg").Column(); column != "" {
			return []string{column}
		}
	case kind == "BoolExpr" && f.Text("boolop") == "AND_EXPR":
		var all []string
		args, _ := f["args"].([]any)
		for _, arg := range args {
			all = append(all, Expr{arg}.NotNull()...)
		}
		return all
	}
	return nil
}

// Equals lists the columns that a condition binds to a constant: c = 1, also as one of several parts joined by and.
func (e Expr) Equals() []string {
	kind, fields := unwrap(e.tree)
	f := Fields(fields)
	switch kind {
	case "A_Expr":
		left, right := f.Sub("lexpr"), f.Sub("rexpr")
		if strings.Join(f.Names("name"), "") != "=" || f.Text("kind") != "AEXPR_OP" {
			return nil
		}
		if column := left.Column(); column != "" && right.Constant() {
			return []string{column}
		}
		if column := right.Column(); column != "" && left.Constant() {
			return []string{column}
		}
	case "BoolExpr":
		if f.Text("boolop") != "AND_EXPR" {
			return nil
		}
		var all []string
		args, _ := f["args"].([]any)
		for _, arg := range args {
			all = append(all, Expr{arg}.Equals()...)
		}
		return all
	}
	return nil
}

// Calls lists the functions that are called, each behind its schema where one is written, and CURRENT_DATE and its kin.
func (e Expr) Calls() []string {
	var calls []string
	e.Walk(func(kind string, f Fields) bool {
		if kind == "FuncCall" {
			calls = append(calls, strings.TrimPrefix(strings.Join(f.Names("funcname"), "."), "pg_catalog."))
		}
		return true
	})
	return calls
}
