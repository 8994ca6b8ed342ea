package lint

import (
	"regexp"
	"strings"

	"tenantctl/internal/lint/parse"
	"tenantctl/internal/postgres"
)

var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_$]*$`)

// reserved are the keywords that can't name a table or column without quotes.
const reserved = ` all analyze and any array as asc asymmetric authorization binary both case cast check collate collation column
 concurrently constraint create cross current_catalog current_date current_role current_schema current_time current_timestamp
 current_user default deferrable desc distinct do else end except false fetch for foreign freeze from full grant group having ilike in
 initially inner intersect into is isnull join lateral leading left like limit localtime localtimestamp natural not notnull null offset on
 only or order outer overlaps placing primary references returning right select session_user similar some symmetric system_user table
 tablesample then to trailing true union unique user using variadic verbose when where window with `

// ident writes a name with quotes only where it needs them.
func ident(name string) string {
	if plainName.MatchString(name) && !strings.Contains(strings.ReplaceAll(reserved, "\n", ""), " "+name+" ") {
		return name
	}
	return postgres.Ident(name)
}

// idents writes names with commas between them.
func idents(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = ident(name)
	}
	return strings.Join(quoted, ", ")
}

// relation writes the name of a relation.
func relation(r parse.RangeVar) string {
	if r.Schema == "" {
		return ident(r.Name)
	}
	return ident(r.Schema) + "." + ident(r.Name)
}

const maxName = 63

// nameOf makes the name that PostgreSQL would give a constraint or index: orders_customer_id_fkey.
func nameOf(table string, columns []string, suffix string) string {
	name := strings.Join(append([]string{table}, columns...), "_")
	if over := len(name) + 1 + len(suffix) - maxName; over > 0 && over < len(name) {
		name = strings.ToValidUTF8(name[:len(name)-over], "")
	}
	return name + "_" + suffix
}

// relationKey writes the name behind a relation's key.
func relationKey(key string) string {
	if schema, name, found := strings.Cut(key, "."); found {
		return relation(parse.RangeVar{Schema: schema, Name: name})
	}
	return ident(key)
}

// lastPart is a key without its schema.
func lastPart(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }
