package verify

import (
	"slices"

	"tenantctl/internal/migrate/copy"
)

// Generated are the ways of reading that prove stored generated columns, which no copy carries: each row's key beside them, or the whole
// row where it has none. The rows themselves are proven without these columns.
func Generated(tables []copy.Table) []copy.Table {
	var ways []copy.Table
	for _, t := range tables {
		if len(t.Generated) == 0 {
			continue
		}
		var columns []copy.Column
		for _, column := range t.Columns {
			if len(t.Key) == 0 || slices.Contains(t.Key, column.Target) {
				columns = append(columns, column)
			}
		}
		t.Columns = append(columns, t.Generated...)
		ways = append(ways, t)
	}
	return ways
}
