package moves_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/test/compare"
	"tenantctl/test/fixture"
)

// Two clients with the same legacy database, which has one of everything, live on one instance: the second move leaves the first
// tenant as it is and the database without anything that reaches beyond a tenant.
func TestSecondTenantOfTheSameKind(t *testing.T) {
	t.Parallel()
	b := setup(t, localtest.Database(t), lifted+"  client-y:\n    services: []\n    legacy: { dsnFile: y.dsn }\n")
	second := localtest.Database(t)
	fixture.Load(t, b.source, "zoo.sql")
	fixture.Load(t, second, "zoo.sql")
	require.NoError(t, os.WriteFile(filepath.Join(b.folder, "y.dsn"), []byte(second), 0o600))
	source := b.connect(second)
	schemas := compare.Schemas(t, source, "tenant_client_y")
	was := compare.Legacy(t, source, schemas)
	b.migrate()
	target := b.connect(b.target)
	first := compare.Schemas(t, b.connect(b.source), "tenant_client_x")
	delete(first, "tenantctl_fence")
	before, wide := fingerprints(t, b, first), compare.DatabaseWide(t, target)

	code, stdout, stderr := b.tenantctl("migrate", "client-y", "--yes", "-o", "json")
	require.Zero(t, code, "%s\n%s", stdout, stderr)
	require.Equal(t, before, fingerprints(t, b, first), "the first tenant is as it was")
	require.Empty(t, compare.Diff(was, compare.Tenant(t, target, schemas)))
	var own []string
	for _, schema := range schemas {
		own = append(own, schema)
	}
	for _, line := range compare.Added(wide, compare.DatabaseWide(t, target)) {
		require.Regexp(t, `tenant_client_y|t_client_y__owner`, line, "what is new in the whole database is the second tenant's")
	}
	for _, line := range compare.Privileged(t, target, own) {
		require.Contains(t, line, "t_client_y__", "nothing in it runs or reads with more than the tenant's own rights")
	}
}

func fingerprints(t *testing.T, b *bundle, schemas map[string]string) map[string]string {
	t.Helper()
	conn, found := b.connect(b.target), map[string]string{}
	for _, schema := range schemas {
		found[schema] = compare.Fingerprint(t, conn, schema)
	}
	return found
}

// What managed services give: an administrator who is no superuser, on both sides.
func TestAdministratorsWithoutSuperuser(t *testing.T) {
	t.Parallel()
	b := setup(t, localtest.DatabaseAs(t, localtest.DatabaseOptions{Admin: true}), lifted)
	b.target = localtest.DatabaseAs(t, localtest.DatabaseOptions{Admin: true})
	fixture.LoadShared(t, b.source, "northwind.sql")
	source := b.connect(b.source)
	schemas := compare.Schemas(t, source, "tenant_client_x")
	was := compare.Legacy(t, source, schemas)
	cases := fixture.App(t, "northwind_app.sql")
	before := compare.Answers(t, source, cases, compare.As{})
	b.migrate()
	require.Empty(t, compare.Diff(was, compare.Tenant(t, b.connect(b.target), schemas)))
	require.Empty(t, compare.SameAnswers(before, compare.Answers(t, b.connect(asSuperuser(t, b.target)), cases, b.tenant(schemas))))
}

// asSuperuser is the same database for one who may take on any role.
func asSuperuser(t *testing.T, dsn string) string {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	return localtest.Server(t).DSN(config.Database)
}

// The zoo onto such an instance: what only a superuser may make is refused by name, all of it at once; with that out of the way the
// rest is moved whole.
func TestZooWithoutSuperuserOnTheInstance(t *testing.T) {
	t.Parallel()
	b := setup(t, localtest.Database(t), lifted)
	b.target = localtest.DatabaseAs(t, localtest.DatabaseOptions{Admin: true})
	fixture.Load(t, b.source, "zoo.sql")
	code, _, stderr := b.tenantctl("migrate", "client-x", "--yes")
	require.NotZero(t, code)
	require.Contains(t, stderr, "extension xml2")
	require.Contains(t, stderr, "LEAKPROOF")
	require.Contains(t, stderr, "nothing was touched; 2 things")

	fixture.LoadSQL(t, b.source, `alter function add_tax(numeric, numeric) not leakproof; drop extension xml2`)
	source := b.connect(b.source)
	schemas := compare.Schemas(t, source, "tenant_client_x")
	was := compare.Legacy(t, source, schemas)
	b.migrate()
	require.Empty(t, compare.Diff(was, compare.Tenant(t, b.connect(b.target), schemas)))
}
