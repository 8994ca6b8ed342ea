package lint_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/lint"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/tenant"
)

func TestSizes(t *testing.T) {
	t.Parallel()
	conn := connect(t, localtest.Database(t))
	exec(t, conn, `create schema tenant_a; create schema tenant_b; create schema other;
		create table tenant_a.orders (id int); insert into tenant_a.orders select generate_series(1, 100); analyze tenant_a.orders;
		create table tenant_b.orders (id int); insert into tenant_b.orders select generate_series(1, 20000); analyze tenant_b.orders;
		create table other.orders (id int); insert into other.orders select generate_series(1, 100000); analyze other.orders;
		create table tenant_a.fresh (id int); insert into tenant_a.fresh select generate_series(1, 5000)`)
	sizes, err := lint.Sizes(t.Context(), conn, map[string]tenant.Name{"tenant_a": "a", "tenant_b": "b"}, []string{"orders", "fresh", "missing"})
	require.NoError(t, err)
	require.Len(t, sizes, 2)
	require.Equal(t, tenant.Name("b"), sizes["orders"].Tenant, "where it is largest, of those asked for")
	require.InDelta(t, 20000, sizes["orders"].Rows, 100)
	require.Positive(t, sizes["fresh"].Rows, "estimated, as it was never analyzed")

	both := lint.Larger(sizes, map[string]lint.Size{"orders": {Tenant: "c", Rows: 5, Bytes: 1 << 40}, "more": {Tenant: "c"}})
	require.Equal(t, tenant.Name("c"), both["orders"].Tenant)
	require.Len(t, both, 3)
	require.Len(t, lint.Larger(nil, sizes), 2)
}

func TestWeigh(t *testing.T) {
	t.Parallel()
	files := ups("create table orders (id bigint primary key, a int);\ncreate table log (id bigint primary key);",
		"create index on orders (a);\nalter table orders drop column a;", "alter table log add column b int;\nalter table orders add column c int;")
	severities := func(size *lint.Size) map[string]lint.Severity {
		report := judge(t, lint.Input{Stream: read(t, files), Since: 1}, 0)
		require.Contains(t, report.Tables(), "orders")
		if size != nil {
			report.Weigh(map[string]lint.Size{"orders": *size})
		}
		found := map[string]lint.Severity{}
		for _, f := range all(report) {
			found[f.Rule] = f.Severity
			require.Equal(t, size != nil && f.Rule != "R18", f.Size != nil, f.Rule)
		}
		return found
	}
	require.Equal(t, map[string]lint.Severity{"R1": lint.Error, "R16": lint.Warning, "R18": lint.Error}, severities(nil))
	require.Equal(t, map[string]lint.Severity{"R1": lint.Warning, "R16": lint.Warning, "R18": lint.Error}, severities(&lint.Size{Tenant: "a", Rows: 9_999}), "lost data doesn't depend on size")
	require.Equal(t, map[string]lint.Severity{"R1": lint.Error, "R16": lint.Warning, "R18": lint.Error}, severities(&lint.Size{Tenant: "a", Rows: 50_000}))
	require.Equal(t, map[string]lint.Severity{"R1": lint.Error, "R16": lint.Error, "R18": lint.Error}, severities(&lint.Size{Tenant: "a", Bytes: 1 << 30}))
}
