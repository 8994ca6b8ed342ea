package lift

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/migrate/ddl"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
)

// Scratch makes the throw-away database in which PostgreSQL renames the schema: on a private server, so that neither the
// client's nor the shared one works for it.
type Scratch interface {
	// Create makes an empty database (dropping a leftover of the same name) and returns its DSN and how to drop it.
	Create(ctx context.Context, name string) (dsn string, drop func(context.Context) error, err error)
}

// Options say what to prepare.
type Options struct {
	Source   string // DSN of the legacy database
	Scratch  Scratch
	Name     string // of the scratch database, the same at each attempt of one move
	Tools    postgres.Tools
	Catalog  *inspect.Catalog
	Renaming Renaming
	// Select tells which tables and views to carry; nil: everything.
	Select func(schema, name string) bool
	// Restored is called with the scratch database when it holds the legacy schema under its own names; nil is allowed.
	Restored func(ctx context.Context, scratch *pgx.Conn) error
}

// Script is a legacy schema ready to be loaded into the tenant's schemas.
type Script struct {
	Pre        []ddl.Statement   // before the rows
	Post       []ddl.Statement   // after the rows: indexes, constraints, triggers ...
	Refresh    []string          // materialized views to fill, quoted, in order
	Sequences  []ddl.Sequence    // the tenant's, to be set where the legacy ones stand
	Extensions map[string]string // extension -> its schema on the shared instance
	Schemas    map[string]string // legacy schema -> tenant's schema
	Path       []string          // the tenant's search path
	Rewrites   []Rewrite         // references held as text and what they became
	Findings   []inspect.Finding // what stays behind or deserves a look, by name
}

// Prepare reads the legacy schema and turns it into a Script. It changes nothing but the scratch database, which is gone
// when it returns.
func Prepare(ctx context.Context, opts Options) (*Script, error) {
	statements, findings, err := dumpLegacy(ctx, opts.Tools, opts.Source)
	if err != nil {
		return nil, err
	}
	dsn, drop, err := opts.Scratch.Create(ctx, opts.Name)
	if err != nil {
		return nil, fmt.Errorf("create the scratch database: %w", err)
	}
	script, err := opts.inScratch(ctx, dsn, statements)
	if dropErr := drop(context.WithoutCancel(ctx)); dropErr != nil && err == nil {
		err = fmt.Errorf("drop the scratch database: %w", dropErr)
	}
	if err != nil {
		return nil, err
	}
	script.Findings = append(findings, script.Findings...)
	return script, nil
}

func (o Options) inScratch(ctx context.Context, dsn string, statements []ddl.Statement) (*Script, error) {
	conn, err := connectScratch(ctx, dsn, o.Catalog.SearchPath)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if err := restore(ctx, conn, statements); err != nil {
		return nil, err
	}
	if o.Restored != nil {
		if err := o.Restored(ctx, conn); err != nil {
			return nil, err
		}
	}
	rewriter := &rewriter{renaming: o.Renaming, path: o.Catalog.SearchPath}
	if rewriter.names, err = readNames(ctx, conn); err != nil {
		return nil, err
	}
	script := &Script{Schemas: o.Renaming.Schemas, Path: o.Renaming.Path(o.Catalog.SearchPath), Extensions: o.Renaming.Extensions}
	if o.Select != nil {
		if script.Findings, err = prune(ctx, conn, o.Select); err != nil {
			return nil, err
		}
	}
	evaluated, err := pathDependent(ctx, conn, rewriter.names)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "set search_path = ''"); err != nil {
		return nil, fmt.Errorf("clear search_path: %w", err)
	}
	if err := rename(ctx, conn, o.Renaming); err != nil {
		return nil, err
	}
	pre, post, err := dumpRenamed(ctx, o.Tools, dsn)
	if err != nil {
		return nil, err
	}
	if script.Refresh, err = populated(ctx, conn, o); err != nil {
		return nil, err
	}
	if script.Sequences, err = sequences(ctx, conn, o.Renaming); err != nil {
		return nil, err
	}
	rewriter.program = readProgram(pre)
	script.Pre, script.Post = rewriter.section(pre, o.Renaming), rewriter.section(post, o.Renaming)
	script.fixPaths(evaluated)
	script.Rewrites = append(script.Rewrites, rewriter.rewrites...)
	script.Findings = append(script.Findings, rewriter.findings...)
	return script, nil
}

// connectScratch opens the scratch database with the application's own search path: definitions that PostgreSQL evaluates
// while they are made may call functions that find others through it.
func connectScratch(ctx context.Context, dsn string, path []string) (*pgx.Conn, error) {
	quoted := make([]string, 0, len(path)+1)
	for _, schema := range append(path, "public") {
		quoted = append(quoted, postgres.Ident(schema))
	}
	return postgres.Connect(ctx, dsn, postgres.Options{Application: "lift", Settings: map[string]string{
		"search_path": strings.Join(quoted, ", "), "check_function_bodies": "off", "xmloption": "content",
		"client_min_messages": "warning", "row_security": "off", "synchronous_commit": "off",
	}})
}

// section rewrites what of a dump belongs to the tenant.
func (r *rewriter) section(statements []ddl.Statement, renaming Renaming) []ddl.Statement {
	targets := renaming.Targets()
	var kept []ddl.Statement
	for _, s := range statements {
		switch {
		case s.Kind == "EXTENSION" || (s.Kind == "COMMENT" && isExtensionComment(s.Name)):
		case s.Kind == "SCHEMA" || (s.Kind == "COMMENT" && s.Schema == "" && strings.HasPrefix(s.Name, "SCHEMA ")):
			// The tenant's schemas are provision's to make and to mark.
			if s.Kind == "COMMENT" && s.Name != "SCHEMA "+ExtensionSchema {
				r.findings = append(r.findings, inspect.Finding{
					Severity: inspect.Note, Code: "schema-comment", Object: s.Name, Message: "its comment stays behind: tenantctl marks the schema as its own with one",
				})
			}
		case s.Schema != "" && !slices.Contains(targets, s.Schema):
		default:
			kept = append(kept, r.statement(s))
		}
	}
	return kept
}

// populated lists the materialized views that hold rows in the legacy database, as they are called now, in the order in
// which they were made: one that reads another is younger.
func populated(ctx context.Context, scratch *pgx.Conn, o Options) ([]string, error) {
	source, err := postgres.Connect(ctx, o.Source, postgres.Options{Application: "lift"})
	if err != nil {
		return nil, err
	}
	defer func() { _ = source.Close(context.WithoutCancel(ctx)) }()
	var views []string
	var schema, name string
	err = postgres.Each(ctx, source, `select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.relkind = 'm' and c.relispopulated
			and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
		order by c.oid`, nil, []any{&schema, &name}, func() error {
		target := postgres.Ident(o.Renaming.Schemas[schema], name)
		var there bool
		if err := scratch.QueryRow(ctx, `select to_regclass($1) is not null`, target).Scan(&there); err != nil {
			return err
		}
		if there {
			views = append(views, target)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list materialized views: %w", err)
	}
	return views, nil
}

// sequences lists the tenant's sequences.
func sequences(ctx context.Context, scratch *pgx.Conn, renaming Renaming) ([]ddl.Sequence, error) {
	rows, err := scratch.Query(ctx, `select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.relkind = 'S' and n.nspname = any($1) order by 1, 2`, renaming.Targets())
	if err != nil {
		return nil, fmt.Errorf("list sequences: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s ddl.Sequence, err error) { return s, row.Scan(&s.Schema, &s.Name) })
	if err != nil {
		return nil, fmt.Errorf("list sequences: %w", err)
	}
	return list, nil
}
