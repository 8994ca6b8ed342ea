package legacy_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/legacy"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

func TestMain(m *testing.M) { localtest.Main(m) }

func create(t *testing.T, version uint64) *pgx.Conn {
	t.Helper()
	conn, err := postgres.Connect(t.Context(), localtest.Database(t), postgres.Options{Application: "test"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	require.NoError(t, legacy.Create(t.Context(), conn, version))
	return conn
}

func text(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	var found string
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&found))
	return found
}

func TestEveryVersionCanBeCreatedAndUndone(t *testing.T) {
	t.Parallel()
	s, err := legacy.Stream()
	require.NoError(t, err)
	require.Equal(t, uint64(7), s.Newest())
	for _, version := range s.Versions() {
		require.Equal(t, version, uint64(len(text(t, create(t, version), `select repeat('x', max(version)) from schema_info`))))
	}
	conn := create(t, s.Newest())
	for i := len(s.Files()) - 1; i >= 0; i-- {
		require.NoError(t, postgres.Script(t.Context(), conn, s.Files()[i].Down.SQL))
	}
	require.Equal(t, "0", text(t, conn, `select count(*)::text from pg_class where relnamespace = 'public'::regnamespace`))
	require.ErrorIs(t, legacy.Create(t.Context(), conn, 99), tenant.ErrNotFound)
}

// TestSeedIsTheSameEverywhere holds the digest of one seed: another run, server or machine has to come to it too.
func TestSeedIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	conn := create(t, 7)
	require.NoError(t, legacy.Seed(t.Context(), conn, 1))
	require.Equal(t, "100000 250000 66668", text(t, conn, `select (select count(*) from "Orders") || ' ' || (select count(*) from order_lines) || ' ' || (select count(*) from invoices)`))
	require.Equal(t, "0", text(t, conn, `select count(*)::text from "Orders" where "OrderID" % 50 = 0 and "Total" <> order_total("OrderID")`))
	require.Equal(t, "0", text(t, conn, `select count(*)::text from invoices i join "Orders" on "OrderID" = order_id where amount <> "Total"`))
	require.Equal(t, "7 "+seedDigest, text(t, conn, `select max(version) || ' ' || (select md5(string_agg(md5(o::text || l::text), '' order by line_id))
		from "Orders" o join order_lines l on order_id = "OrderID" where order_id % 20 = 0) from schema_info`))
}

const seedDigest = "6b7d96957c7ced6216823e3968e5e3c0"

func TestTheMonolithWorks(t *testing.T) {
	t.Parallel()
	conn := create(t, 6)
	require.NoError(t, legacy.Seed(t.Context(), conn, 0))
	require.NoError(t, postgres.Script(t.Context(), conn, `
		insert into "Orders" ("CustomerID") values (1);
		insert into order_lines (order_id, line_no, product_id, quantity, unit_price) values (1, 1, 1, 2, 10), (1, 2, 1, 1, 5);
		delete from order_lines where line_no = 2;
		delete from "Orders"`))
	require.Equal(t, "20.00 true", text(t, conn, `select "Total" || ' ' || "Deleted" from "Orders"`))
}
