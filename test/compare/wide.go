package compare

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/postgres"
)

// DatabaseWide lists what belongs to a whole database rather than to one of its schemas: schemas, extensions, casts, event
// triggers, publications, servers, languages, default privileges, settings. Compare two lists with Added.
func DatabaseWide(t testing.TB, conn *pgx.Conn) []string {
	t.Helper()
	return listed(t, conn, "wide")
}

// Privileged lists what in a tenant's schemas, given by their names on the instance, gives its users rights that aren't theirs.
func Privileged(t testing.TB, conn *pgx.Conn, schemas []string) []string {
	t.Helper()
	return listed(t, conn, "privileged", schemas)
}

// Added are the lines that only the second list has.
func Added(before, after []string) []string {
	had := map[string]bool{}
	for _, line := range before {
		had[line] = true
	}
	var added []string
	for _, line := range after {
		if !had[line] {
			added = append(added, line)
		}
	}
	return added
}

func listed(t testing.TB, conn *pgx.Conn, name string, args ...any) []string {
	t.Helper()
	text, err := query(name)
	require.NoError(t, err)
	tx, err := conn.BeginTx(t.Context(), pgx.TxOptions{AccessMode: pgx.ReadOnly})
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	require.NoError(t, postgres.Script(t.Context(), tx, `set local search_path = ''`))
	found, err := tx.Query(t.Context(), text, args...)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(found, pgx.RowTo[string])
	require.NoError(t, err)
	return lines
}
