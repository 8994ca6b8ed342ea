package postgres_test

import (
	"errors"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
)

func files(bodies map[string]string) fstest.MapFS {
	all := fstest.MapFS{}
	for name, body := range bodies {
		all[name] = &fstest.MapFile{Data: []byte(body)}
	}
	return all
}

func TestMigrateSchema(t *testing.T) {
	t.Parallel()
	ctx, dsn := t.Context(), localtest.Database(t)
	conn := connect(t, dsn, postgres.Options{})
	const schema = `own "records"`
	first := map[string]string{
		"001_a.sql": `create table "own ""records""".a (id int); insert into "own ""records""".a values (1)`,
		"README.md": `not SQL`,
	}
	names, pending, err := postgres.PendingFiles(ctx, conn, schema, files(first))
	require.NoError(t, err)
	require.Equal(t, []string{"001_a.sql"}, names)
	require.Equal(t, names, pending)
	for range 2 {
		require.NoError(t, postgres.MigrateSchema(ctx, conn, schema, files(first)))
	}

	// A file that fails takes those before it along, and leaves the schema as it was.
	broken := map[string]string{
		"001_a.sql": "", "002_b.sql": `create table "own ""records""".b (id int)`, "003_c.sql": `create table "own ""records""".b (id int)`,
	}
	err = postgres.MigrateSchema(ctx, conn, schema, files(broken))
	require.ErrorContains(t, err, "with 003_c.sql")
	_, pending, err = postgres.PendingFiles(ctx, conn, schema, files(broken))
	require.NoError(t, err)
	require.Equal(t, []string{"002_b.sql", "003_c.sql"}, pending)

	broken["003_c.sql"] = `alter table "own ""records""".b add name text`
	require.NoError(t, postgres.MigrateSchema(ctx, conn, schema, files(broken)))
	// An older program, with fewer files, is content.
	require.NoError(t, postgres.MigrateSchema(ctx, conn, schema, files(first)))
	var rows int
	require.NoError(t, conn.QueryRow(ctx, `select count(*) from "own ""records""".a`).Scan(&rows))
	require.Equal(t, 1, rows, "the first file ran more than once")
}

func TestMigrateSchemaFromManySides(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	all := files(map[string]string{"001_a.sql": `create table own.a (id int)`, "002_b.sql": `insert into own.a values (1)`})
	errs := make([]error, 8)
	var group sync.WaitGroup
	for i := range errs {
		conn := connect(t, dsn, postgres.Options{})
		group.Go(func() { errs[i] = postgres.MigrateSchema(t.Context(), conn, "own", all) })
	}
	group.Wait()
	require.NoError(t, errors.Join(errs...))
	var rows int
	require.NoError(t, connect(t, dsn, postgres.Options{}).QueryRow(t.Context(), `select count(*) from own.a`).Scan(&rows))
	require.Equal(t, 1, rows)
}
