package compare

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// Lift compares a legacy database with the tenant's schemas, catalog and rows. Schemas go from the legacy's name to
// the instance's: {"public": "tenant_x", "audit": "tenant_x__audit"}. Each line of the result is one difference.
func Lift(t testing.TB, source, target *pgx.Conn, schemas map[string]string) []string {
	t.Helper()
	return Diff(Legacy(t, source, schemas), Tenant(t, target, schemas))
}

// Legacy reads a legacy database's state, for a comparison after a move that fences it.
func Legacy(t testing.TB, source *pgx.Conn, schemas map[string]string) State {
	t.Helper()
	here := map[string]string{}
	for name := range schemas {
		here[name] = name
	}
	state, err := read(t.Context(), source, legacy, here)
	require.NoError(t, err, "read the legacy's state")
	require.NoError(t, complete(t.Context(), source, schemas))
	return state
}

// Tenant reads the state of a tenant's schemas, given as for Lift.
func Tenant(t testing.TB, target *pgx.Conn, schemas map[string]string) State {
	t.Helper()
	state, err := read(t.Context(), target, tenant, inverse(schemas))
	require.NoError(t, err, "read the tenant's state")
	return state
}

func inverse(schemas map[string]string) map[string]string {
	turned := make(map[string]string, len(schemas))
	for name, renamed := range schemas {
		turned[renamed] = name
	}
	return turned
}

// Schemas maps every schema of a legacy database that holds anything of its own, as a lift names them: public becomes the tenant's,
// any other gets its name behind it.
func Schemas(t testing.TB, source *pgx.Conn, tenantSchema string) map[string]string {
	t.Helper()
	list, err := used(t.Context(), source)
	require.NoError(t, err)
	schemas := map[string]string{"public": tenantSchema}
	for _, name := range list {
		if name != "public" {
			schemas[name] = tenantSchema + "__" + name
		}
	}
	return schemas
}

// complete refuses a comparison that would look past a schema.
func complete(ctx context.Context, source *pgx.Conn, schemas map[string]string) error {
	list, err := used(ctx, source)
	if err != nil {
		return err
	}
	for _, name := range list {
		if _, known := schemas[name]; !known {
			return fmt.Errorf("schema %q of the legacy is not in the comparison", name)
		}
	}
	return nil
}

// used lists the schemas with anything that no extension owns, and those that are empty and no extension's.
func used(ctx context.Context, source *pgx.Conn) ([]string, error) {
	text, err := query("used")
	if err != nil {
		return nil, err
	}
	found, err := source.Query(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("list schemas: %w", err)
	}
	list, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list schemas: %w", err)
	}
	return list, nil
}
