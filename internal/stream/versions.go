package stream

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// versionsPerQuery bounds one statement: each table in it is a lock and a plan node.
const versionsPerQuery = 500

type versionTable struct {
	Schema  string
	Service string
}

type versionRow struct {
	Part    int
	Version int
	Dirty   bool
}

// Versions reads where many schemas stand in several streams, by schema and service, in two queries for each 500 of them.
// A schema, stream or row that isn't there is absent from the result.
func Versions(ctx context.Context, db postgres.Querier, schemas, services []string) (map[string]map[string]tenant.Version, error) {
	tables, err := versionTables(ctx, db, schemas, services)
	if err != nil {
		return nil, err
	}
	found := make(map[string]map[string]tenant.Version, len(schemas))
	for len(tables) > 0 {
		batch := tables[:min(len(tables), versionsPerQuery)]
		tables = tables[len(batch):]
		if err := readVersions(ctx, db, batch, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// versionTables finds the tables that exist, looking them up by name in the schemas asked for.
func versionTables(ctx context.Context, db postgres.Querier, schemas, services []string) ([]versionTable, error) {
	rows, err := db.Query(ctx, `
		select n.nspname as schema, s.service
		from unnest($1::text[]) as s (service), unnest($2::text[]) as w (schema)
		join pg_namespace n on n.nspname = w.schema
		where exists (select from pg_class c where c.relnamespace = n.oid and c.relname = $3 || s.service and c.relkind = 'r')`,
		services, schemas, tablePrefix)
	if err != nil {
		return nil, fmt.Errorf("find version tables: %w", err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByName[versionTable])
	if err != nil {
		return nil, fmt.Errorf("find version tables: %w", err)
	}
	return tables, nil
}

func readVersions(ctx context.Context, db postgres.Querier, tables []versionTable, found map[string]map[string]tenant.Version) error {
	parts := make([]string, len(tables))
	for i, table := range tables {
		parts[i] = fmt.Sprintf("select %d as part, version, dirty from %s", i, postgres.Ident(table.Schema, TableFor(table.Service)))
	}
	rows, err := db.Query(ctx, strings.Join(parts, " union all "))
	if err != nil {
		return fmt.Errorf("read versions: %w", err)
	}
	versions, err := pgx.CollectRows(rows, pgx.RowToStructByName[versionRow])
	if err != nil {
		return fmt.Errorf("read versions: %w", err)
	}
	for _, row := range versions {
		table := tables[row.Part]
		if found[table.Schema] == nil {
			found[table.Schema] = map[string]tenant.Version{}
		}
		if at := (position{version: row.Version, dirty: row.Dirty}).known(); at != nil {
			found[table.Schema][table.Service] = *at
		}
	}
	return nil
}
