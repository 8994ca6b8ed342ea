package ddl

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
)

//go:embed strip.sql
var stripSQL string

// Stripped is what slows a load and can be built better after it: how to take it off tables, and how to put it back.
type Stripped struct {
	Drop    []string    `json:"drop"`    // in order, each safe to repeat
	Rebuild []Statement `json:"rebuild"` // as a dump's post-data would have it
}

// ReadStripped lists the foreign keys, unique and primary keys, indexes and triggers of the tables of a schema.
func ReadStripped(ctx context.Context, db postgres.Querier, schema string, tables []string) (Stripped, error) {
	var stripped Stripped
	var s Statement
	var drop string
	err := postgres.Each(ctx, db, stripSQL, []any{schema, tables}, []any{&s.Kind, &s.Schema, &s.Name, &s.SQL, &drop}, func() error {
		if drop != "" {
			stripped.Drop = append(stripped.Drop, drop)
		}
		stripped.Rebuild = append(stripped.Rebuild, s)
		return nil
	})
	if err != nil {
		return Stripped{}, fmt.Errorf("read indexes and constraints of schema %q: %w", schema, err)
	}
	return stripped, nil
}

// Strip takes it off.
func (s Stripped) Strip(ctx context.Context, tx pgx.Tx) error {
	if len(s.Drop) == 0 {
		return nil
	}
	if err := postgres.Script(ctx, tx, strings.Join(s.Drop, ";\n")); err != nil {
		return fmt.Errorf("take indexes and constraints off for the load: %w", err)
	}
	return nil
}

// InOrder lists what puts it back, each after what it needs.
func (s Stripped) InOrder() []Statement {
	phases := Divide(s.Rebuild, func(string, string) int64 { return 0 })
	ordered := append([]Statement(nil), phases.Indexes...)
	ordered = append(ordered, phases.Others...)
	ordered = append(ordered, phases.Keys...)
	return append(ordered, phases.Last...)
}
