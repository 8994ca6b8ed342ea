package compare

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sort"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// Fingerprint is a hash of everything in a schema: catalog, owners, rights, sequences and rows. A neighbour's must be the same
// before and after whatever is done to a tenant.
func Fingerprint(t testing.TB, conn *pgx.Conn, schema string) string {
	t.Helper()
	hash := sha256.New()
	for _, line := range Contents(t, conn, schema) {
		_, _ = fmt.Fprintln(hash, line) // a hash doesn't fail
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// Contents are the lines that Fingerprint hashes: compare them to see what changed.
func Contents(t testing.TB, conn *pgx.Conn, schema string) []string {
	t.Helper()
	state, err := read(t.Context(), conn, tenant, map[string]string{schema: schema})
	require.NoError(t, err, "read schema %q", schema)
	var lines []string
	for object, facts := range state.facts {
		for property, fact := range facts {
			lines = append(lines, fmt.Sprintf("%s: %s: %s", object, property, fact.value))
		}
	}
	for name, rows := range state.rows {
		lines = append(lines, fmt.Sprintf("rows of %s: %d, %s", name, rows.count, rows.hash))
	}
	text, err := query("right")
	require.NoError(t, err)
	found, err := conn.Query(t.Context(), text, schema)
	require.NoError(t, err)
	rights, err := pgx.CollectRows(found, pgx.RowTo[string])
	require.NoError(t, err)
	lines = append(lines, rights...)
	sort.Strings(lines)
	return lines
}
