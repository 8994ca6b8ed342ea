package inspect_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// connect opens a session that is closed when t ends.
func connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := postgres.Connect(ctx, dsn, postgres.Options{Application: "inspect"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(context.Background())) })
	return conn
}

// database makes a database that holds what the statements create, and returns a session of its owner, a superuser.
func database(t testing.TB, statements ...string) *pgx.Conn {
	t.Helper()
	conn := connect(t, localtest.Database(t))
	run(t, conn, statements...)
	return conn
}

// as opens a session of another role, whose password is "secret", in the same database.
func as(t testing.TB, conn *pgx.Conn, role string) *pgx.Conn {
	t.Helper()
	return connect(t, localtest.Server(t).DSNAs(role, "secret", conn.Config().Database))
}

// run sends each text as a script.
func run(t testing.TB, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		require.NoError(t, postgres.Script(context.Background(), conn, sql), sql)
	}
}

func read(t testing.TB, conn *pgx.Conn) *inspect.Catalog {
	t.Helper()
	catalog, err := inspect.Read(t.Context(), conn)
	require.NoError(t, err)
	return catalog
}

// table finds a table of the catalog by the name that people write.
func table(t testing.TB, catalog *inspect.Catalog, name string) inspect.Table {
	t.Helper()
	for _, table := range catalog.Tables {
		if table.String() == name {
			return table
		}
	}
	require.Fail(t, "no table "+name)
	return inspect.Table{}
}

// column finds a table's column.
func column(t testing.TB, table inspect.Table, name string) inspect.Column {
	t.Helper()
	for _, column := range table.Columns {
		if column.Name == name {
			return column
		}
	}
	require.Fail(t, "no column "+name)
	return inspect.Column{}
}
