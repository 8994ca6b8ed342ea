package mapping_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/config"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/migrate/copy"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/migrate/mapping"
	"tenantctl/internal/postgres"
)

const examples = "../../../examples/northwind"

// northwindBundle is Northwind as a client's legacy database, its schema alone in a scratch database, and the tables of core.
type northwindBundle struct {
	source, scratch, platform *pgx.Conn
	catalog                   *inspect.Catalog
	target                    mapping.TargetCatalog
}

func setupNorthwind(t *testing.T) northwindBundle {
	t.Helper()
	data, err := os.ReadFile("../../../../shared/data/northwind.sql")
	if os.IsNotExist(err) {
		t.Skip("../shared/data/northwind.sql isn't here")
	}
	require.NoError(t, err)
	dsn := localtest.Database(t)
	b := northwindBundle{source: connect(t, dsn), scratch: connect(t, localtest.Database(t)), platform: connect(t, localtest.Database(t))}
	script(t, b.source, string(data), "reset all")
	tools, err := postgres.FindTools()
	require.NoError(t, err)
	schema, err := tools.Run(t.Context(), "pg_dump", dsn, "--schema-only", "--no-owner", "--no-privileges")
	require.NoError(t, err)
	definitions := regexp.MustCompile(`(?m)^(\\(un)?restrict .*|CREATE SCHEMA public;)$`).ReplaceAllString(string(schema), "")
	script(t, b.scratch, definitions)
	script(t, b.platform, "create schema tenant_northwind; set search_path = tenant_northwind")
	files, err := filepath.Glob("../../platform/core/migrations/*.up.sql")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		sql, err := os.ReadFile(file)
		require.NoError(t, err)
		script(t, b.platform, string(sql))
	}
	b.catalog, err = inspect.Read(t.Context(), b.source)
	require.NoError(t, err)
	b.target, err = mapping.ReadTarget(t.Context(), b.platform, "tenant_northwind")
	require.NoError(t, err)
	return b
}

func script(t testing.TB, conn *pgx.Conn, scripts ...string) {
	t.Helper()
	for _, sql := range scripts {
		require.NoError(t, postgres.Script(t.Context(), conn, sql))
	}
}

func (b northwindBundle) compile(t *testing.T, m *mapping.Mapping) (*mapping.Compiled, []inspect.Finding) {
	t.Helper()
	compiled, findings, err := m.Compile(t.Context(), b.scratch, b.catalog, b.target)
	require.NoError(t, err)
	return compiled, findings
}

func TestNorthwind(t *testing.T) {
	t.Parallel()
	b := setupNorthwind(t)
	m, err := mapping.Load(filepath.Join(examples, "mapping.yaml"))
	require.NoError(t, err)
	findings, err := m.CheckVersion(t.Context(), b.source)
	require.NoError(t, err)
	require.Empty(t, findings)

	compiled, findings := b.compile(t, m)
	require.Empty(t, findings)
	require.Equal(t, []string{"table public.customer_customer_demo", "table public.customer_demographics", "table public.us_states"}, compiled.OneWay(),
		"every column that is carried can be had back")
	for _, table := range b.catalog.Tables {
		lifted := strings.Contains(" categories suppliers shippers employees employee_territories region territories ", " "+table.Name+" ")
		require.Equal(t, lifted, compiled.Lifts(table.Schema, table.Name), table.Name)
	}
	findings, err = compiled.Try(t.Context(), b.source)
	require.NoError(t, err)
	require.Empty(t, findings)

	for _, table := range compiled.Tables {
		require.Equal(t, copy.Binary, table.Format)
		carry(t, b.source, b.platform, table)
	}
	want := map[string]string{
		"customers": `select customer_id, company_name, contact_name, contact_title, phone, fax, address, city, region, postal_code, country from customers`,
		"products": `select product_id, product_name, quantity_per_unit, unit_price::text::numeric, units_in_stock, case when discontinued = 1 then 'discontinued' else 'active' end,
			supplier_id, category_id, units_on_order, reorder_level from products`,
		"orders": `select order_id, customer_id, case when shipped_date is null then 'open' else 'shipped' end, order_date || ' 00:00:00+00', required_date, shipped_date || ' 00:00:00+00',
			ship_name, ship_address, ship_city, ship_region, ship_postal_code, ship_country, freight::text::numeric, 'USD', employee_id, ship_via from orders`,
		"order_items": `select order_id, product_id, product_id, quantity, unit_price::text::numeric, discount::text::numeric from order_details`,
	}
	got := map[string]string{
		"customers": `select code, name, contact_name, contact_title, phone, fax, street, city, region, postal_code, country from customers`,
		"products": `select id, name, unit, trim_scale(price), stock, status,
			(extra->>'supplier_id')::int, (extra->>'category_id')::int, (extra->>'units_on_order')::int, (extra->>'reorder_level')::int from products`,
		"orders": `select id, customer_code, status, placed_at, required_on, shipped_at, ship_name, ship_street, ship_city, ship_region, ship_postal_code, ship_country,
			trim_scale(freight), currency, (extra->>'employee_id')::int, (extra->>'ship_via')::int from orders`,
		"order_items": `select order_id, line, product_id, trim_scale(quantity), trim_scale(unit_price), trim_scale(discount) from order_items`,
	}
	counts := map[string]int{"customers": 91, "products": 77, "orders": 830, "order_items": 2155}
	for table, query := range want {
		wanted, had := rowsOf(t, b.source, query), rowsOf(t, b.platform, got[table])
		require.Len(t, had, counts[table], table)
		require.Equal(t, wanted, had, table)
	}
	for _, sequence := range compiled.Sequences {
		script(t, b.platform, sequence.SetSQL("tenant_northwind", 0))
	}
	var next int64
	require.NoError(t, b.platform.QueryRow(t.Context(), "select nextval('orders_id_seq')").Scan(&next))
	require.EqualValues(t, 11078, next)
	comeBack(t, b.platform, compiled, rowsOf(t, b.source, "select order_id, product_id, unit_price, quantity, discount from order_details"))
}

