package stream

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// versionsPerQuery bounds one message: each table in it is a lock until its end.
const versionsPerQuery = 500

// Stand is where a schema stands in a stream.
type Stand struct {
	// Table tells that the schema has a version table.
	Table bool
	// Version is nil where nothing was applied.
	Version *tenant.Version
	// Recorded is what was recorded of it by Apply; nil where nothing was.
	Recorded *Record
}

func (s Stand) position() position {
	at := position{table: s.Table, version: database.NilVersion}
	if s.Version != nil {
		at.version, at.dirty = int(s.Version.Number), s.Version.Dirty //nolint:gosec // came from a bigint
	}
	return at
}

type versionTable struct {
	Schema string
	Table  string `db:"relname"`
}

// Stands reads where schemas stand in a stream, by schema: two queries for each 500 of them, whatever else the instance holds.
// A schema that isn't there has no version table.
func Stands(ctx context.Context, db postgres.Querier, s *Stream, schemas []string) (map[string]Stand, error) {
	found := make(map[string]Stand, len(schemas))
	for _, schema := range schemas {
		found[schema] = Stand{}
	}
	tables, err := versionTables(ctx, db, s.Table(), schemas)
	if err != nil {
		return nil, err
	}
	for len(tables) > 0 {
		batch := tables[:min(len(tables), versionsPerQuery)]
		tables = tables[len(batch):]
		if err := readVersions(ctx, db, batch, found); err != nil {
			return nil, err
		}
	}
	return found, readRecords(ctx, db, s.Service, schemas, found)
}

// Versions reads where many schemas stand in several streams, by schema and service. A schema, stream or row that isn't there is
// absent from the result.
func Versions(ctx context.Context, db postgres.Querier, schemas []string, streams []*Stream) (map[string]map[string]tenant.Version, error) {
	all := make(map[string]map[string]tenant.Version, len(schemas))
	for _, s := range streams {
		stands, err := Stands(ctx, db, s, schemas)
		if err != nil {
			return nil, err
		}
		for schema, stand := range stands {
			if stand.Table && all[schema] == nil {
				all[schema] = map[string]tenant.Version{}
			}
			if stand.Version != nil {
				all[schema][s.Service] = *stand.Version
			}
		}
	}
	return all, nil
}

// versionTables finds the tables that exist, looking them up by name in the schemas asked for. Rails has one of the same name
// and another form.
func versionTables(ctx context.Context, db postgres.Querier, table string, schemas []string) ([]versionTable, error) {
	rows, err := db.Query(ctx, `
		select n.nspname as schema, c.relname
		from unnest($1::text[]) as w (schema)
		join pg_namespace n on n.nspname = w.schema
		join pg_class c on c.relnamespace = n.oid and c.relname = $2 and c.relkind = 'r'
		where exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'dirty' and a.atttypid = 'boolean'::regtype)`, schemas, table)
	if err != nil {
		return nil, fmt.Errorf("find version tables: %w", err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByName[versionTable])
	if err != nil {
		return nil, fmt.Errorf("find version tables: %w", err)
	}
	return tables, nil
}

// readVersions copies the tables, each with a header that tells where its rows begin.
func readVersions(ctx context.Context, db postgres.Querier, tables []versionTable, found map[string]Stand) error {
	copies := make([]string, len(tables))
	for i, table := range tables {
		copies[i] = "copy " + postgres.Ident(table.Schema, table.Table) + " (version, dirty) to stdout (format csv, header)"
		found[table.Schema] = Stand{Table: true}
	}
	var lines bytes.Buffer
	if err := postgres.CopyTo(ctx, db, &lines, strings.Join(copies, ";")); err != nil {
		return fmt.Errorf("read versions: %w", err)
	}
	part := -1
	for line := range strings.Lines(lines.String()) {
		version, dirty, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ",")
		if version == "version" {
			part++
			continue
		}
		number, err := strconv.Atoi(version)
		if err != nil {
			return fmt.Errorf("read the version of %s: %w", tables[part].Schema, err)
		}
		found[tables[part].Schema] = Stand{Table: true, Version: (position{version: number, dirty: dirty == "t"}).known()}
	}
	return nil
}
