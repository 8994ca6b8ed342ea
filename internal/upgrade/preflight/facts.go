package preflight

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
)

// relation is a table, or an index by its name, as a tenant has it.
type relation struct {
	Schema   string
	Name     string
	Kind     string   // r, p for tables; i, I for indexes; v ...
	Columns  []string // in the table's order
	Required []string // columns that are NOT NULL
	Key      []string // columns of the primary key
	Valid    bool     // of an index
	Carries  bool     // triggers, rules or foreign keys carry changes of its rows to other tables
}

func (r *relation) isTable() bool { return r != nil && (r.Kind == "r" || r.Kind == "p") }

func (r *relation) has(columns []string) bool {
	for _, column := range columns {
		if !slices.Contains(r.Columns, column) {
			return false
		}
	}
	return true
}

// catalog is what tenants have, by schema and name.
type catalog struct {
	relations map[tableName]*relation
	functions map[tableName]bool // volatile ones
}

// wanted are names to look up in schemas.
type wanted map[tableName]bool

func (w wanted) arrays() (schemas, names []string) {
	for t := range w {
		schemas, names = append(schemas, t.schema), append(names, t.name)
	}
	return schemas, names
}

//go:embed sql/relations.sql
var relationsSQL string

//go:embed sql/constraints.sql
var constraintsSQL string

//go:embed sql/functions.sql
var functionsSQL string

// readConstraints finds the definitions of what tables still have to validate, by table and name. It waits for nobody: it reads the catalog only.
func readConstraints(ctx context.Context, db postgres.Querier, tables wanted) (map[tableName]map[string]string, error) {
	found := map[tableName]map[string]string{}
	if len(tables) == 0 {
		return found, nil
	}
	schemas, names := tables.arrays()
	var table tableName
	var name, definition string
	err := postgres.Each(ctx, db, constraintsSQL, []any{schemas, names}, []any{&table.schema, &table.name, &name, &definition}, func() error {
		if found[table] == nil {
			found[table] = map[string]string{}
		}
		found[table][name] = definition
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read constraints: %w", err)
	}
	return found, nil
}

func readRelations(ctx context.Context, db postgres.Querier, names wanted) (map[tableName]*relation, error) {
	found := map[tableName]*relation{}
	if len(names) == 0 {
		return found, nil
	}
	schemas, tables := names.arrays()
	rows, err := db.Query(ctx, relationsSQL, schemas, tables)
	if err != nil {
		return nil, fmt.Errorf("read tables: %w", err)
	}
	relations, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[relation])
	if err != nil {
		return nil, fmt.Errorf("read tables: %w", err)
	}
	for _, r := range relations {
		found[tableName{r.Schema, r.Name}] = r
	}
	return found, nil
}

func readFunctions(ctx context.Context, db postgres.Querier, names wanted) (map[tableName]bool, error) {
	found := map[tableName]bool{}
	if len(names) == 0 {
		return found, nil
	}
	schemas, functions := names.arrays()
	var f tableName
	err := postgres.Each(ctx, db, functionsSQL, []any{schemas, functions}, []any{&f.schema, &f.name}, func() error {
		found[f] = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read functions: %w", err)
	}
	return found, nil
}
