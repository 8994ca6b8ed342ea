package mapping

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
)

// legacyTable is a table that a mapping reads, as the catalog and the scratch database have it.
type legacyTable struct {
	inspect.Table
	columns []legacyColumn
	unique  [][]string // columns of each unique index over plain columns
	foreign []legacyForeign
}

type legacyColumn struct {
	name               string
	base               BaseType
	notNull, generated bool
}

// legacyForeign is a foreign key that the legacy database has proven.
type legacyForeign struct {
	columns    []string
	table      string // quoted and qualified
	references []string
}

//go:embed sql/legacy_columns.sql
var legacyColumnsSQL string

//go:embed sql/legacy_keys.sql
var legacyKeysSQL string

// readLegacy reads what the scratch database knows of tables, by their quoted and qualified names.
func (j *judge) readLegacy(ctx context.Context, tables map[string]*legacyTable) error {
	names := make([]string, 0, len(tables))
	for name := range tables {
		names = append(names, name)
	}
	slices.Sort(names)
	if err := j.readLegacyColumns(ctx, tables, names); err != nil {
		return err
	}
	var name, kind, other string
	var columns, otherColumns []string
	err := postgres.Each(ctx, j.tx, legacyKeysSQL, []any{names}, []any{&name, &kind, &columns, &other, &otherColumns}, func() error {
		table := tables[name]
		if kind == "u" {
			table.unique = append(table.unique, slices.Clone(columns))
			return nil
		}
		table.foreign = append(table.foreign, legacyForeign{slices.Clone(columns), other, slices.Clone(otherColumns)})
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the keys of the scratch database: %w", err)
	}
	return nil
}

func (j *judge) readLegacyColumns(ctx context.Context, tables map[string]*legacyTable, names []string) error {
	var name, written string
	var oid uint32
	var modifier, baseModifier int32
	var c legacyColumn
	err := postgres.Each(ctx, j.tx, legacyColumnsSQL, []any{names}, []any{&name, &c.name, &oid, &modifier, &baseModifier, &written, &c.notNull, &c.generated}, func() error {
		c.base = j.typeOf(oid, modifier)
		c.base.Modifier, c.base.Written = baseModifier, written
		tables[name].columns = append(tables[name].columns, c)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the columns of the scratch database: %w", err)
	}
	return nil
}

func (t *legacyTable) column(name string) *legacyColumn {
	for i := range t.columns {
		if t.columns[i].name == name {
			return &t.columns[i]
		}
	}
	return nil
}

// sql is the table's name in a statement.
func (t *legacyTable) sql() string { return postgres.Ident(t.Schema, t.Name) }

// relation is the table as expressions see it.
func (j *judge) relation(t *legacyTable, path string) relation {
	rel := relation{sql: t.sql(), shown: t.String(), path: path}
	for _, column := range t.columns {
		rel.columns = append(rel.columns, column.name)
		rel.enums = rel.enums || j.isEnum(column.base)
	}
	return rel
}

// isEnum tells an enum, or an array of one, of the scratch database.
func (j *judge) isEnum(t BaseType) bool {
	if t.builtin() {
		return false
	}
	kind := j.types[t.OID].Kind
	return kind == "e" || isArray(t)
}