// carry copies a table as the move does: binary COPY to binary COPY.
func carry(t *testing.T, source, target *pgx.Conn, table copy.Table) {
	t.Helper()
	var names []string
	for _, column := range table.Columns {
		names = append(names, postgres.Ident(column.Target))
	}
	var data strings.Builder
	_, err := source.PgConn().CopyTo(t.Context(), &data, table.CopyOut(table.SelectSQL(copy.Chunk{})))
	require.NoError(t, err)
	into := "copy " + postgres.Ident(table.Target.Schema, table.Target.Name) + " (" + strings.Join(names, ", ") + ") from stdin (format binary)"
	// Order items refer to orders, and the mapping lists what is referred to first.
	_, err = target.PgConn().CopyFrom(context.WithoutCancel(t.Context()), strings.NewReader(data.String()), into)
	require.NoError(t, err)
}

// rowsOf reads rows as text, sorted.
func rowsOf(t *testing.T, conn *pgx.Conn, query string) []string {
	t.Helper()
	script(t, conn, "set timezone = 'UTC'")
	rows, err := conn.Query(t.Context(), `select q::text from (`+query+`) q order by q::text collate "C"`)
	require.NoError(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return found
}

// comeBack evaluates the inverse of order_details over the platform's rows.
func comeBack(t *testing.T, platform *pgx.Conn, compiled *mapping.Compiled, want []string) {
	t.Helper()
	for _, inverse := range compiled.Inverses {
		if inverse.Table != "public.order_details" {
			continue
		}
		back := map[string]string{}
		for _, column := range inverse.Columns {
			back[column.Column] = column.SQL
		}
		require.Equal(t, want, rowsOf(t, platform, "select "+strings.Join([]string{
			back["order_id"], back["product_id"], back["unit_price"], back["quantity"], back["discount"],
		}, ", ")+" from "+inverse.Target))
		return
	}
	t.Fatal("no inverse of public.order_details")
}

func TestNorthwindDraftNeedsOneDecision(t *testing.T) {
	t.Parallel()
	b := setupNorthwind(t)
	draft := mapping.Draft(b.catalog, b.target)
	require.Equal(t, string(draft), string(mapping.Draft(b.catalog, b.target)), "the same each time")
	m, err := mapping.Parse("draft.yaml", draft)
	require.NoError(t, err)
	_, findings := b.compile(t, m)
	require.Equal(t, []string{"mapping of public.order_details to order_items.line"}, objects(findings))
	require.Contains(t, string(draft), "# decide: line needs a value (integer not null) and nothing looks like it")

	decided := strings.Replace(string(draft), "      # decide: line needs", "      line: product_id\n      # decide: line needs", 1)
	m, err = mapping.Parse("draft.yaml", []byte(decided))
	require.NoError(t, err)
	compiled, findings := b.compile(t, m)
	require.Empty(t, findings)
	findings, err = compiled.Try(t.Context(), b.source)
	require.NoError(t, err)
	require.Empty(t, findings)
}

func objects(findings []inspect.Finding) []string {
	var found []string
	for _, f := range findings {
		found = append(found, f.Object)
	}
	return found
}

func TestNorthwindDeclaration(t *testing.T) {
	t.Parallel()
	_, err := config.Load(filepath.Join(examples, "tenants.yaml"))
	require.NoError(t, err)
}
