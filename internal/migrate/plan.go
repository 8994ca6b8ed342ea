package migrate

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strings"
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
	Regenerate  []copy.Target     `json:"regenerate,omitempty"` // tables whose generated columns may read other tables
	Last        []copy.Target     `json:"last,omitempty"`       // tables whose checks or generated columns may, so that those are filled first
	Stripped    *ddl.Stripped     `json:"stripped,omitempty"`   // off the mapped tables until their rows are in
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
	Tables   []string           `json:"tables"`   // of the tenant's schema, that rows go to
	Counters []mapping.Sequence `json:"counters"` // whose sequence goes on behind the highest value
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
		Name:   t.String(),
		Source: copy.Source{OID: t.OID, Schema: t.Schema, Name: t.Name, Pages: t.Pages, Bytes: t.Bytes, Rows: int64(max(t.Rows, 0)), Filenode: t.Filenode},
		Target: copy.Target{Schema: renaming.Schemas[t.Schema], Name: t.Name},
		Format: copy.Binary,
		Key:    t.Key,
	}
	for _, column := range t.Columns {
		if !column.Portable { // a generated column counts too: a binary COPY looks up how to receive each type of the table
			way.Format = copy.Text
		}
		carried := copy.Column{Target: column.Name, Expr: liftExpr(column, renaming)}
		if !column.Generated {
			way.Columns = append(way.Columns, carried)
			continue
		}
		way.Generated = append(way.Generated, carried)
		if slices.Contains(way.Key, column.Name) {
			way.Key = nil // it isn't among what is copied, so it can't tell copied rows apart
		}
	}
	return way
}

// liftExpr is a column as it is. Only a value that names an object changes: where its text begins with a legacy schema, because
// another schema of the path hides the object, it begins with the tenant's.
func liftExpr(column inspect.Column, renaming lift.Renaming) string {
	name := postgres.Ident(column.Name)
	if !column.Reg {
		return name
	}
	var cases strings.Builder
	for _, legacy := range sortedKeys(renaming.Schemas) {
		was, becomes := postgres.Literal(quotedAsText(legacy)), postgres.Literal(quotedAsText(renaming.Schemas[legacy]))
		if column.Type == "regnamespace" {
			fmt.Fprintf(&cases, " when %s::text = %s then %s", name, was, becomes)
			continue
		}
		fmt.Fprintf(&cases, " when starts_with(%[1]s::text, %[2]s || '.') then %[3]s || right(%[1]s::text, -length(%[2]s))", name, was, becomes)
	}
	return "case" + cases.String() + " else " + name + "::text end"
}

var needsNoQuotes = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// quotedAsText is a schema's name as PostgreSQL writes it within a value.
func quotedAsText(schema string) string {
	if needsNoQuotes.MatchString(schema) {
		return schema
	}
	return postgres.Ident(schema)
}
