package mapping

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
)

// scratchType is a type of the scratch database.
type scratchType struct {
	Schema, Name, Written string
	Kind                  string // pg_type.typtype
	Base                  uint32 // below its domains
	BaseModifier          int32
	Portable              bool // has a binary form that is the same on every server
	Nested                bool // array, composite or range: text in jsonb isn't its own literal
}

const typesSQL = `
	with recursive domain as (
		select oid, oid as base, -1 as typmod, typtype from pg_type
		union all
		select d.oid, t.typbasetype, t.typtypmod, b.typtype
		from domain d join pg_type t on t.oid = d.base and t.typtype = 'd' join pg_type b on b.oid = t.typbasetype
	)
	select t.oid, n.nspname, t.typname, format_type(t.oid, null), t.typtype::text, d.base, d.typmod,
		t.typsend <> 0 and t.typreceive <> 0 and t.typname !~ '^_?reg[a-z]+$' and t.oid < 12000,
		t.typcategory in ('A', 'C')
	from pg_type t
	join pg_namespace n on n.oid = t.typnamespace
	join domain d on d.oid = t.oid and d.typtype <> 'd'`

// readTypes reads every type of the scratch database, names qualified.
func readTypes(ctx context.Context, tx pgx.Tx) (map[uint32]scratchType, error) {
	if _, err := tx.Exec(ctx, "set local search_path = ''"); err != nil {
		return nil, fmt.Errorf("set the search path: %w", err)
	}
	types := map[uint32]scratchType{}
	var oid uint32
	var t scratchType
	err := postgres.Each(ctx, tx, typesSQL, nil, []any{&oid, &t.Schema, &t.Name, &t.Written, &t.Kind, &t.Base, &t.BaseModifier, &t.Portable, &t.Nested}, func() error {
		types[oid] = t
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the types of the scratch database: %w", err)
	}
	return types, nil
}

// typeOf is a type of the scratch database below its domains.
func (j *judge) typeOf(oid uint32, modifier int32) BaseType {
	t := j.types[oid]
	if t.Kind == "d" {
		oid, modifier = t.Base, t.BaseModifier
		t = j.types[oid]
	}
	return BaseType{OID: oid, Schema: t.Schema, Name: t.Name, Modifier: modifier, Written: t.Written}
}
