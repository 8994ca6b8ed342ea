package postgres

import (
	"context"
	"fmt"
	"io/fs"
	"sort"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// MigrateSchema brings one of the program's own schemas to the newest of the files given ("001_name.sql", plain SQL, applied in
// order of name, names never change). Any number of processes may call it at once: an advisory lock of the transaction lets
// one do the work. Nothing is locked when there is nothing to do.
func MigrateSchema(ctx context.Context, conn *pgx.Conn, schema string, files fs.FS) error {
	names, pending, err := PendingFiles(ctx, conn, schema, files)
	if err != nil || len(pending) == 0 {
		return err
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("migrate schema %q: %w", schema, err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := migrateLocked(ctx, tx, schema, files, names); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("migrate schema %q: %w", schema, err)
	}
	return nil
}

// PendingFiles lists a schema's migrations, and those of them that it hasn't had: all of them where the schema isn't there yet.
// It changes nothing and takes one round trip where the schema is there.
func PendingFiles(ctx context.Context, db Querier, schema string, files fs.FS) (names, pending []string, err error) {
	names, err = fs.Glob(files, "*.sql")
	if err != nil {
		return nil, nil, fmt.Errorf("list migrations of schema %q: %w", schema, err)
	}
	sort.Strings(names)
	applied, err := recordedFiles(ctx, db, schema)
	if err != nil && Classify(err) != NotFound {
		return nil, nil, fmt.Errorf("read migrations of schema %q: %w", schema, err)
	}
	for _, name := range names {
		if !applied[name] {
			pending = append(pending, name)
		}
	}
	return names, pending, nil
}

func migrateLocked(ctx context.Context, tx pgx.Tx, schema string, files fs.FS, names []string) error {
	table := Ident(schema, "schema_file")
	_, err := tx.Exec(ctx, `set local lock_timeout = '60s'`)
	if err == nil {
		_, err = tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended($1, 0))`, "tenantctl:"+schema)
	}
	if err != nil {
		return fmt.Errorf("lock schema %q for migration: %w", schema, err)
	}
	applied, err := appliedFiles(ctx, tx, schema)
	if err != nil {
		return err
	}
	if len(applied) == 0 {
		create := `create schema if not exists ` + Ident(schema) + `;
			create table if not exists ` + table + ` (name text primary key, applied_at timestamptz not null default now())`
		if _, err := tx.Exec(ctx, create, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("create schema %q: %w", schema, err)
		}
	}
	for _, name := range names {
		if applied[name] {
			continue
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return fmt.Errorf("read migration %s: %w", name, err)
		}
		if _, err := tx.Exec(ctx, string(body), pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("migrate schema %q with %s: %w", schema, name, err)
		}
		if _, err := tx.Exec(ctx, `insert into `+table+` (name) values ($1)`, name); err != nil {
			return fmt.Errorf("record migration %s of schema %q: %w", name, schema, err)
		}
	}
	return nil
}

// appliedFiles names the migrations that a schema has had; none where it isn't there yet.
func appliedFiles(ctx context.Context, db Querier, schema string) (map[string]bool, error) {
	var there bool
	err := db.QueryRow(ctx, `select to_regclass($1) is not null`, Ident(schema, "schema_file")).Scan(&there)
	if err != nil || !there {
		return nil, err
	}
	applied, err := recordedFiles(ctx, db, schema)
	if err != nil {
		return nil, fmt.Errorf("read migrations of schema %q: %w", schema, err)
	}
	return applied, nil
}

func recordedFiles(ctx context.Context, db Querier, schema string) (map[string]bool, error) {
	rows, err := db.Query(ctx, `select name from `+Ident(schema, "schema_file"))
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	applied := make(map[string]bool, len(names))
	for _, name := range names {
		applied[name] = true
	}
	return applied, nil
}

// OpenRecords is MigrateSchema for a room that keeps records of its own: on a connection of a pool, by the files of a folder. What
// names the records in errors.
func OpenRecords(ctx context.Context, pool *pgxpool.Pool, what, schema string, files fs.FS, folder string) error {
	files, err := fs.Sub(files, folder)
	if err == nil {
		err = pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error { return MigrateSchema(ctx, conn.Conn(), schema, files) })
	}
	if err != nil {
		return fmt.Errorf("open the records of %s: %w", what, err)
	}
	return nil
}

// HasRecords tells whether a room's records were opened by a program that knew the table. It changes nothing.
func HasRecords(ctx context.Context, pool *pgxpool.Pool, what, table string) (there bool, err error) {
	if err := pool.QueryRow(ctx, `select to_regclass($1) is not null`, table).Scan(&there); err != nil {
		return false, fmt.Errorf("look for the records of %s: %w", what, err)
	}
	return there, nil
}
