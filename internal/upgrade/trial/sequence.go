package trial

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"tenantctl/internal/postgres"
)

// sequences are the values of the tenant's sequences; nil for one that was never used, or that the session may not read.
func (s *session) sequences(ctx context.Context) (map[string]*int64, error) {
	found := map[string]*int64{}
	var name string
	var value *int64
	err := postgres.Each(ctx, s.conn, `select sequencename::text, last_value from pg_catalog.pg_sequences where schemaname = $1`, []any{s.member.Schema},
		[]any{&name, &value}, func() error {
			found[name] = value
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("read sequences: %w", err)
	}
	return found, nil
}

func moved(before, after map[string]*int64) []Sequence {
	var found []Sequence
	for _, name := range slices.Sorted(maps.Keys(after)) {
		was, is := before[name], after[name]
		if (was == nil) != (is == nil) || was != nil && *was != *is {
			found = append(found, Sequence{Name: name, Before: was, After: is})
		}
	}
	return found
}
