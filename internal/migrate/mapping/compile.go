package mapping

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/config"
	"tenantctl/internal/migrate/copy"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
)

// compiler proves one mapping against one legacy database and one target.
type compiler struct {
	mapping  *Mapping
	catalog  *inspect.Catalog
	target   TargetCatalog
	judge    *judge
	legacy   map[string]*legacyTable // by quoted and qualified name
	ignored  map[string]Ignore       // tables
	columns  map[string]map[string]Ignore
	ways     []*way
	findings []inspect.Finding
	out      *Compiled
}

// way is one entry of the mapping, compiled.
type way struct {
	entry    Table
	from     *legacyTable
	to       *TargetTable
	fills    []fill
	where    string // compiled; "": all rows
	uses     map[string]bool
	inverses []InverseColumn
	failed   []string // expressions that didn't compile
	tables   []copy.Table
	partial  bool // some of its partitions are ignored
}

// fill is what fills one column of the target.
type fill struct {
	column *TargetColumn
	sql    string // as it travels
	from   BaseType
	raw    string // before its cast
	plain  string // the legacy column, where the expression is nothing else
	exact  bool   // plain, and of the same type or one that takes all its values
	uses   []string
	entry  Column
	object bool // the jsonb object of all extra.NAME
}

// Compile proves the mapping. scratch is a database that holds the legacy schema, under its own names, without rows: nothing in it
// changes. catalog is the legacy database's. The Compiled is whole if no finding is a refusal.
func (m *Mapping) Compile(ctx context.Context, scratch *pgx.Conn, catalog *inspect.Catalog, target TargetCatalog) (*Compiled, []inspect.Finding, error) {
	tx, err := scratch.Begin(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("begin in the scratch database: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	c := &compiler{
		mapping: m, catalog: catalog, target: target, legacy: map[string]*legacyTable{},
		ignored: map[string]Ignore{}, columns: map[string]map[string]Ignore{},
		out: &Compiled{patterns: m.Lift, path: catalog.SearchPath, kept: map[string]bool{}, parts: map[string]liftedAs{}},
	}
	if err := pin(ctx, tx, quotedPath(nil)); err != nil {
		return nil, nil, fmt.Errorf("compile mapping %s: %w", m.File, err)
	}
	types, err := readTypes(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	c.judge = &judge{tx: tx, types: types}
	for _, step := range []func(context.Context) error{c.resolve, c.compileAll, c.coverage, c.sources, c.rules, c.notes} {
		if err := step(ctx); err != nil {
			return nil, nil, fmt.Errorf("compile mapping %s: %w", m.File, err)
		}
	}
	return c.out, c.findings, nil
}

// resolve finds the tables that the mapping names.
func (c *compiler) resolve(ctx context.Context) error {
	c.resolveIgnored()
	for i := range c.mapping.Tables {
		entry := c.mapping.Tables[i]
		from := c.mappable(entry)
		to := c.target.table(entry.To)
		if to == nil {
			c.refuse(entry.Place, "mapping-table", "table "+quoteName(entry.To),
				"the tenant's schema has no table "+quoteName(entry.To)+didYouMean(entry.To, c.target.tableNames(), "tables"), "")
		}
		if to != nil && entry.Service != "" && to.Service != "" && entry.Service != to.Service {
			c.refuse(entry.Place, "mapping-table", "table "+quoteName(entry.To),
				fmt.Sprintf("table %s belongs to service %s, not %s", quoteName(entry.To), to.Service, entry.Service), "")
		}
		if from == nil {
			continue
		}
		key := from.sql()
		if other, both := c.ignored[key]; both {
			c.refuse(entry.Place, "mapping-conflict", "table "+from.String(), fmt.Sprintf("is mapped here and ignored at %s", other.Place), "keep one of the two")
		}
		c.out.kept[key] = true
		c.legacy[key] = from
		if to != nil {
			c.ways = append(c.ways, &way{entry: entry, from: from, to: to, uses: map[string]bool{}})
		}
	}
	c.refuseDoubles()
	return c.judge.readLegacy(ctx, c.legacy)
}

// refuseDoubles finds two entries for the same way that name the table differently.
func (c *compiler) refuseDoubles() {
	seen := map[string]config.Place{}
	for _, w := range c.ways {
		key := w.from.sql() + " " + w.to.Name
		if first, twice := seen[key]; twice {
			c.refuse(w.entry.Place, "mapping-conflict", "table "+w.from.String(), fmt.Sprintf("is mapped to %s twice; the first is at %s", w.entry.To, first), "")
		}
		seen[key] = w.entry.Place
	}
}

// mappable is the legacy table that an entry names, nil with a finding where it can't be mapped.
func (c *compiler) mappable(entry Table) *legacyTable {
	table := c.find(entry.From)
	if table == nil {
		message := "the legacy database has no table " + entry.From.String()
		if c.isView(entry.From) {
			message = entry.From.String() + " is a view; only tables hold rows: map those that it reads"
		} else {
			message += c.perhaps(entry.From)
		}
		c.refuse(entry.Place, "mapping-table", "table "+entry.From.String(), message, "")
		return nil
	}
	switch {
	case table.Kind == inspect.Foreign:
		c.refuse(entry.Place, "mapping-table", "table "+table.String(), "is a foreign table: its rows are in another database", "")
		return nil
	case table.IsPartition:
		root := c.root(table)
		c.refuse(entry.Place, "mapping-table", "table "+table.String(), "is a partition of "+root.String(), "map "+root.String()+", which means all its partitions; filter by where")
		return nil
	}
	if known := c.legacy[postgres.Ident(table.Schema, table.Name)]; known != nil {
		return known
	}
	return &legacyTable{Table: *table}
}

// find looks a name up as the legacy application would.
func (c *compiler) find(name Name) *inspect.Table {
	schemas := c.catalog.SearchPath
	if name.Schema != "" {
		schemas = []string{name.Schema}
	}
	for _, schema := range schemas {
		for i := range c.catalog.Tables {
			if t := &c.catalog.Tables[i]; t.Schema == schema && t.Name == name.Name {
				return t
			}
		}
	}
	return nil
}

func (c *compiler) isView(name Name) bool {
	return slices.ContainsFunc(slices.Concat(c.catalog.Views, c.catalog.MatViews), func(r inspect.Relation) bool { return c.names(name, r) })
}

// names tells whether a name means a relation.
func (c *compiler) names(name Name, r inspect.Relation) bool {
	return r.Name == name.Name && (r.Schema == name.Schema || name.Schema == "" && slices.Contains(c.catalog.SearchPath, r.Schema))
}

// perhaps is the end of a message about a table that isn't there: which one was likely meant.
func (c *compiler) perhaps(name Name) string {
	var all []string
	for _, t := range c.catalog.Tables {
		if t.Name == name.Name && !t.IsPartition {
			return "; did you mean " + t.String() + "?"
		}
		if !t.IsPartition {
			all = append(all, t.String())
		}
	}
	if name.Schema == "" && len(c.catalog.SearchPath) > 0 {
		name.Schema = c.catalog.SearchPath[0]
	}
	return didYouMean(name.String(), all, "tables")
}

// root is the partitioned table that a partition belongs to in the end.
func (c *compiler) root(t *inspect.Table) *inspect.Table {
	for t.IsPartition && len(t.Parents) > 0 {
		parent := c.find(Name{Schema: t.Parents[0].Schema, Name: t.Parents[0].Name})
		if parent == nil {
			break
		}
		t = parent
	}
	return t
}

func (c *compiler) compileAll(ctx context.Context) error {
	for _, w := range c.ways {
		if err := c.compileWay(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// quotedPath is a search path as SQL.
func quotedPath(schemas []string) string {
	if len(schemas) == 0 {
		return "pg_catalog"
	}
	quoted := make([]string, len(schemas))
	for i, schema := range schemas {
		quoted[i] = postgres.Ident(schema)
	}
	return strings.Join(quoted, ", ")
}

func (c *compiler) refuse(place config.Place, code, object, message, hint string) {
	c.found(inspect.Refusal, code, object, place.String()+": "+message, hint)
}

func (c *compiler) found(severity inspect.Severity, code, object, message, hint string) {
	c.findings = append(c.findings, inspect.Finding{Severity: severity, Code: code, Object: object, Message: message, Hint: hint})
}

// faulty reports an expression that PostgreSQL declines. Errors that aren't the expression's fault are returned.
func (c *compiler) faulty(err error, w *way, place config.Place, object, what, sql string) error {
	var wrong *flaw
	if !errors.As(err, &wrong) {
		return err
	}
	w.failed = append(w.failed, sql)
	at := " (in: " + sql + ")"
	if wrong.position > 0 {
		at = fmt.Sprintf(" (at character %d of: %s)", wrong.position, sql)
	}
	c.refuse(place, "mapping-expression", object, what+": "+wrong.message+at, wrong.hint)
	return nil
}
