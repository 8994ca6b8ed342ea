package stream

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
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
