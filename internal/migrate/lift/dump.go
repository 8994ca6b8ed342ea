package lift

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/migrate/ddl"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
)

// FenceSchema is what a fence puts into a legacy database; it is never carried.
const FenceSchema = "tenantctl_fence"

var schemaOnly = []string{ //nolint:gochecknoglobals // a constant list
	"--schema-only", "--no-owner", "--no-privileges", "--no-tablespaces", "--no-security-labels",
	"--exclude-schema=" + FenceSchema, "--encoding=UTF8",
}

// dumpLegacy reads the legacy schema as definitions, without what belongs to the whole database; each thing left out is
// a finding.
func dumpLegacy(ctx context.Context, tools postgres.Tools, dsn string) ([]ddl.Statement, []inspect.Finding, error) {
	script, err := tools.Run(ctx, "pg_dump", dsn, schemaOnly...)
	if err != nil {
		return nil, nil, fmt.Errorf("dump the legacy schema: %w", err)
	}
	casts, err := foreignCasts(ctx, dsn)
	if err != nil {
		return nil, nil, err
	}
	var kept []ddl.Statement
	findings, err := invalidIndexes(ctx, dsn)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range ddl.Parse(string(script)) {
		switch {
		case s.Kind == "TRIGGER" && isFenceTrigger(s.Name), s.Kind == "COMMENT" && isExtensionComment(s.Name), s.Kind == "SCHEMA" && s.Name == "public":
		case databaseWide[s.Kind] || (s.Kind == "CAST" && slices.Contains(casts, s.Name)):
			findings = append(findings, inspect.Finding{
				Severity: inspect.Warning, Code: "database-wide", Object: s.Object(),
				Message: "belongs to the whole database and is left behind: in a shared one it would reach every tenant",
			})
		default:
			kept = append(kept, s)
		}
	}
	return kept, findings, nil
}

// invalidIndexes names indexes whose build failed: pg_dump leaves them out without a word.
func invalidIndexes(ctx context.Context, dsn string) ([]inspect.Finding, error) {
	conn, err := postgres.Connect(ctx, dsn, postgres.Options{Application: "lift", Settings: map[string]string{"search_path": ""}})
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var findings []inspect.Finding
	var index, table string
	err = postgres.Each(ctx, conn, `select i.indexrelid::regclass::text, i.indrelid::regclass::text from pg_index i join pg_class c on c.oid = i.indrelid
		where not i.indisvalid and c.relkind = 'r' order by 1`, nil, []any{&index, &table}, func() error {
		findings = append(findings, inspect.Finding{
			Severity: inspect.Warning, Code: "invalid-index", Object: "index " + index,
			Message: "is invalid (its build failed), and stays behind: a dump doesn't have it",
			Hint:    "`REINDEX INDEX CONCURRENTLY " + index + "` before the move, or drop it",
		})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list invalid indexes: %w", err)
	}
	return findings, nil
}

// databaseWide lists pg_dump's kinds of objects that a tenant's schema can't hold.
var databaseWide = map[string]bool{ //nolint:gochecknoglobals // a constant set
	"PUBLICATION": true, "PUBLICATION TABLE": true, "PUBLICATION TABLES IN SCHEMA": true, "SUBSCRIPTION": true,
	"EVENT TRIGGER": true, "SERVER": true, "USER MAPPING": true, "FOREIGN DATA WRAPPER": true, "DEFAULT ACL": true,
	"SECURITY LABEL": true, "TRANSFORM": true, "ACCESS METHOD": true, "PROCEDURAL LANGUAGE": true,
}

// foreignCasts names casts of which neither type is the legacy's own: restored, they would work for every tenant.
func foreignCasts(ctx context.Context, dsn string) ([]string, error) {
	conn, err := postgres.Connect(ctx, dsn, postgres.Options{Application: "lift", Settings: map[string]string{"search_path": ""}})
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	rows, err := conn.Query(ctx, `
		select format('CAST (%s AS %s)', format_type(c.castsource, null), format_type(c.casttarget, null))
		from pg_cast c
		where c.oid >= 16384 and not exists (
			select from pg_type t
			where t.oid in (c.castsource, c.casttarget) and t.oid >= 16384
				and not exists (select from pg_depend d where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e'))`)
	if err != nil {
		return nil, fmt.Errorf("list casts: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list casts: %w", err)
	}
	return names, nil
}

// dumpRenamed reads the renamed schema from the scratch database in its two sections: what must be there before the rows
// come, and what is built after.
func dumpRenamed(ctx context.Context, tools postgres.Tools, dsn string) (pre, post []ddl.Statement, err error) {
	archive, err := tools.Run(ctx, "pg_dump", dsn, append([]string{"--format=custom", "--compress=0"}, schemaOnly...)...)
	if err != nil {
		return nil, nil, fmt.Errorf("dump the renamed schema: %w", err)
	}
	sections := map[string][]ddl.Statement{}
	for _, section := range []string{"pre-data", "post-data"} {
		script, err := tools.Section(ctx, section, archive, "--no-owner", "--no-privileges")
		if err != nil {
			return nil, nil, err
		}
		sections[section] = ddl.Parse(script)
	}
	return sections["pre-data"], sections["post-data"], nil
}
