package drift

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
)

var (
	//go:embed sql/relations.sql
	relationsSQL string
	//go:embed sql/attached.sql
	attachedSQL string
	//go:embed sql/standalone.sql
	standaloneSQL string
)

// Beginner is a pool, a connection or a transaction.
type Beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// id names an object within its schema.
type id struct{ Kind, Name string }

// object is something in a schema. Names of the schema's own stand in its facts as the server prints them, qualified.
type object struct {
	Kind   string            `json:"kind"`
	Name   string            `json:"name"`
	Parent string            `json:"parent,omitempty"` // the relation or domain that it hangs on
	Owner  string            `json:"owner"`
	Facts  map[string]string `json:"facts"`
}

// catalog is what a schema holds.
type catalog map[id]object

// perRead bounds the schemas of one query.
const perRead = 50

// readCatalogs reads what schemas hold, by schema, in three queries. owners, unless nil, are the roles whose objects count.
func readCatalogs(ctx context.Context, db Beginner, schemas, owners []string) (found map[string]catalog, err error) {
	tx, err := db.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("read catalogs: %w", err)
	}
	defer func() { err = errors.Join(err, end(ctx, tx)) }()
	// Names come back qualified while the path is empty. The planner must not think that a scan of all tenants' columns were
	// cheaper than a look at some tenants'.
	err = postgres.Script(ctx, tx, `set local search_path = ''; set local jit = off; set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off`)
	if err != nil {
		return nil, fmt.Errorf("read catalogs: %w", err)
	}
	found = make(map[string]catalog, len(schemas))
	decoded := map[string]map[string]string{} // tenants are much alike
	for _, sql := range []string{relationsSQL, attachedSQL, standaloneSQL} {
		if err := readObjects(ctx, tx, sql, schemas, owners, found, decoded); err != nil {
			return nil, fmt.Errorf("read catalogs: %w", err)
		}
	}
	return found, nil
}

// end gives the settings back: nothing was written.
func end(ctx context.Context, tx pgx.Tx) error {
	err := tx.Rollback(context.WithoutCancel(ctx))
	if errors.Is(err, pgx.ErrTxClosed) {
		return nil
	}
	return err
}

func readObjects(ctx context.Context, db postgres.Querier, sql string, schemas, owners []string, found map[string]catalog, decoded map[string]map[string]string) error {
	var schema, facts string
	var o object
	wrapped := "select * from (select schema, kind, name::text, parent::text, pg_get_userbyid(owner)::text as owner, facts::text from (\n" + sql +
		"\n) as object) as object where $2::text[] is null or owner = any($2)"
	return postgres.Each(ctx, db, wrapped, []any{schemas, owners}, []any{&schema, &o.Kind, &o.Name, &o.Parent, &o.Owner, &facts}, func() error {
		known, ok := decoded[facts]
		if !ok {
			if err := json.Unmarshal([]byte(facts), &known); err != nil {
				return fmt.Errorf("decode %s: %w", facts, err)
			}
			decoded[facts] = known
		}
		if found[schema] == nil {
			found[schema] = catalog{}
		}
		read := o
		read.Facts = known
		found[schema][id{o.Kind, o.Name}] = read
		return nil
	})
}

// Fingerprints are digests of what schemas hold, by schema: two schemas with the same one have the same objects, whatever they
// are called. owners are the roles whose objects count, such as those that own what streams make. The order of columns and
// privileges don't count. A schema that holds nothing, or isn't there, has the fingerprint of nothing.
func Fingerprints(ctx context.Context, db Beginner, schemas, owners []string) (map[string]string, error) {
	prints := make(map[string]string, len(schemas))
	for batch := range slices.Chunk(schemas, perRead) {
		found, err := readCatalogs(ctx, db, batch, owners)
		if err != nil {
			return nil, err
		}
		for _, schema := range batch {
			prints[schema] = found[schema].fingerprint(schema)
		}
	}
	return prints, nil
}

func (c catalog) fingerprint(schema string) string {
	lines := make([]string, 0, len(c))
	for _, o := range c {
		facts := make([]string, 0, 2*len(o.Facts))
		for _, key := range slices.Sorted(maps.Keys(o.Facts)) {
			facts = append(facts, key, hide(o.Facts[key], schema))
		}
		lines = append(lines, fmt.Sprintf("%q %q %q %q", o.Kind, hide(o.Name, schema), o.Owner, facts))
	}
	slices.Sort(lines)
	digest := sha256.New()
	for _, line := range lines {
		_, _ = fmt.Fprintln(digest, line) // a hash takes every write
	}
	return hex.EncodeToString(digest.Sum(nil))
}
