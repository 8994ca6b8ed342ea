package mapping

import (
	"context"
	"strings"

	"tenantctl/internal/postgres"
)

// extraPart is one key of the target's jsonb column.
type extraPart struct {
	entry Column
	sql   string // its value
	plain string
	from  BaseType
	uses  []string
}

// extraPart compiles one extra.NAME. jsonb_build_object counts as mutable since settings decide how it writes times, so
// each value is proven on its own; the settings are pinned.
func (c *compiler) extraPart(ctx context.Context, w *way, rel relation, entry Column) ([]extraPart, error) {
	compiled, err := c.judge.compile(ctx, rel, entry.SQL, BaseType{}, unassigned)
	if err != nil {
		return nil, c.faulty(err, w, entry.Place, w.object(entry), entry.key(), entry.SQL)
	}
	part := extraPart{entry: entry, sql: compiled.raw, plain: plainColumn(entry.SQL, w.from), from: compiled.from, uses: compiled.uses}
	if !part.from.builtin() && !c.judge.types[part.from.OID].Nested {
		part.sql = "(" + part.sql + ")::text"
	}
	return []extraPart{part}, nil
}

// mostPairs is how many keys one call of jsonb_build_object takes: a function has at most 100 arguments.
const mostPairs = 50

// gather makes one jsonb object of all keys.
func gather(column *TargetColumn, parts []extraPart) fill {
	made := fill{column: column, object: true}
	var objects, pairs []string
	for _, part := range parts {
		pairs = append(pairs, postgres.Literal(part.entry.Extra)+", "+part.sql)
		made.uses = append(made.uses, part.uses...)
		if len(pairs) == mostPairs {
			objects, pairs = append(objects, "jsonb_build_object("+strings.Join(pairs, ", ")+")"), nil
		}
	}
	if len(pairs) > 0 {
		objects = append(objects, "jsonb_build_object("+strings.Join(pairs, ", ")+")")
	}
	made.sql = strings.Join(objects, " || ")
	made.raw, made.from, made.entry = made.sql, column.Base, Column{Target: extraColumn, Place: parts[0].entry.Place, SQL: made.sql}
	return made
}

// back is the inverse of one key: its text read as the legacy column's type. It is "" for values that JSON writes in another
// way than SQL reads them: arrays and rows.
func (p extraPart) back(nested bool) string {
	key := postgres.Literal(p.entry.Extra)
	switch {
	case nested:
		return ""
	case p.from.Name == "jsonb" || p.from.Name == "json":
		return "nullif(" + extraColumn + " -> " + key + ", 'null')"
	}
	return extraColumn + " ->> " + key
}
