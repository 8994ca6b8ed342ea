package compare

import (
	"context"
	"crypto/md5" //nolint:gosec // the same hash as the server's, to tell rows apart, not to keep secrets
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
)

// relation is something with rows.
type relation struct {
	Schema, Name, Quoted, Kind string
	Columns                    []string // by name, so that their order doesn't matter here: it is a fact of its own
	CatalogColumns             []string // whose values hold identifiers of catalog objects: compared by resolved name
	Tree                       string
	Definition                 string
}

func (r *reader) contents(ctx context.Context) error {
	list, err := r.relations(ctx)
	if err != nil {
		return err
	}
	for _, rel := range list {
		path := r.path()
		if len(rel.CatalogColumns) > 0 {
			path = "''" // their names are to be written in full
		}
		if _, err := r.conn.Exec(ctx, `set local search_path = `+path); err != nil {
			return fmt.Errorf("set the search path: %w", err)
		}
		found, err := r.hash(ctx, rel)
		if err != nil {
			return fmt.Errorf("hash the rows of %s.%s: %w", rel.Schema, rel.Name, err)
		}
		r.state.rows[r.common(rel)] = found
	}
	return nil
}

func (r *reader) relations(ctx context.Context) ([]relation, error) {
	text, err := query("contents")
	if err != nil {
		return nil, err
	}
	found, err := r.conn.Query(ctx, text, r.list)
	if err != nil {
		return nil, fmt.Errorf("list relations: %w", err)
	}
	list, err := pgx.CollectRows(found, pgx.RowToStructByName[relation])
	if err != nil {
		return nil, fmt.Errorf("list relations: %w", err)
	}
	return list, nil
}

// common is a relation's name on both sides.
func (r *reader) common(rel relation) string { return r.names.schema(rel.Schema) + "." + rel.Quoted }

func (r *reader) hash(ctx context.Context, rel relation) (rows, error) {
	result := rows{}
	if rel.Tree != "" {
		result.tree = r.names.rewrite(rel.Tree, false, false)
	}
	var err error
	if len(rel.CatalogColumns) > 0 {
		var list []string
		if list, err = r.resolvedRows(ctx, rel); err == nil {
			result.count, result.hash = int64(len(list)), hashAll(list)
		}
		return result, err
	}
	err = r.conn.QueryRow(ctx, hashOf(rel.Columns, rel.from(), r.encoding())).Scan(&result.count, &result.hash)
	if err != nil || rel.Kind != "m" || r.role == tenant {
		return result, err
	}
	result.fresh = r.fresh(ctx, rel)
	return result, nil
}

// from names the relation's own rows: neither its children's nor its partitions', unless it stands for a whole tree.
func (rel relation) from() string {
	if rel.Kind == "p" {
		return postgres.Ident(rel.Schema, rel.Name)
	}
	return "only " + postgres.Ident(rel.Schema, rel.Name)
}

// alias is a name that no column has.
const alias = `"the row"`

// rowText is a row as PostgreSQL writes it: each value by its type's own output, NULL apart from the empty text.
func rowText(columns []string) string {
	list := make([]string, len(columns))
	for i, column := range columns {
		list[i] = alias + "." + postgres.Ident(column)
	}
	return "row(" + strings.Join(list, ", ") + ")::text"
}

// hashOf counts rows and hashes them without regard to their order: equal rows count as often as they are there.
// The bytes are those of UTF-8 whatever the server's encoding; where that is none, they are as they are.
func hashOf(columns []string, from, encoding string) string {
	text := rowText(columns)
	if encoding != "SQL_ASCII" && encoding != "UTF8" {
		text = `pg_catalog.convert_to(` + text + `, 'UTF8')`
	}
	return `select count(*), coalesce(pg_catalog.md5(string_agg(h, '' order by h collate "C")), '')
		from (select pg_catalog.md5(` + text + `) as h from ` + from + ` as ` + alias + `) as hashed`
}

// encoding is how the server keeps text.
func (r *reader) encoding() string { return r.conn.PgConn().ParameterStatus("server_encoding") }

// fresh hashes what a materialized view would hold if it were refreshed now; "" where its query fails.
func (r *reader) fresh(ctx context.Context, rel relation) string {
	if _, err := r.conn.Exec(ctx, `savepoint fresh`); err != nil {
		return ""
	}
	var count int64
	var hash string
	err := r.conn.QueryRow(ctx, hashOf(rel.Columns, "("+strings.TrimSuffix(rel.Definition, ";")+")", r.encoding())).Scan(&count, &hash)
	if _, undo := r.conn.Exec(ctx, `rollback to savepoint fresh`); undo != nil || err != nil {
		return ""
	}
	return hash
}

// path is the side's own search path, public or what became of it first: an index over a function that names no schema can't even be
// planned around without it.
func (r *reader) path() string {
	list := slices.Clone(r.list)
	sort.Slice(list, func(i, j int) bool {
		a, b := r.names.schemas[list[i]], r.names.schemas[list[j]]
		return a == "public" && b != "public" || b != "public" && a < b
	})
	for schema := range r.names.foreign {
		if _, known := r.names.schemas[schema]; !known {
			list = append(list, schema)
		}
	}
	for i, schema := range list {
		list[i] = postgres.Ident(schema)
	}
	return strings.Join(list, ", ")
}

// resolvedRows are the rows of a table that holds identifiers of catalog objects, these by their names in the common form.
func (r *reader) resolvedRows(ctx context.Context, rel relation) ([]string, error) {
	list := make([]string, len(rel.Columns))
	for i, column := range rel.Columns {
		list[i] = alias + "." + postgres.Ident(column)
	}
	values := make([]*string, len(list))
	targets := make([]any, len(list))
	for i := range values {
		targets[i] = &values[i]
		list[i] = "row(" + list[i] + ")::text"
	}
	var lines []string
	err := postgres.Each(ctx, r.conn, `select `+strings.Join(list, ", ")+` from `+rel.from()+` as `+alias, nil, targets, func() error {
		var line strings.Builder
		for i, value := range values {
			text := *value
			if slices.Contains(rel.CatalogColumns, rel.Columns[i]) {
				text = r.catalogText(text)
			}
			fmt.Fprintf(&line, "%d:%s", len(text), text)
		}
		lines = append(lines, line.String())
		return nil
	})
	return lines, err
}

// catalogText resolves what a value prints as, without regard to how many quotes its array or composite needed: names, each behind its
// schema, or a schema alone.
func (r *reader) catalogText(text string) string {
	text = strings.NewReplacer(`"`, "", `\`, "").Replace(text)
	return qualifiedName.ReplaceAllStringFunc(text, func(name string) string {
		schema, object, qualified := strings.Cut(name, ".")
		if !qualified {
			return r.names.schema(name)
		}
		if replaced, moves := r.names.qualifier(schema, object, false); moves {
			return replaced + "." + object
		}
		return name
	})
}

// qualifiedName is what stands between the punctuation of arrays, composites and argument lists.
var qualifiedName = regexp.MustCompile(`[^(){},\[\]]+`)

func hashAll(lines []string) string {
	hashes := make([]string, len(lines))
	for i, line := range lines {
		sum := md5.Sum([]byte(line)) //nolint:gosec // as above
		hashes[i] = hex.EncodeToString(sum[:])
	}
	sort.Strings(hashes)
	sum := md5.Sum([]byte(strings.Join(hashes, ""))) //nolint:gosec // as above
	return hex.EncodeToString(sum[:])
}
