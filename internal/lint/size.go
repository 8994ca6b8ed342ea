package lint

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

//go:embed sql/sizes.sql
var sizesSQL string

// Size is how large a table is where it is largest.
type Size struct {
	Tenant tenant.Name `json:"tenant"`
	Rows   int64       `json:"rows"` // as of the last ANALYZE; estimated from the bytes where there was none
	Bytes  int64       `json:"bytes"`
}

// What is small enough that a lock is over before anybody notices, and what is large enough that nobody can miss it.
const (
	smallRows  = 10_000
	smallBytes = 10 << 20
	largeRows  = 1_000_000
	largeBytes = 1 << 30
	// rowBytes stands for the width of a row where nothing was analyzed.
	rowBytes = 100
)

func (s Size) small() bool { return s.Rows < smallRows && s.Bytes < smallBytes }
func (s Size) large() bool { return s.Rows >= largeRows || s.Bytes >= largeBytes }

// Tables are those that some finding's severity depends on.
func (r *Report) Tables() []string {
	names := map[string]bool{}
	r.each(func(f *Finding) {
		if f.sized && f.Object != "" {
			names[lastPart(f.Object)] = true
		}
	})
	return slices.Sorted(maps.Keys(names))
}

type sizeRow struct {
	Schema  string
	Name    string
	Rows    int64
	Bytes   int64
	Unknown bool
}

// Sizes reads how large tables are where they are largest among the tenants' schemas on one instance: one query.
func Sizes(ctx context.Context, db postgres.Querier, schemas map[string]tenant.Name, tables []string) (map[string]Size, error) {
	rows, err := db.Query(ctx, sizesSQL, slices.Sorted(maps.Keys(schemas)), tables)
	if err != nil {
		return nil, fmt.Errorf("read sizes of tables: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[sizeRow])
	if err != nil {
		return nil, fmt.Errorf("read sizes of tables: %w", err)
	}
	sizes := make(map[string]Size, len(found))
	for _, row := range found {
		if row.Unknown {
			row.Rows = row.Bytes / rowBytes
		}
		sizes[row.Name] = Size{Tenant: schemas[row.Schema], Rows: row.Rows, Bytes: row.Bytes}
	}
	return sizes, nil
}

// Larger keeps of each table the larger of two sizes, so that several instances come together.
func Larger(a, b map[string]Size) map[string]Size {
	all := maps.Clone(a)
	for name, size := range b {
		if old, found := all[name]; !found || size.Bytes > old.Bytes {
			if all == nil {
				all = map[string]Size{}
			}
			all[name] = size
		}
	}
	return all
}

// Weigh gives findings about locks the severity that the size of the table deserves: a warning at most where it is small in every
// tenant, an error where it is large in some.
func (r *Report) Weigh(sizes map[string]Size) {
	r.each(func(f *Finding) {
		size, found := sizes[lastPart(f.Object)]
		if !f.sized || !found {
			return
		}
		f.Size = &size
		switch {
		case size.small() && f.Severity == Error:
			f.Severity = Warning
		case size.large():
			f.Severity = Error
		}
	})
}
