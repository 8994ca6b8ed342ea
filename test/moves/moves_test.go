// Package moves moves whole databases with the real command over the real rooms, and compares both sides by queries that are
// none of the product's own.
package moves_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/cli"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/test/compare"
	"tenantctl/test/fixture"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// bundle is one client with its legacy database, and a shared instance, under a tenants.yaml.
type bundle struct {
	t              *testing.T
	source, target string
	folder, prefix string
}

func setup(t *testing.T, source, tenantYAML string) *bundle {
	t.Helper()
	prefix := localtest.Prefix(t) // dropped after the database, when nothing holds on to the roles
	b := &bundle{t: t, source: source, target: localtest.Database(t), folder: localtest.Folder(t), prefix: prefix}
	file := fmt.Sprintf("version: 1\ninstances:\n  shared-1: { dsn: \"${SHARED_1_DSN}\", rolePrefix: %s }\nservices:\n  core: { migrations: builtin }\ntenants:\n%s",
		b.prefix, tenantYAML)
	require.NoError(t, os.WriteFile(filepath.Join(b.folder, "tenants.yaml"), []byte(file), 0o600))
	localtest.ShareStack(t, b.folder, b.folder)
	return b
}

const lifted = "  client-x:\n    services: []\n    legacy: { dsn: \"${CLIENT_X_DSN}\" }\n"

// tenantctl runs a command and returns its exit code, what it printed and what it said.
func (b *bundle) tenantctl(args ...string) (code int, stdout, stderr string) {
	b.t.Helper()
	var out, err bytes.Buffer
	code = cli.Main(append(args, "--file", filepath.Join(b.folder, "tenants.yaml")), strings.NewReader(""), &out, &err,
		"SHARED_1_DSN="+b.target, "CLIENT_X_DSN="+b.source, "XDG_STATE_HOME="+b.folder, "PATH="+os.Getenv("PATH"), "HOME="+b.folder)
	return code, out.String(), err.String()
}

func (b *bundle) migrate() string {
	b.t.Helper()
	code, stdout, stderr := b.tenantctl("migrate", "client-x", "--yes", "-o", "json")
	require.Zero(b.t, code, "%s\n%s", stdout, stderr)
	return stdout
}

