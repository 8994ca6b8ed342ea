package mapping

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"tenantctl/internal/postgres"
)

// TargetCatalog is what a mapping may fill: the tables of a tenant's schema as its streams make them. It may be read from any
// schema at the right versions; Schema is where the rows will go.
type TargetCatalog struct {
	Schema string
	Tables []TargetTable
}

// TargetTable is a table of the tenant's schema, with what it demands of its rows.
type TargetTable struct {
	Name    string
	Service string // whose stream made it; "": not known
	Columns []TargetColumn
	Unique  []UniqueRule
	Checks  []CheckRule
	Foreign []ForeignRule
}

// TargetColumn is a column of the target.
type TargetColumn struct {
	Name         string
	Type         string // as people write it: numeric(12,2)
	Base         BaseType
	NotNull      bool // the domain's too
	Default      bool
	Generated    bool
	Identity     string   // "", "a" (always), "d" (by default)
	Sequence     string   // that gives its default; "": none
	DomainChecks []string // conditions over VALUE
}

// BaseType is a type below its domains.
type BaseType struct {
	OID      uint32
	Schema   string
	Name     string
	Modifier int32    // -1: none
	Written  string   // with its modifier, as SQL has it: numeric(12,2)
	Labels   []string // of an enum
}

// UniqueRule is a unique index.
type UniqueRule struct {
	Name       string
	Columns    []string // quoted columns or expressions
	Predicate  string   // of a partial index
	Primary    bool
	NullsEqual bool
}

// CheckRule is a CHECK constraint.
type CheckRule struct {
	Name    string
	Columns []string // quoted
	SQL     string
}

// ForeignRule is a foreign key.
type ForeignRule struct {
	Name       string
	Columns    []string // quoted
	Table      string
	References []string // quoted
	// Present are the rows that the table referred to comes with: the values of References, as text.
	Present [][]string
}

//go:embed sql/target_columns.sql
var targetColumnsSQL string

//go:embed sql/target_rules.sql
var targetRulesSQL string

// ReadTarget reads the tables of a schema. Tables that record schema versions are left out: no mapping fills them.
func ReadTarget(ctx context.Context, db postgres.Querier, schema string) (TargetCatalog, error) {
	target := TargetCatalog{Schema: schema}
	var table string
	var c TargetColumn
	into := []any{
		&table, &c.Name, &c.Type, &c.Base.OID, &c.Base.Schema, &c.Base.Name, &c.Base.Modifier, &c.Base.Written,
		&c.Base.Labels, &c.NotNull, &c.Default, &c.Generated, &c.Identity, &c.Sequence, &c.DomainChecks,
	}
	err := postgres.Each(ctx, db, targetColumnsSQL, []any{schema}, into, func() error {
		last := len(target.Tables) - 1
		if last < 0 || target.Tables[last].Name != table {
			target.Tables = append(target.Tables, TargetTable{Name: table})
			last++
		}
		target.Tables[last].Columns = append(target.Tables[last].Columns, c)
		c.Base.Labels, c.DomainChecks = nil, nil
		return nil
	})
	if err != nil {
		return target, fmt.Errorf("read the tables of schema %q: %w", schema, err)
	}
	return target, target.readRules(ctx, db)
}

func (t *TargetCatalog) readRules(ctx context.Context, db postgres.Querier) error {
	var name, kind, rule, expression, other string
	var columns, otherColumns []string
	var primary, nullsEqual bool
	err := postgres.Each(ctx, db, targetRulesSQL, []any{t.Schema}, []any{&name, &kind, &rule, &columns, &expression, &primary, &nullsEqual, &other, &otherColumns}, func() error {
		table := t.table(name)
		if table == nil {
			return nil
		}
		switch kind {
		case "u":
			table.Unique = append(table.Unique, UniqueRule{rule, slices.Clone(columns), expression, primary, nullsEqual})
		case "c":
			table.Checks = append(table.Checks, CheckRule{rule, slices.Clone(columns), expression})
		case "f":
			table.Foreign = append(table.Foreign, ForeignRule{Name: rule, Columns: slices.Clone(columns), Table: other, References: slices.Clone(otherColumns)})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the constraints of schema %q: %w", t.Schema, err)
	}
	return t.readPresent(ctx, db)
}

func (t *TargetCatalog) table(name string) *TargetTable {
	for i := range t.Tables {
		if t.Tables[i].Name == name {
			return &t.Tables[i]
		}
	}
	return nil
}

func (t *TargetCatalog) tableNames() []string {
	names := make([]string, len(t.Tables))
	for i, table := range t.Tables {
		names[i] = quoteName(table.Name)
	}
	return names
}

func (t *TargetTable) column(name string) *TargetColumn {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

func (t *TargetTable) columnNames() []string {
	names := make([]string, len(t.Columns))
	for i, column := range t.Columns {
		names[i] = quoteName(column.Name)
	}
	return names
}
