package inspect

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
)

var (
	//go:embed sql/available_extensions.sql
	availableExtensionsSQL string
	//go:embed sql/extension_tables.sql
	extensionTablesSQL string
)

// extensionSchema is where an instance has the extensions that its tenants share.
const extensionSchema = "ext"

// availableRow is what a server knows of an extension.
type availableRow struct {
	Name             string
	DefaultVersion   string
	InstalledVersion string // "": not installed
	Schema           string // where it is installed
	FixedSchema      string // the only one where it can be
	Superuser        bool   // only a superuser can install it
}

// extensions compares what the legacy database uses with what the target, and the server where a lift is prepared, have.
func (c *checker) extensions(ctx context.Context) error {
	var wanted []string
	for _, e := range c.catalog.Extensions {
		wanted = append(wanted, e.Name)
	}
	there, err := available(ctx, c.target, wanted)
	if err != nil {
		return fmt.Errorf("target: %w", err)
	}
	for _, e := range c.catalog.Extensions {
		c.extension(e, there)
	}
	if c.opts.Scratch != nil {
		if err := readOnly(ctx, c.opts.Scratch, func(tx pgx.Tx) error { return c.scratchExtensions(ctx, tx, wanted) }); err != nil {
			return fmt.Errorf("scratch server: %w", err)
		}
	}
	return c.extensionRows(ctx)
}

func available(ctx context.Context, tx pgx.Tx, names []string) (map[string]availableRow, error) {
	rows, err := collect(ctx, tx, pgx.RowToStructByName[availableRow], availableExtensionsSQL, names)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]availableRow, len(rows))
	for _, row := range rows {
		byName[row.Name] = row
	}
	return byName, nil
}

func (c *checker) scratchExtensions(ctx context.Context, tx pgx.Tx, wanted []string) error {
	server, err := readServer(ctx, tx)
	if err != nil {
		return err
	}
	if server.Major() < c.catalog.Server.Major() {
		c.refuse("version", "scratch server", fmt.Sprintf("runs on PostgreSQL %d, older than the legacy server's %d", server.Major(), c.catalog.Server.Major()),
			fmt.Sprintf("install PostgreSQL %d or newer on this machine", c.catalog.Server.Major()))
	}
	there, err := available(ctx, tx, wanted)
	if err != nil {
		return err
	}
	for _, name := range wanted {
		if _, ok := there[name]; !ok {
			c.refuse("extension-missing", "extension "+name, "isn't available to the PostgreSQL on this machine, where the lift is prepared", "install its package here")
		}
	}
	return nil
}

func (c *checker) extension(e Extension, there map[string]availableRow) {
	object := "extension " + quote(e.Name)
	found, ok := there[e.Name]
	if !ok {
		c.refuse("extension-missing", object, "isn't available on the target server", "install its package on the target server, or drop it from the legacy database")
		return
	}
	version := found.InstalledVersion
	if version == "" {
		version = found.DefaultVersion
		if found.Superuser && !c.there.Superuser {
			c.refuse("extension-privilege", object, "isn't installed on the target, and only a superuser can install it: role "+quote(c.there.User)+" is none",
				"as a superuser: CREATE EXTENSION "+postgres.Ident(e.Name)+" SCHEMA "+postgres.Ident(wantedSchema(found)))
		}
	}
	if version != e.Version {
		c.warn("extension-version", object, fmt.Sprintf("is at version %s; the target has %s", e.Version, version), "compare its release notes")
	}
	c.extensionPlace(e, found)
}

// wantedSchema is where the target has an extension, or will have it.
func wantedSchema(found availableRow) string {
	switch {
	case found.InstalledVersion != "":
		return found.Schema
	case found.FixedSchema != "":
		return found.FixedSchema
	}
	return extensionSchema
}

// extensionPlace checks that references to an extension can follow it. A lift brings it to where the target has it: from
// public by renaming that schema, from any other by moving the extension, which some don't allow.
func (c *checker) extensionPlace(e Extension, found availableRow) {
	wanted, natural := wantedSchema(found), e.Schema
	if natural == "public" {
		natural = extensionSchema
	}
	object := "extension " + quote(e.Name)
	if natural != wanted && !e.Relocatable {
		c.refuse("extension-schema", object, fmt.Sprintf("is in schema %s, on the target in %s, and can't be moved between schemas", quote(e.Schema), quote(wanted)),
			"install it in the same schema on both sides (public here is "+extensionSchema+" there)")
		return
	}
	if found.InstalledVersion != "" && wanted != extensionSchema && wanted != "pg_catalog" {
		c.warn("extension-schema", object, "is in schema "+quote(wanted)+" of the target, not in "+extensionSchema+"; the tenant's search path gets that schema too",
			"ALTER EXTENSION "+postgres.Ident(e.Name)+" SET SCHEMA "+extensionSchema+" on the target, where no tenant uses it yet")
	}
	if wanted != "pg_catalog" && e.Schema != "pg_catalog" && !slices.Contains(c.catalog.SearchPath, e.Schema) {
		c.warn("extension-path", object, "is in schema "+quote(e.Schema)+", which isn't in the application's search path; the tenant's path has its extensions, so its operators and functions are found without a schema, before PostgreSQL's own where they fit better",
			"look at statements that compare its types, such as citext, with other text")
	}
}

// extensionRows counts what users put into extensions' own tables: those stay as they are on the target.
func (c *checker) extensionRows(ctx context.Context) error {
	type row struct{ Extension, Schema, Name, Condition string }
	tables, err := collect(ctx, c.source, pgx.RowToStructByName[row], extensionTablesSQL)
	if err != nil {
		return err
	}
	for _, t := range tables {
		var rows int64
		name := postgres.Ident(t.Schema, t.Name)
		object := "table " + Relation{Schema: t.Schema, Name: t.Name}.String() + " of extension " + quote(t.Extension)
		err := attempt(ctx, c.source, func(tx pgx.Tx) error {
			return tx.QueryRow(ctx, "select count(*) from "+name+" "+t.Condition).Scan(&rows)
		})
		switch {
		case postgres.Code(err) == "42501":
			c.warn("extension-rows", object, "can't be read by "+c.role()+"; rows in it stay behind", "GRANT SELECT ON "+name+" TO "+c.user())
		case err != nil:
			return fmt.Errorf("count rows of %s: %w", name, err)
		case rows > 0:
			c.refuse("extension-rows", object, fmt.Sprintf("has %s of the client's; the target's table is shared by every tenant, so they can't be carried", count(rows, "row")),
				"keep them elsewhere, delete them here, and move again")
		}
	}
	return nil
}
