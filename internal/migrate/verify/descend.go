package verify

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sort"
	"strings"

	"github.com/zeebo/xxh3"

	"tenantctl/internal/migrate/copy"
	"tenantctl/internal/postgres"
)

// Differences names rows that one side has and the other hasn't, or has otherwise.
type Differences struct {
	Missing []string `json:"missing,omitempty"` // on the target
	Extra   []string `json:"extra,omitempty"`   // on the target
	Changed []string `json:"changed,omitempty"`
	// Counts are whole where the lists are cut.
	MissingCount int64 `json:"missingCount"`
	ExtraCount   int64 `json:"extraCount"`
	ChangedCount int64 `json:"changedCount"`
}

const (
	buckets   = 1 << 14
	nameLimit = 20
	// heldRows bounds the memory of the second pass; beyond it only counts by bucket are told.
	heldRows = 1 << 20
)

// bucketed is a sum for each bucket of keys.
type bucketed [buckets]copy.Sum

// Descend finds out which rows of one target differ. It reads both sides twice: once to sum rows by buckets of their keys,
// once to list the rows of the buckets that differ.
func Descend(ctx context.Context, source, target copy.Dial, tables []copy.Table, seed uint64) (*Differences, error) {
	var sent, held bucketed
	if err := eachKeyed(ctx, source, tables, sourceSide, sent.add(seed)); err != nil {
		return nil, err
	}
	if err := eachKeyed(ctx, target, tables[:1], targetSide, held.add(seed)); err != nil {
		return nil, err
	}
	var differ [buckets]bool
	for i := range sent {
		differ[i] = !sent[i].Same(held[i])
	}
	sentRows, heldRowsByKey := map[string]copy.Sum{}, map[string]copy.Sum{}
	if err := eachKeyed(ctx, source, tables, sourceSide, collect(sentRows, &differ, seed)); err != nil {
		return nil, err
	}
	if err := eachKeyed(ctx, target, tables[:1], targetSide, collect(heldRowsByKey, &differ, seed)); err != nil {
		return nil, err
	}
	return difference(sentRows, heldRowsByKey), nil
}

func bucketOf(key []byte) int { return int(xxh3.Hash(key) % buckets) } //nolint:gosec // below buckets

func (b *bucketed) add(seed uint64) func(key, row []byte) {
	return func(key, row []byte) { b[bucketOf(key)].Add(row, seed) }
}

func collect(rows map[string]copy.Sum, wanted *[buckets]bool, seed uint64) func(key, row []byte) {
	return func(key, row []byte) {
		if !wanted[bucketOf(key)] || len(rows) >= heldRows {
			return
		}
		sum := rows[string(key)]
		sum.Add(row, seed)
		rows[string(key)] = sum
	}
}

func difference(sent, held map[string]copy.Sum) *Differences {
	var d Differences
	note := func(list *[]string, count *int64, key string) {
		*count++
		if len(*list) < nameLimit {
			*list = append(*list, key)
		}
	}
	for _, key := range sorted(sent) {
		other, there := held[key]
		switch {
		case !there:
			note(&d.Missing, &d.MissingCount, key)
		case !other.Same(sent[key]):
			note(&d.Changed, &d.ChangedCount, key)
		}
	}
	for _, key := range sorted(held) {
		if _, there := sent[key]; !there {
			note(&d.Extra, &d.ExtraCount, key)
		}
	}
	return &d
}

func sorted(rows map[string]copy.Sum) []string {
	keys := make([]string, 0, len(rows))
	for key := range rows {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

// eachKeyed reads rows with their key, as text, before them.
func eachKeyed(ctx context.Context, dial copy.Dial, tables []copy.Table, from side, each func(key, row []byte)) error {
	conn, err := dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, t := range tables {
		keyed := t
		keyed.Columns = append([]copy.Column{{Target: keyColumn, Expr: keyExpr(t, from)}}, t.Columns...)
		query := keyed.SelectSQL(copy.Chunk{})
		if from == targetSide {
			query = strings.Replace(keyed.ReadSQL(copy.Chunk{}), postgres.Ident(keyColumn), keyExpr(t, from), 1)
		}
		rows := &copy.Rows{Format: t.Format, Columns: len(keyed.Columns), Each: func(row []byte) error {
			key, rest, err := split(row, t.Format)
			if err == nil {
				each(key, rest)
			}
			return err
		}}
		if _, err := conn.PgConn().CopyTo(ctx, rows, t.CopyOut(query)); err != nil {
			return fmt.Errorf("read %s with its keys: %w", t.Name, err)
		}
	}
	return nil
}

const keyColumn = "tenantctl_key"

// keyExpr is a row's key as text, the same on both sides: its key columns, or the row itself where it has none.
func keyExpr(t copy.Table, from side) string {
	var parts []string
	for _, column := range t.Columns {
		expr := postgres.Ident(column.Target)
		if from == sourceSide {
			expr = column.Expr
		}
		for _, key := range t.Key {
			if key == column.Target {
				parts = append(parts, postgres.Literal(key+"=")+" || coalesce(("+expr+")::text, 'null')")
			}
		}
		if len(t.Key) == 0 {
			parts = append(parts, "coalesce(("+expr+")::text, 'null')")
		}
	}
	if len(parts) == 0 {
		return "'a row without columns'::text"
	}
	return "(left(" + strings.Join(parts, " || ' ' || ") + ", 300))::text"
}

// split takes the key off a row.
func split(row []byte, format copy.Format) (key, rest []byte, err error) {
	if format == copy.Text {
		key, rest, found := bytes.Cut(row, []byte("\t"))
		if !found {
			return bytes.TrimSuffix(row, []byte("\n")), nil, nil
		}
		return key, rest, nil
	}
	const counts = 2 + 4
	if len(row) < counts {
		return nil, nil, fmt.Errorf("row of %d bytes has no key", len(row))
	}
	length := int(binary.BigEndian.Uint32(row[2:]))
	if len(row) < counts+length {
		return nil, nil, fmt.Errorf("key of a row is cut")
	}
	return row[counts : counts+length], row[counts+length:], nil
}
