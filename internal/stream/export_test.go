package stream

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/postgres/lexer"
)

// LockIDs are the advisory locks of a version table.
func LockIDs(t *testing.T, databaseName, schema, table string) []int64 {
	t.Helper()
	texts, err := lockIDs(databaseName, schema, table)
	require.NoError(t, err)
	ids := make([]int64, len(texts))
	for i, text := range texts {
		ids[i], err = strconv.ParseInt(text, 10, 64)
		require.NoError(t, err)
	}
	return ids
}

// Body is what runs of a text in a transaction of ours, and whether a BEGIN and COMMIT around it were blanked out.
func Body(sql string) (body string, unwrapped bool, err error) {
	script, err := analyze(Script{Path: "x.up.sql", SQL: sql})
	_, wrapped := unwrap(lexer.Statements(sql))
	return script.body, wrapped && script.Mode == Transactional, err
}

// Finalized is the statement that ends another one; ConcurrentIndex the index that it builds.
func Finalized(statement string) (finalized, index string) {
	return finalize(statement), concurrentIndex(statement)
}
