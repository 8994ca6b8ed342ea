package ddl

import (
	"context"
	"fmt"
	"strings"

	"tenantctl/internal/postgres"
)

// Sequence is where a sequence stands.
type Sequence struct {
	Schema, Name string
	Last         int64
	Called       bool
}

// ReadSequences reads where sequences stand now.
func ReadSequences(ctx context.Context, db postgres.Querier, names []Sequence) ([]Sequence, error) {
	read := make([]Sequence, 0, len(names))
	for _, part := range parts(names, batch) {
		selects := make([]string, len(part))
		for i, s := range part {
			selects[i] = fmt.Sprintf("select %d::int as at, last_value, is_called from %s", i, postgres.Ident(s.Schema, s.Name))
		}
		var at int
		var last int64
		var called bool
		err := postgres.Each(ctx, db, strings.Join(selects, " union all "), nil, []any{&at, &last, &called}, func() error {
			read = append(read, Sequence{part[at].Schema, part[at].Name, last, called})
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read sequences: %w", err)
		}
	}
	return read, nil
}

// SetSequences makes sequences stand where they are told to.
func SetSequences(ctx context.Context, db postgres.Querier, sequences []Sequence) error {
	for _, part := range parts(sequences, batch) {
		calls := make([]string, len(part))
		for i, s := range part {
			calls[i] = fmt.Sprintf("setval(%s, %d, %t)", postgres.Literal(postgres.Ident(s.Schema, s.Name)), s.Last, s.Called)
		}
		if _, err := db.Exec(ctx, "select "+strings.Join(calls, ", ")); err != nil {
			return fmt.Errorf("set sequences: %w", err)
		}
	}
	return nil
}

func parts[T any](list []T, size int) [][]T {
	var divided [][]T
	for len(list) > size {
		divided, list = append(divided, list[:size]), list[size:]
	}
	if len(list) > 0 {
		divided = append(divided, list)
	}
	return divided
}
