package compare

import (
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/test/fixture"
)

// tenantPath is what a lifted tenant's sessions have.
const tenantPath = "tenant_x, ext"

// zooSchemas is where the zoo's schemas go.
func zooSchemas() map[string]string {
	return map[string]string{
		"public": "tenant_x", "audit": "tenant_x__audit", "Odd Schema": "tenant_x__Odd Schema",
		"a_legacy_reporting_area_kept_since_the_year_09": "tenant_x__a_legacy_reporting_area_kept_since_the_year_09",
	}
}

// connect opens a session that ends with the test.
func connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := postgres.Connect(t.Context(), dsn, postgres.Options{Application: "compare"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}

// zoo loads the zoo as a legacy.
func zoo(t testing.TB) *pgx.Conn {
	t.Helper()
	dsn := localtest.Database(t)
	fixture.Load(t, dsn, "zoo.sql")
	return connect(t, dsn)
}

// goldenZoo loads the zoo as its authors would have written it for a tenant: what a right lift arrives at, without any lift.
func goldenZoo(t testing.TB) *pgx.Conn {
	t.Helper()
	dsn := localtest.Database(t)
	fixture.LoadWith(t, dsn, "zoo.sql", fixture.Options{Path: tenantPath, Edit: forTenant})
	return connect(t, dsn)
}

// forTenant renames the zoo's schemas in its own text, by knowing that text by heart.
func forTenant(file, text string) string {
	text = strings.NewReplacer(
		"create extension citext schema public;", "create schema tenant_x; create schema ext; create extension citext schema ext;",
		"create schema crypt;", "", "schema crypt;", "schema ext;", "schema public;", "schema ext;",
		"create schema audit;", "create schema tenant_x__audit;",
		`create schema "Odd Schema";`, `create schema "tenant_x__Odd Schema";`,
		"create schema a_legacy", "create schema tenant_x__a_legacy",
		"operator(public.=)", "operator(ext.=)", "operator(public.?)", "operator(ext.?)",
		"on schema audit", "on schema tenant_x__audit", `on schema "Odd Schema"`, `on schema "tenant_x__Odd Schema"`,
		// Search paths.
		"search_path to 'public'", "search_path to tenant_x, ext", "search_path to audit, 'public', pg_temp", "search_path to tenant_x__audit, tenant_x, ext, pg_temp",
		`search_path = "Odd Schema", public`, `search_path = "tenant_x__Odd Schema", tenant_x, ext`, `"$user", public, pg_catalog`, `"$user", tenant_x, ext, pg_catalog`,
		"search_path = crypt, public", "search_path = ext, tenant_x", "search_path = audit, public", "search_path = tenant_x__audit, tenant_x, ext",
		// Constants that are schemas.
		"%I.%I', 'public'", "%I.%I', 'tenant_x'", "table_schema = 'public'", "table_schema = 'tenant_x'", "nspname = 'audit'", "nspname = 'tenant_x__audit'",
		"'mood', 'public', '|/'", "'mood', 'tenant_x', '|/'", "'address[]', 'audit'", "'address[]', 'tenant_x__audit'", `'"Odd Schema"', null`, `'"tenant_x__Odd Schema"', null`,
		`{audit.log,settings,"\"Odd Schema\"`, `{tenant_x__audit.log,settings,"\"tenant_x__Odd Schema\"`,
	).Replace(text)
	text = regexp.MustCompile(`\b(public|crypt)\.(citext|hstore|similarity|digest)\b`).ReplaceAllString(text, "ext.$2")
	switch path.Base(file) {
	case "values.sql", "names.sql", "shop.sql", "comments.sql", "types.sql": // the rest is data
		return text
	}
	text = regexp.MustCompile(`(?i)(^|[^\w"/=])("?)public("?)(\s*\.\s*[\w"%<т])`).ReplaceAllString(text, "${1}tenant_x$4")
	text = strings.ReplaceAll(text, `"a tenant_x.b"`, `"a public.b"`)
	text = regexp.MustCompile(`(^|[^\w"/])audit(\.[\w=' ])`).ReplaceAllString(text, "${1}tenant_x__audit$2")
	text = regexp.MustCompile(`"Odd Schema"(\s*\.)`).ReplaceAllString(text, `"tenant_x__Odd Schema"$1`)
	return strings.ReplaceAll(text, " a_legacy_reporting", " tenant_x__a_legacy_reporting")
}

func TestZooAsWrittenForATenantDoesNotDiffer(t *testing.T) {
	t.Parallel()
	source, target := zoo(t), goldenZoo(t)
	require.Empty(t, Lift(t, source, target, zooSchemas()))
}

func TestZooAnswersTheSameForATenant(t *testing.T) {
	t.Parallel()
	source, target := zoo(t), goldenZoo(t)
	before, beforeTarget := Fingerprint(t, source, "public"), Fingerprint(t, target, "tenant_x")
	cases := fixture.App(t, "zoo_app.sql")
	legacy := Answers(t, source, cases, As{})
	for _, answer := range legacy {
		require.NotRegexp(t, "error (42601|42703|42704|42883|42P01)", answer.Text, "%s is a mistake in the fixture", answer.Name)
	}
	tenant := Answers(t, target, cases, As{Path: tenantPath, Schemas: zooSchemas()})
	require.Empty(t, SameAnswers(legacy, tenant))
	require.Equal(t, before, Fingerprint(t, source, "public"), "an application's run leaves nothing behind")
	require.Equal(t, beforeTarget, Fingerprint(t, target, "tenant_x"), "an application's run leaves nothing behind")
}

func TestRealDatabasesRenamedDoNotDiffer(t *testing.T) {
	t.Parallel()
	schemas := map[string]string{"public": "tenant_x"}
	for name, app := range map[string]string{"northwind.sql": "northwind_app.sql", "chinook.sql": "chinook_app.sql"} {
		sourceDSN, targetDSN := localtest.Database(t), localtest.Database(t)
		fixture.LoadShared(t, sourceDSN, name)
		fixture.LoadShared(t, targetDSN, name)
		source, target := connect(t, sourceDSN), connect(t, targetDSN)
		require.NoError(t, postgres.Script(t.Context(), target, `alter schema public rename to tenant_x`))
		require.Empty(t, Lift(t, source, target, schemas))
		cases := fixture.App(t, app)
		want := Answers(t, source, cases, As{})
		require.Empty(t, SameAnswers(want, Answers(t, target, cases, As{Path: "tenant_x", Schemas: schemas})))
		for _, answer := range want {
			require.NotContains(t, answer.Text, "error 42", "%s: %s is a mistake in the fixture", name, answer.Name)
		}
	}
}
