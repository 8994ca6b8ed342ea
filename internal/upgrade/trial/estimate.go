package trial

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"time"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

// Estimate is about how long a cohort takes, for the files that were tried. What a rollout does beside the files isn't in it.
type Estimate struct {
	Work    time.Duration `json:"work"` // of all tenants, one after the other
	Wall    time.Duration `json:"wall"` // as many at once on each instance as a rollout has
	Longest time.Duration `json:"longest"`
	Tenant  tenant.Name   `json:"tenant"` // that takes longest
	// Untried are files that the estimate leaves out.
	Untried []string `json:"untried,omitempty"`
	// Assumed tells that the trial's tables were too small to tell a rate: AssumedRewrite and AssumedScan were taken.
	Assumed bool `json:"assumed,omitempty"`
}

// The rates that are assumed where a trial's table has less than measurable bytes, in bytes of a table with its indexes a second.
const (
	AssumedRewrite = 32 << 20
	AssumedScan    = 256 << 20
	measurable     = 1 << 20
)

//go:embed sql/tables.sql
var tablesSQL string

// share is a part of the time: one statement, with the tables that it grows with.
type share struct {
	elapsed time.Duration
	tables  []string
	bytes   int64 // of these tables in the trial
	rate    float64
}

func (t *trial) estimate(ctx context.Context, report Report) (Estimate, error) {
	var e Estimate
	var shares []share
	tables := map[string]bool{}
	for _, file := range report.Files {
		if file.Result != Passed {
			e.Untried = append(e.Untried, file.Path)
			continue
		}
		for _, statement := range file.Statements {
			part := shareOf(statement, report.Tried.Schema)
			e.Assumed = e.Assumed || len(part.tables) > 0 && part.bytes < measurable
			shares = append(shares, part)
			for _, table := range part.tables {
				tables[table] = true
			}
		}
	}
	for instance, members := range byInstance(t.cohort.Members) {
		sizes, err := t.tables(ctx, instance, members, slices.Sorted(maps.Keys(tables)))
		if err != nil {
			return e, fmt.Errorf("instance %q: %w", instance, err)
		}
		var work, longest time.Duration
		for _, m := range members {
			var takes time.Duration
			for _, part := range shares {
				takes += part.takes(sizes[m.Schema])
			}
			work, longest = work+takes, max(longest, takes)
			if takes > e.Longest || e.Tenant == "" {
				e.Longest, e.Tenant = takes, m.Tenant
			}
		}
		e.Work += work
		e.Wall = max(e.Wall, work/time.Duration(t.Parallel), longest)
	}
	return e, nil
}

func shareOf(statement Statement, schema string) share {
	part := share{elapsed: statement.Elapsed, rate: AssumedScan}
	for _, lock := range statement.Locks {
		if lock.Schema == schema && (lock.Rewritten || lock.Scanned) {
			part.tables = append(part.tables, lock.Table)
			part.bytes += lock.Bytes
			if lock.Rewritten {
				part.rate = AssumedRewrite
			}
		}
	}
	return part
}

// takes scales a statement's time to a tenant's tables.
func (s share) takes(sizes map[string]int64) time.Duration {
	if len(s.tables) == 0 {
		return s.elapsed
	}
	var bytes int64
	for _, table := range s.tables {
		bytes += sizes[table]
	}
	if s.bytes >= measurable {
		return time.Duration(float64(s.elapsed) * float64(bytes) / float64(s.bytes))
	}
	return s.elapsed + time.Duration(float64(max(bytes-s.bytes, 0))/s.rate*float64(time.Second))
}

// tables are the sizes of members' tables, by schema and table.
func (t *trial) tables(ctx context.Context, instance string, members []upgrade.Member, names []string) (map[string]map[string]int64, error) {
	sizes := map[string]map[string]int64{}
	if len(names) == 0 {
		return sizes, nil
	}
	schemas := make([]string, len(members))
	for i, m := range members {
		schemas[i] = m.Schema
	}
	err := t.query(ctx, instance, func(db postgres.Querier) error {
		var schema, table string
		var bytes int64
		return postgres.Each(ctx, db, tablesSQL, []any{schemas, names}, []any{&schema, &table, &bytes}, func() error {
			if sizes[schema] == nil {
				sizes[schema] = map[string]int64{}
			}
			sizes[schema][table] = bytes
			return nil
		})
	})
	return sizes, err
}
