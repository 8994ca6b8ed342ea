package migrate

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"tenantctl/internal/migrate/copy"
	"tenantctl/internal/migrate/ddl"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/migrate/lift"
	"tenantctl/internal/migrate/mapping"
	"tenantctl/internal/postgres"
)

// Plan is everything that a move decided before it touched anything. It is kept with the operation, so that every run of the
// move does the same.
type Plan struct {
	Seed        uint64            `json:"seed,string"`     // of the row hashes
	Schemas     []string          `json:"schemas"`         // of the tenant, the main one first
	Owner       string            `json:"owner,omitempty"` // role that owns what is lifted, once provisioned
	Path        []string          `json:"path"`            // the tenant's search path
	SourcePath  []string          `json:"sourcePath"`      // under which legacy rows are read
	RowPath     []string          `json:"rowPath"`         // under which the tenant's are written and read back
	Fingerprint string            `json:"fingerprint"`     // of the legacy catalog
	Version     int               `json:"version"`         // of the legacy server, as a number
	TargetNum   int               `json:"targetVersion"`
	ChunkBytes  int64             `json:"chunkBytes"`
	Tables      []copy.Table      `json:"tables"`
	Extensions  map[string]string `json:"extensions,omitempty"`
	Pre         []ddl.Statement   `json:"pre,omitempty"`
	Post        []ddl.Statement   `json:"post,omitempty"`
	Stripped    *ddl.Stripped     `json:"stripped,omitempty"` // off the mapped tables until their rows are in
	Refresh     []string          `json:"refresh,omitempty"`
	Sequences   []SequencePair    `json:"sequences,omitempty"`
	Mapped      *Mapped           `json:"mapped,omitempty"` // nil: a whole lift
	Findings    []inspect.Finding `json:"findings,omitempty"`
	Rewrites    []lift.Rewrite    `json:"rewrites,omitempty"`
	Estimate    time.Duration     `json:"estimate"`
}

// SequencePair is a legacy sequence and the tenant's.
type SequencePair struct {
	Source, Target ddl.Sequence
}

// Mapped is what a mapping adds to a plan.
type Mapped struct {
	Lifted   []copy.Target      `json:"lifted,omitempty"` // a client's own tables, carried beside the mapped ones
	Tables   []string           `json:"tables"`           // of the tenant's schema, that rows go to
	Counters []mapping.Sequence `json:"counters"`         // whose sequence goes on behind the highest value
	Ignored  []Left             `json:"ignored,omitempty"`
	Filtered []Left             `json:"filtered,omitempty"`
	OneWay   []string           `json:"oneWay,omitempty"` // legacy columns that the platform's rows can't give back
}

// Left is something that stays behind on purpose.
type Left struct {
	Object string `json:"object"`
	Reason string `json:"reason"`
	Rows   int64  `json:"rows,omitempty"`
}

func newSeed() (uint64, error) {
	var seed [8]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return 0, fmt.Errorf("draw a seed: %w", err)
	}
	return binary.LittleEndian.Uint64(seed[:]), nil
}

// liftTables turns the tables of a catalog that are carried as they are into ways of copying.
func liftTables(catalog *inspect.Catalog, renaming lift.Renaming, selected func(schema, name string) bool) []copy.Table {
	var tables []copy.Table
	for _, t := range catalog.Tables {
		if t.Kind != inspect.Ordinary || (selected != nil && !selected(t.Schema, t.Name)) {
			continue
		}
		tables = append(tables, liftTable(t, renaming))
	}
	return tables
}

func liftTable(t inspect.Table, renaming lift.Renaming) copy.Table {
	way := copy.Table{
		Name:   t.Relation.String(),
		Source: copy.Source{OID: t.OID, Schema: t.Schema, Name: t.Name, Pages: t.Pages, Bytes: t.Bytes, Rows: int64(max(t.Rows, 0)), Filenode: t.Filenode},
		Target: copy.Target{Schema: renaming.Schemas[t.Schema], Name: t.Name},
		Format: copy.Binary,
		Key:    t.Key,
	}
	for _, column := range t.Columns {
		if column.Generated {
			continue
		}
		if !column.Portable {
			way.Format = copy.Text
		}
		way.Columns = append(way.Columns, copy.Column{Target: column.Name, Expr: postgres.Ident(column.Name)})
	}
	return way
}
