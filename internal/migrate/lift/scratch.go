package lift

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/migrate/ddl"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
)

//go:embed sql/move.sql
var moveSQL string

//go:embed sql/extensions.sql
var extensionsSQL string

// isFenceTrigger tells our own triggers by the name that pg_dump writes, "table trigger".
func isFenceTrigger(name string) bool { return strings.HasSuffix(name, " "+FenceSchema) }

func isExtensionComment(name string) bool { return strings.HasPrefix(name, "EXTENSION ") }

// batch is how many definitions go to the server as one message.
const batch = 100

// restore runs definitions in order; an error names the object.
func restore(ctx context.Context, conn *pgx.Conn, statements []ddl.Statement) error {
	for part := range slices.Chunk(statements, batch) {
		texts := make([]string, len(part))
		for i, s := range part {
			texts[i] = s.SQL
		}
		if err := postgres.Script(ctx, conn, strings.Join(texts, ";\n")); err == nil {
			continue
		}
		for _, s := range part { // the batch left nothing behind; one by one names the culprit
			if err := postgres.Script(ctx, conn, s.SQL); err != nil {
				return fmt.Errorf("restore %s into the scratch database: %w", s.Object(), err)
			}
		}
	}
	return nil
}

// rename moves every object of the legacy schemas to the tenant's schemas, within the scratch database: PostgreSQL
// follows each reference it holds by OID. What extensions own stays behind in public, which becomes the extensions'
// schema: the other way round fails for an administrator who is no superuser.
func rename(ctx context.Context, conn *pgx.Conn, renaming Renaming) error {
	mixed, err := withExtensions(ctx, conn)
	if err != nil {
		return err
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin renaming: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	for _, legacy := range sortedKeys(renaming.Schemas) {
		target := renaming.Schemas[legacy]
		if legacy != "public" && !slices.Contains(mixed, legacy) {
			if _, err := tx.Exec(ctx, "alter schema "+postgres.Ident(legacy)+" rename to "+postgres.Ident(target)); err != nil {
				return fmt.Errorf("rename schema %s: %w", legacy, err)
			}
			continue
		}
		if err := moveObjects(ctx, tx, legacy, target); err != nil {
			return err
		}
	}
	if err := placeExtensions(ctx, tx, renaming); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit renaming: %w", err)
	}
	return nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// withExtensions lists the schemas that hold an extension.
func withExtensions(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	extensions, err := extensionsOf(ctx, conn)
	if err != nil {
		return nil, err
	}
	var schemas []string
	for _, e := range extensions {
		schemas = append(schemas, e.Schema)
	}
	return schemas, nil
}

func moveObjects(ctx context.Context, tx pgx.Tx, legacy, target string) error {
	if _, err := tx.Exec(ctx, "create schema "+postgres.Ident(target)); err != nil {
		return fmt.Errorf("create schema %s: %w", target, err)
	}
	rows, err := tx.Query(ctx, moveSQL, legacy, target)
	if err != nil {
		return fmt.Errorf("list the objects of schema %s: %w", legacy, err)
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list the objects of schema %s: %w", legacy, err)
	}
	for part := range slices.Chunk(statements, batch) {
		if err := postgres.Script(ctx, tx, strings.Join(part, ";\n")); err != nil {
			return fmt.Errorf("move the objects of schema %s: %w", legacy, err)
		}
	}
	return nil
}

// placeExtensions brings each extension to the schema that it has on the shared instance.
func placeExtensions(ctx context.Context, tx pgx.Tx, renaming Renaming) error {
	// A legacy schema of the same name that holds extensions makes room; those are moved below.
	if err := postgres.Script(ctx, tx, "do $$ begin if to_regnamespace('"+ExtensionSchema+"') is not null then alter schema "+ExtensionSchema+" rename to tenantctl_former_ext; end if; end $$"); err != nil {
		return fmt.Errorf("rename legacy schema %s: %w", ExtensionSchema, err)
	}
	if _, err := tx.Exec(ctx, "alter schema public rename to "+ExtensionSchema); err != nil {
		return fmt.Errorf("rename schema public to %s: %w", ExtensionSchema, err)
	}
	extensions, err := extensionsOf(ctx, tx)
	if err != nil {
		return err
	}
	for _, e := range extensions {
		wanted := renaming.Extensions[e.Name]
		if wanted == "" || wanted == e.Schema {
			continue
		}
		sql := "create schema if not exists " + postgres.Ident(wanted) + "; alter extension " + postgres.Ident(e.Name) + " set schema " + postgres.Ident(wanted)
		if err := postgres.Script(ctx, tx, sql); err != nil {
			return fmt.Errorf("bring extension %s from schema %s to %s, where the shared instance has it: %w", e.Name, e.Schema, wanted, err)
		}
	}
	return nil
}

// extensionsOf lists extensions outside pg_catalog.
func extensionsOf(ctx context.Context, db postgres.Querier) ([]inspect.Extension, error) {
	rows, err := db.Query(ctx, extensionsSQL)
	if err != nil {
		return nil, fmt.Errorf("list extensions: %w", err)
	}
	extensions, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e inspect.Extension, err error) {
		return e, row.Scan(&e.Name, &e.Schema, &e.Relocatable)
	})
	if err != nil {
		return nil, fmt.Errorf("list extensions: %w", err)
	}
	return extensions, nil
}
