package mapping_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/migrate/mapping"
	"tenantctl/internal/postgres"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// testBundle is a legacy database, which holds the tenant's schema too, and a scratch database with the legacy schema alone.
type testBundle struct {
	t             *testing.T
	dsn           string
	conn, scratch *pgx.Conn
	target        mapping.TargetCatalog
}

const truncateAll = `do $$ declare t regclass; begin
	for t in select oid from pg_class where relkind = 'r' and relnamespace::regnamespace::text !~ '^(pg_|information)' loop
		execute format('truncate %s cascade', t);
	end loop;
end $$`

// setup makes the legacy tables in public and the platform's in tenant_x.
func setup(t *testing.T, legacy, platform string) *testBundle {
	t.Helper()
	b := &testBundle{t: t, dsn: localtest.Database(t)}
	b.conn = connect(t, b.dsn)
	b.run(legacy, "create schema tenant_x", "set search_path = tenant_x", platform, "reset search_path")
	b.scratch = connect(t, localtest.Database(t))
	require.NoError(t, postgres.Script(t.Context(), b.scratch, legacy))
	require.NoError(t, postgres.Script(t.Context(), b.scratch, truncateAll))
	var err error
	b.target, err = mapping.ReadTarget(t.Context(), b.conn, "tenant_x")
	require.NoError(t, err)
	return b
}

func connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := postgres.Connect(ctx, dsn, postgres.Options{Application: "mapping"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(context.Background())) })
	return conn
}

func (b *testBundle) run(scripts ...string) {
	b.t.Helper()
	for _, sql := range scripts {
		if strings.TrimSpace(sql) != "" {
			require.NoError(b.t, postgres.Script(b.t.Context(), b.conn, sql), sql)
		}
	}
}

// catalog is the legacy's, without the tenant's schema that lies beside it in tests.
func (b *testBundle) catalog() *inspect.Catalog {
	b.t.Helper()
	catalog, err := inspect.Read(b.t.Context(), b.conn)
	require.NoError(b.t, err)
	kept := catalog.Tables[:0]
	for _, table := range catalog.Tables {
		if table.Schema != "tenant_x" {
			kept = append(kept, table)
		}
	}
	catalog.Tables = kept
	return catalog
}

// compile parses a mapping and compiles it.
func (b *testBundle) compile(text string) (*mapping.Compiled, []inspect.Finding) {
	b.t.Helper()
	m, err := mapping.Parse("m.yaml", []byte(text))
	require.NoError(b.t, err)
	compiled, findings, err := m.Compile(b.t.Context(), b.scratch, b.catalog(), b.target)
	require.NoError(b.t, err)
	return compiled, findings
}

// sound compiles a mapping that has no refusal.
func (b *testBundle) sound(text string) *mapping.Compiled {
	b.t.Helper()
	compiled, findings := b.compile(text)
	require.Empty(b.t, refusals(findings))
	return compiled
}

// refused lists what Compile refuses of a mapping.
func (b *testBundle) refused(text string) []string {
	b.t.Helper()
	_, findings := b.compile(text)
	return refusals(findings)
}

func (b *testBundle) try(compiled *mapping.Compiled) []inspect.Finding {
	b.t.Helper()
	findings, err := compiled.Try(b.t.Context(), b.conn)
	require.NoError(b.t, err)
	return findings
}

func lines(findings []inspect.Finding, severity inspect.Severity) []string {
	found := []string{}
	for _, f := range findings {
		if f.Severity == severity {
			line := f.Code + " | " + f.Object + " | " + f.Message
			if f.Hint != "" {
				line += " | " + f.Hint
			}
			found = append(found, line)
		}
	}
	return found
}

func refusals(findings []inspect.Finding) []string { return lines(findings, inspect.Refusal) }

// write puts files into a folder and returns its path.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range files {
		path := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return folder
}
