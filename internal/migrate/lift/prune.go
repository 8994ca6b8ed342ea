package lift

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
)

//go:embed sql/prune.sql
var pruneSQL string

// candidate is a function or a type that may be needed by what is selected.
type candidate struct {
	OID    uint32
	Drop   string // the statement that drops it
	Name   string
	Body   string
	Needed bool // something that stays depends on it
}

// prune drops from the scratch database what isn't carried: unselected tables and views, then the routines and types that
// nothing carried uses. Foreign keys that end at a table which isn't carried are lost, each by name.
func prune(ctx context.Context, conn *pgx.Conn, selected func(schema, name string) bool) ([]inspect.Finding, error) {
	drops, err := unselected(ctx, conn, selected)
	if err != nil {
		return nil, err
	}
	findings, err := cutKeys(ctx, conn, drops)
	if err != nil {
		return nil, err
	}
	for part := range slices.Chunk(drops, batch) {
		var script strings.Builder
		for _, relation := range part {
			fmt.Fprintf(&script, "drop %s if exists %s cascade;\n", relation.kind, relation.name)
		}
		if err := postgres.Script(ctx, conn, script.String()); err != nil {
			return nil, fmt.Errorf("drop what isn't carried from the scratch database: %w", err)
		}
	}
	return findings, dropUnused(ctx, conn)
}

type relation struct {
	oid        uint32
	kind, name string
}

// unselected lists the relations that stay behind.
func unselected(ctx context.Context, conn *pgx.Conn, selected func(schema, name string) bool) ([]relation, error) {
	var found []relation
	var oid uint32
	var schema, name, kind string
	err := postgres.Each(ctx, conn, `
		select c.oid, n.nspname, c.relname, case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table'
			when 'S' then 'sequence' else 'table' end
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
			and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
				and (d.deptype = 'e' or (c.relkind = 'S' and d.refobjsubid > 0 and d.deptype in ('a', 'i'))))
			and not (c.relkind = 'S' and exists (select from pg_depend d
				where d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid and d.classid = 'pg_attrdef'::regclass))
		order by c.oid desc`, nil, []any{&oid, &schema, &name, &kind}, func() error {
		if !selected(schema, name) {
			found = append(found, relation{oid, kind, postgres.Ident(schema, name)})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list relations: %w", err)
	}
	return found, nil
}

// cutKeys names the foreign keys and views of carried tables that end at one left behind.
func cutKeys(ctx context.Context, conn *pgx.Conn, drops []relation) ([]inspect.Finding, error) {
	oids := make([]uint32, len(drops))
	for i, drop := range drops {
		oids[i] = drop.oid
	}
	var findings []inspect.Finding
	var name, from, to string
	err := postgres.Each(ctx, conn, `
		select conname, conrelid::regclass::text, confrelid::regclass::text from pg_constraint
		where contype = 'f' and confrelid = any($1::oid[]) and not conrelid = any($1::oid[]) order by 2, 1`, []any{oids}, []any{&name, &from, &to}, func() error {
		findings = append(findings, inspect.Finding{
			Severity: inspect.Warning, Code: "foreign-key-cut", Object: "foreign key " + name + " of " + from,
			Message: "references " + to + ", which isn't lifted: the column is carried, the constraint isn't",
			Hint:    "after the move the application keeps it, or add one by hand to the tenant's table that the rows were mapped to; upgrades of that table then meet it",
		})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list foreign keys: %w", err)
	}
	return findings, nil
}

// dropUnused drops routines and types that nothing carried depends on or names.
func dropUnused(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, pruneSQL)
	if err != nil {
		return fmt.Errorf("list routines and types: %w", err)
	}
	routines, err := pgx.CollectRows(rows, pgx.RowToStructByPos[candidate])
	if err != nil {
		return fmt.Errorf("list routines and types: %w", err)
	}
	keepNamed(routines)
	var script strings.Builder
	for _, r := range routines {
		if !r.Needed {
			script.WriteString(r.Drop + ";\n")
		}
	}
	if script.Len() == 0 {
		return nil
	}
	if err := postgres.Script(ctx, conn, script.String()); err != nil {
		return fmt.Errorf("drop unused routines and types from the scratch database: %w", err)
	}
	return nil
}

// keepNamed marks what a needed routine names in its text, and what that names in turn.
func keepNamed(routines []candidate) {
	for changed := true; changed; {
		changed = false
		for i := range routines {
			if !routines[i].Needed {
				continue
			}
			for _, token := range significant(routines[i].Body) {
				name := token.Value()
				for j := range routines {
					if !routines[j].Needed && routines[j].Name == name {
						routines[j].Needed, changed = true, true
					}
				}
			}
		}
	}
}
