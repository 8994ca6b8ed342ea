package mapping_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/migrate/mapping"
	"tenantctl/internal/postgres"
)

func TestDraftNorthwind(t *testing.T) {
	t.Parallel()
	source, target := northwind(t)
	catalog, err := inspect.Read(t.Context(), source)
	require.NoError(t, err)
	text := mapping.Draft(catalog, target)
	t.Log(string(text))
	m, err := mapping.Parse("draft.yaml", text)
	require.NoError(t, err)
	c, f, err := m.Compile(t.Context(), source, catalog, target)
	require.NoError(t, err)
	for _, x := range f {
		t.Log(x)
	}
	f, err = c.Try(t.Context(), source)
	require.NoError(t, err)
	for _, x := range f {
		t.Log(x)
	}
	for _, x := range c.Tables {
		t.Log(x)
	}
	for _, x := range c.Inverses {
		t.Log(x)
	}
	t.Log(c.OneWay(), c.Sequences)
}

// northwind loads the legacy database and the core service's tables.
func northwind(t *testing.T) (*pgx.Conn, mapping.TargetCatalog) {
	t.Helper()
	const path = "../../../../shared/data/northwind.sql"
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		t.Skip("shared/data/northwind.sql isn't here")
	}
	require.NoError(t, err)
	source := connect(t, localtest.Database(t))
	require.NoError(t, postgres.Script(t.Context(), source, string(data)))
	require.NoError(t, postgres.Script(t.Context(), source, "reset all"))
	platform := connect(t, localtest.Database(t))
	require.NoError(t, postgres.Script(t.Context(), platform, "create schema tenant_northwind; set search_path = tenant_northwind"))
	files, err := filepath.Glob("../../platform/core/migrations/*.up.sql")
	require.NoError(t, err)
	for _, file := range files {
		sql, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, postgres.Script(context.Background(), platform, string(sql)), file)
	}
	_ = strings.TrimSpace
	target, err := mapping.ReadTarget(t.Context(), platform, "tenant_northwind")
	require.NoError(t, err)
	return source, target
}
