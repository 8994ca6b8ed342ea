package lint_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/lint"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/stream"
)

// TestCosts measures what T6 and T7 reckon with: rows of the catalog for each relation of a service, and the log for each row.
func TestCosts(t *testing.T) {
	t.Parallel()
	conn := connect(t, localtest.NewServer(t, nil, localtest.ServerOptions{}).DSN("postgres"))
	const counted = `select (select count(*) from pg_class) + (select count(*) from pg_attribute) + (select count(*) from pg_type) + (select count(*) from pg_depend)
		+ (select count(*) from pg_index) + (select count(*) from pg_constraint) + (select count(*) from pg_attrdef) + (select count(*) from pg_sequence)`
	number := func(sql string) (n int64) {
		require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&n))
		return n
	}
	exec(t, conn, `create schema tenant_a`)
	require.NoError(t, stream.Prepare(t.Context(), conn))
	before := number(counted)
	s, err := core.Stream()
	require.NoError(t, err)
	_, err = stream.Apply(t.Context(), conn, stream.Target{Schema: "tenant_a"}, s, s.Newest())
	require.NoError(t, err)
	relations := number(`select count(*) from pg_class where relnamespace = 'tenant_a'::regnamespace`)
	perRelation := float64(number(counted)-before) / float64(relations)
	t.Logf("%.1f rows of the catalog for each of %d relations", perRelation, relations)
	require.InDelta(t, lint.CatalogRows, perRelation, lint.CatalogRows/2)

	const rows, text = 1000, 20
	exec(t, conn, `create table tenant_a.seed (id bigint primary key, name text); checkpoint; insert into tenant_a.seed values (0, ''); select pg_switch_wal()`)
	start := number(`select pg_current_wal_insert_lsn() - '0/0'::pg_lsn`)
	exec(t, conn, `insert into tenant_a.seed select i, repeat('x', 20) from generate_series(1, 1000) i`)
	perRow := float64(number(`select pg_current_wal_insert_lsn() - '0/0'::pg_lsn`)-start)/rows - text
	t.Logf("%.0f bytes of log for each row beside its own", perRow)
	require.InDelta(t, lint.WALPerRow, perRow, lint.WALPerRow/2)
}
