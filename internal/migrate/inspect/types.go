package inspect

import (
	"context"
	_ "embed"

	"github.com/jackc/pgx/v5"
)

//go:embed sql/types.sql
var typesSQL string

// Kinds of types: pg_type.typtype, and "a" for arrays of any length, which it doesn't tell from base types.
const (
	arrayType     = "a"
	compositeType = "c"
)

// firstInitdbOID is the first OID that isn't written down in PostgreSQL's sources: types below it have the same on every
// server and in every version.
const firstInitdbOID = 10000

// firstUserOID is the first OID that no object of a new database has.
const firstUserOID = 16384

// typeRow is a type that a column has or that such a type is made of.
type typeRow struct {
	OID    uint32
	Kind   string
	Binary bool     // has send and receive functions
	Reg    bool     // regclass and its kind
	Parts  []uint32 // element, base, subtype or attributes
}

type typeGraph map[uint32]typeRow

func readTypes(ctx context.Context, tx pgx.Tx) (typeGraph, error) {
	rows, err := collect(ctx, tx, pgx.RowToStructByName[typeRow], typesSQL)
	if err != nil {
		return nil, err
	}
	types := make(typeGraph, len(rows))
	for _, row := range rows {
		types[row.OID] = row
	}
	return types, nil
}

// portable tells that values of a type have the same binary form on every server. An array's form names its element type
// by OID and a composite's those of its attributes: only built-in ones are the same everywhere. Domains, ranges and
// multiranges name no type, an enum is its label. The system's own row types differ by version.
func (g typeGraph) portable(oid uint32) bool {
	t, known := g[oid]
	if !known || !t.Binary || t.Reg || (t.Kind == compositeType && oid < firstUserOID) {
		return false
	}
	for _, part := range t.Parts {
		if (t.Kind == arrayType || t.Kind == compositeType) && part >= firstInitdbOID {
			return false
		}
		if !g.portable(part) {
			return false
		}
	}
	return true
}

// holdsReg tells a type whose text names objects, in itself or in a part.
func (g typeGraph) holdsReg(oid uint32) bool {
	t := g[oid]
	if t.Reg {
		return true
	}
	for _, part := range t.Parts {
		if g.holdsReg(part) {
			return true
		}
	}
	return false
}