func (b *bundle) connect(dsn string) *pgx.Conn {
	b.t.Helper()
	conn, err := postgres.Connect(b.t.Context(), dsn, postgres.Options{Application: "test"})
	require.NoError(b.t, err)
	b.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// tenant reads how the tenant's application meets its schema: its role and its search path.
func (b *bundle) tenant(schemas map[string]string) compare.As {
	b.t.Helper()
	code, stdout, stderr := b.tenantctl("status", "client-x", "-o", "json")
	require.Zero(b.t, code, stderr)
	var path []string
	findPath(b.t, []byte(stdout), &path)
	for i := range path {
		path[i] = postgres.Ident(path[i])
	}
	return compare.As{Role: b.prefix + "t_client_x__legacy", Path: strings.Join(path, ", "), Schemas: schemas}
}

// findPath digs the search path out of a status, wherever the document keeps it.
func findPath(t *testing.T, document []byte, path *[]string) {
	t.Helper()
	var walk func(any)
	walk = func(value any) {
		switch v := value.(type) {
		case map[string]any:
			if list, ok := v["searchPath"].([]any); ok {
				for _, schema := range list {
					*path = append(*path, schema.(string)) //nolint:forcetypeassert // the test fails where it isn't
				}
				return
			}
			for _, inner := range v {
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	var root any
	require.NoError(t, json.Unmarshal(document, &root))
	walk(root)
	require.NotEmpty(t, *path, "the status of a moved tenant tells its search path")
}

func TestRealDatabasesAreTheSameAfterwards(t *testing.T) {
	t.Parallel()
	for name, app := range map[string]string{"northwind.sql": "northwind_app.sql", "chinook.sql": "chinook_app.sql"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, localtest.Database(t), lifted)
			fixture.LoadShared(t, b.source, name)
			source := b.connect(b.source)
			schemas := compare.Schemas(t, source, "tenant_client_x")
			was := compare.Legacy(t, source, schemas)
			cases := fixture.App(t, app)
			before := compare.Answers(t, source, cases, compare.As{})
			b.migrate()
			require.Empty(t, compare.Diff(was, compare.Tenant(t, b.connect(b.target), schemas)))
			require.Empty(t, compare.SameAnswers(before, compare.Answers(t, b.connect(b.target), cases, b.tenant(schemas))))
		})
	}
}

// The zoo's own application must get the same answers, as the tenant's role under the tenant's path.
func TestZooAnswersTheSame(t *testing.T) {
	t.Parallel()
	b := setup(t, localtest.Database(t), lifted)
	fixture.Load(t, b.source, "zoo.sql")
	source := b.connect(b.source)
	schemas := compare.Schemas(t, source, "tenant_client_x")
	was := compare.Legacy(t, source, schemas)
	cases := fixture.App(t, "zoo_app.sql")
	before := compare.Answers(t, b.connect(b.source), cases, compare.As{})
	moved := b.migrate()
	target := b.connect(b.target)
	require.Empty(t, compare.Diff(was, compare.Tenant(t, target, schemas)))
	// Policies apply to the tenant's role, where the legacy application owned its tables: inspect says so.
	differing := compare.SameAnswers(before, compare.Answers(t, b.connect(b.target), cases, b.tenant(schemas)))
	require.Len(t, differing, 1)
	require.Contains(t, differing[0], "the owner sees all rows")
	require.Contains(t, moved, "row security")
}

func TestThousandTables(t *testing.T) {
	t.Parallel()
	b := setup(t, localtest.Database(t), lifted)
	fixture.LoadSQL(t, b.source, fixture.Many(1000))
	source := b.connect(b.source)
	schemas := compare.Schemas(t, source, "tenant_client_x")
	was := compare.Legacy(t, source, schemas)
	b.migrate()
	require.Empty(t, compare.Diff(was, compare.Tenant(t, b.connect(b.target), schemas)))
}

// Northwind onto the core service: what a person would ask both sides gives the same answers.
func TestNorthwindMapped(t *testing.T) {
	t.Parallel()
	mapping, err := filepath.Abs("../../examples/northwind/mapping.yaml")
	require.NoError(t, err)
	b := setup(t, localtest.Database(t), "  client-x:\n    services: [core]\n    legacy: { dsn: \"${CLIENT_X_DSN}\", mapping: "+mapping+" }\n")
	fixture.LoadShared(t, b.source, "northwind.sql")
	b.migrate()
	source, target := b.connect(b.source), b.connect(b.target)
	for legacy, platform := range map[string]string{
		`select count(*), min(customer_id), max(company_name) from customers`:                           `select count(*), min(code), max(name) from tenant_client_x.customers`,
		`select count(*), sum(unit_price::numeric(12,2))::text, sum(supplier_id)::text from products`:   `select count(*), sum(price)::numeric(12,2)::text, sum((extra->>'supplier_id')::int)::text from tenant_client_x.products`,
		`select count(*), min(order_date)::text, count(shipped_date)::text from orders`:                 `select count(*), (min(placed_at) at time zone 'UTC')::date::text, count(shipped_at)::text from tenant_client_x.orders`,
		`select count(*), sum(quantity)::text, sum(unit_price::numeric(12,2))::text from order_details`: `select count(*), sum(quantity)::int::text, sum(unit_price)::numeric(12,2)::text from tenant_client_x.order_items`,
		`select count(*), min(company_name), max(phone) from suppliers`:                                 `select count(*), min(company_name), max(phone) from tenant_client_x.suppliers`,
	} {
		require.Equal(t, row(t, source, legacy), row(t, target, platform), platform)
	}
	// The services' own rules are back: keys, foreign keys, and sequences behind the highest value.
	_, err = target.Exec(t.Context(), `insert into tenant_client_x.order_items (order_id, line, product_id, quantity, unit_price) values (-1, 1, 1, 1, 1)`)
	require.ErrorContains(t, err, "foreign key")
	var next, highest int64
	require.NoError(t, target.QueryRow(t.Context(), `select nextval(pg_get_serial_sequence('tenant_client_x.orders', 'id')), (select max(id) from tenant_client_x.orders)`).Scan(&next, &highest))
	require.Greater(t, next, highest)

	code, _, stderr := b.tenantctl("rollback", "client-x", "--yes")
	require.Zero(t, code, stderr)
	require.Equal(t, []string{"0", "7"}, row(t, b.connect(b.target), `select (select count(*) from tenant_client_x.orders)::text,
		(select count(distinct conrelid) from pg_constraint where contype = 'p' and connamespace = 'tenant_client_x'::regnamespace)::text`)[:2])
	b.migrate()
}

func row(t *testing.T, conn *pgx.Conn, sql string) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql)
	require.NoError(t, err)
	values, err := pgx.CollectExactlyOneRow(rows, func(r pgx.CollectableRow) (list []string, err error) {
		found, err := r.Values()
		for _, value := range found {
			list = append(list, fmt.Sprint(value))
		}
		return list, err
	})
	require.NoError(t, err)
	return values
}
