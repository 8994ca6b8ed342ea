package lift

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"tenantctl/internal/postgres"
)

var (
	//go:embed sql/names.sql
	namesSQL string
	//go:embed sql/signatures.sql
	signaturesSQL string
	//go:embed sql/columns.sql
	columnsSQL string
)

// names is what can be named with a schema in a database, and whose it is.
type names struct {
	schemas map[string]bool
	objects map[qualified]owners
	// signatures are of the functions that take objects by their names, PostgreSQL's own among them.
	signatures map[string][]signature
	// columns are of the tables and views that keep the identity of objects, by the table's name in whichever schema.
	columns map[string][]columns
}

// signature is one overload of a function: it takes from least to most arguments, and those are named that have a type such as regclass.
type signature struct {
	least, most int
	named       []bool
}

// takesName tells that a call with so many arguments takes the one at index as the name of an object, whichever overload it means.
func (n *names) takesName(function string, arguments, index int) bool {
	found := false
	for _, s := range n.signatures[function] {
		if arguments < s.least || arguments > s.most {
			continue
		}
		if index < 0 || index >= len(s.named) || !s.named[index] {
			return false
		}
		found = true
	}
	return found
}

// qualified is a name in a schema. Functions and operators are apart from all else: a table may be called as a function is.
type qualified struct {
	schema, name string
	called       bool
}

// owners tells whose the objects of one name are: the client's, an extension's, or both, which only functions and operators can be.
type owners struct {
	own       bool
	extension string // "": none
}

// there tells that the schema has the name at all.
func (o owners) there() bool { return o.own || o.extension != "" }

// calls tells that some schema has a function of this name.
func (n *names) calls(name string) bool {
	for object := range n.objects {
		if object.called && object.name == name {
			return true
		}
	}
	return false
}

// holdsExtension tells a schema in which an extension has objects.
func (n *names) holdsExtension(schema string) bool {
	for object, owners := range n.objects {
		if object.schema == schema && owners.extension != "" {
			return true
		}
	}
	return false
}

// readNames lists every nameable object outside the system's schemas.
func readNames(ctx context.Context, db postgres.Querier) (*names, error) {
	found := &names{schemas: map[string]bool{}, objects: map[qualified]owners{}, signatures: map[string][]signature{}, columns: map[string][]columns{}}
	var object qualified
	var owner owners
	err := postgres.Each(ctx, db, namesSQL, nil, []any{&object.schema, &object.name, &object.called, &owner.own, &owner.extension}, func() error {
		found.schemas[object.schema] = true
		if object.name != "" {
			found.objects[object] = owner
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list names: %w", err)
	}
	var function string
	var s signature
	err = postgres.Each(ctx, db, signaturesSQL, nil, []any{&function, &s.least, &s.most, &s.named}, func() error {
		found.signatures[function] = append(found.signatures[function], signature{s.least, s.most, slices.Clone(s.named)})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list functions that take names: %w", err)
	}
	var table string
	var of columns
	err = postgres.Each(ctx, db, columnsSQL, nil, []any{&table, &of.names, &of.named}, func() error {
		found.columns[table] = append(found.columns[table], columns{slices.Clone(of.names), slices.Clone(of.named)})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list columns that hold names: %w", err)
	}
	return found, nil
}
