package inspect_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
)

// One of everything can be carried.
func TestZoo(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	tools, err := postgres.FindTools()
	require.NoError(t, err)
	load := exec.Command(filepath.Join(tools.Bin, "psql"), "--no-psqlrc", "--quiet", "--dbname="+dsn, "--file="+filepath.Join("..", "..", "..", "test", "fixture", "zoo.sql"))
	out, err := load.CombinedOutput()
	require.NoError(t, err, string(out))
	source := connect(t, dsn)
	found := findings(t, source, database(t), inspect.Options{Lift: true, TargetSchema: "tenant_zoo", Tools: tools})
	require.NoError(t, inspect.Refused(found))
	for _, f := range found {
		t.Log(f.Severity, f.Code, f)
	}
	catalog := read(t, source)
	require.Equal(t, []string{"Odd Schema", "a_legacy_reporting_area_kept_since_the_year_09", "audit", "public"}, catalog.Schemas[:4])
	require.Greater(t, len(catalog.Tables), 30)
	fingerprint(t, source)
}
