package lift

import (
	"context"
	_ "embed"
	"fmt"

	"tenantctl/internal/postgres"
)

//go:embed sql/names.sql
var namesSQL string

// names is what can be named with a schema in a database, and whose it is.
type names struct {
	schemas map[string]bool
	objects map[qualified]string // value: extension that owns it, or ""
}

type qualified struct{ schema, name string }

// holdsExtension tells a schema in which an extension has objects.
func (n *names) holdsExtension(schema string) bool {
	for object, extension := range n.objects {
		if object.schema == schema && extension != "" {
			return true
		}
	}
	return false
}

// readNames lists every nameable object outside the system's schemas.
func readNames(ctx context.Context, db postgres.Querier) (*names, error) {
	found := &names{schemas: map[string]bool{}, objects: map[qualified]string{}}
	var schema, name, extension string
	err := postgres.Each(ctx, db, namesSQL, nil, []any{&schema, &name, &extension}, func() error {
		found.schemas[schema] = true
		if name != "" {
			found.objects[qualified{schema, name}] = extension
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list names: %w", err)
	}
	return found, nil
}
