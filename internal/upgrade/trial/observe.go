package trial

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
)

//go:embed sql/observed.sql
var observedSQL string

//go:embed sql/relations.sql
var relationsSQL string

// observed is what the transaction holds of one relation.
type observed struct {
	OID      int64
	Mode     string
	Filenode int64
	Scans    int64
}

// relation is a table that is there outside the transaction.
type relation struct {
	OID      int64
	Schema   string
	Name     string
	Kind     string
	Filenode int64
	Rows     int64
	Bytes    int64
}

// observer compares what the transaction holds after each statement. What was there before the transaction is only known after
// it: until then numbers stand for tables.
type observer struct {
	held      map[int64]string // the strongest lock on each relation so far
	filenodes map[int64]int64
	scans     map[int64]int64
	marks     map[*Statement][]mark
	files     map[*Statement]map[int64]string // what earlier files held when the statement ran
	earlier   map[int64]string
}

// mark is what one statement did to one relation.
type mark struct {
	oid       int64
	mode      string // of the strongest lock that is held after it
	stronger  bool   // than what was held before it
	filenode  int64  // after it
	previous  int64  // before it; 0 not known
	scanned   bool
	truncates bool
}

func newObserver() observer {
	return observer{
		held: map[int64]string{}, filenodes: map[int64]int64{}, scans: map[int64]int64{},
		marks: map[*Statement][]mark{}, files: map[*Statement]map[int64]string{},
	}
}

// next begins a file: what was locked until now was locked by earlier ones.
func (o *observer) next() { o.earlier = maps.Clone(o.held) }

// look reads what a statement changed.
func (o *observer) look(ctx context.Context, conn *pgx.Conn, statement *Statement) error {
	rows, err := conn.Query(ctx, observedSQL)
	if err != nil {
		return fmt.Errorf("look at the locks: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[observed])
	if err != nil {
		return fmt.Errorf("look at the locks: %w", err)
	}
	truncates := len(statement.SQL) >= len("truncate") && strings.EqualFold(statement.SQL[:len("truncate")], "truncate")
	o.files[statement] = o.earlier
	for oid, got := range strongest(all) {
		m := mark{oid: oid, filenode: got.Filenode, previous: o.filenodes[oid], scanned: got.Scans > o.scans[oid], truncates: truncates}
		if m.stronger = strength(got.Mode) > strength(o.held[oid]); m.stronger {
			o.held[oid] = got.Mode
		}
		m.mode = o.held[oid]
		if m.stronger || m.scanned || m.previous != m.filenode {
			o.marks[statement] = append(o.marks[statement], m)
		}
		o.filenodes[oid], o.scans[oid] = got.Filenode, got.Scans
	}
	return nil
}

// strongest keeps one observation of each relation.
func strongest(all []observed) map[int64]observed {
	found := map[int64]observed{}
	for _, one := range all {
		if strength(one.Mode) > strength(found[one.OID].Mode) {
			found[one.OID] = one
		}
	}
	return found
}

// strength orders lock modes; "" is none.
func strength(mode string) int {
	return slices.Index([]string{
		"", "AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock",
		"ExclusiveLock", "AccessExclusiveLock",
	}, mode)
}

// resolve gives the files' statements their locks, after the transaction: on what is there still, which is what was there before.
func (o *observer) resolve(ctx context.Context, db postgres.Querier, files []File) error {
	rows, err := db.Query(ctx, relationsSQL, slices.Collect(maps.Keys(o.held)))
	if err != nil {
		return fmt.Errorf("look what was locked: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[relation])
	if err != nil {
		return fmt.Errorf("look what was locked: %w", err)
	}
	there := map[int64]relation{}
	for _, r := range found {
		there[r.OID] = r
	}
	for i := range files {
		for j := range files[i].Statements {
			statement := &files[i].Statements[j]
			statement.Locks = o.locks(statement, there)
		}
		files[i].Locks = summed(files[i].Statements)
	}
	return nil
}

// locks are what a statement did to tables that are there.
func (o *observer) locks(statement *Statement, there map[int64]relation) []Lock {
	byTable := map[int64]Lock{}
	for _, m := range o.marks[statement] {
		r, exists := there[m.oid]
		if !exists {
			continue
		}
		before := m.previous
		if before == 0 {
			before = r.Filenode
		}
		lock := r.lock(m.mode)
		lock.Rewritten = m.filenode != 0 && m.filenode != before && !m.truncates && (r.Kind == "r" || r.Kind == "m")
		lock.Scanned = m.scanned && !lock.Rewritten
		lock.Held = o.files[statement][m.oid] == m.mode
		if m.stronger || lock.Rewritten || lock.Scanned {
			byTable[m.oid] = lock
		}
	}
	words := names(statement.SQL)
	for oid, mode := range o.files[statement] {
		r, exists := there[oid]
		if _, marked := byTable[oid]; exists && !marked && words[r.Name] {
			held := r.lock(mode)
			held.Held = true
			byTable[oid] = held
		}
	}
	return sorted(slices.Collect(maps.Values(byTable)))
}

func (r relation) lock(mode string) Lock {
	return Lock{Schema: r.Schema, Table: r.Name, Mode: mode, Bytes: r.Bytes, Rows: r.Rows}
}

// summed is the strongest that statements did to each table.
func summed(statements []Statement) []Lock {
	byTable := map[[2]string]Lock{}
	for _, statement := range statements {
		for _, lock := range statement.Locks {
			key := [2]string{lock.Schema, lock.Table}
			sum, known := byTable[key]
			if !known || strength(lock.Mode) > strength(sum.Mode) {
				lock.Rewritten, lock.Scanned = lock.Rewritten || sum.Rewritten, lock.Scanned || sum.Scanned
				byTable[key] = lock
				continue
			}
			sum.Rewritten, sum.Scanned = sum.Rewritten || lock.Rewritten, sum.Scanned || lock.Scanned
			byTable[key] = sum
		}
	}
	return sorted(slices.Collect(maps.Values(byTable)))
}

// sorted are locks, the strongest first.
func sorted(locks []Lock) []Lock {
	slices.SortFunc(locks, func(a, b Lock) int {
		if a.Mode != b.Mode {
			return strength(b.Mode) - strength(a.Mode)
		}
		return strings.Compare(a.Schema+"."+a.Table, b.Schema+"."+b.Table)
	})
	return locks
}
