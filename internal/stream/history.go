package stream

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// instanceSchema is the schema of tenantctl's own on each instance.
const instanceSchema = "tenantctl_instance"

//go:embed sql/instance/*.sql
var instanceFiles embed.FS

// Record is what Apply recorded of a schema.
type Record struct {
	Version uint64
	History string // Stream.Hash of that version, as the files were then
	Mark    string // Target.Mark
	At      time.Time
}

// Prepare makes an instance's tables for records, and notes the streams' files there. It finds nothing to do the second time.
func Prepare(ctx context.Context, conn *pgx.Conn, streams ...*Stream) error {
	files, err := fs.Sub(instanceFiles, "sql/instance")
	if err != nil {
		return fmt.Errorf("read the embedded migrations: %w", err)
	}
	if err := postgres.MigrateSchema(ctx, conn, instanceSchema, files); err != nil {
		return err
	}
	for _, s := range streams {
		if err := s.remember(ctx, conn); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stream) remember(ctx context.Context, db postgres.Querier) error {
	var known bool
	if err := db.QueryRow(ctx, `select exists (select from tenantctl_instance.history where hash = $1)`, s.Hash(s.Newest())).Scan(&known); err != nil {
		return fmt.Errorf("look for the files of %s: %w", s.Service, err)
	}
	if known {
		return nil
	}
	parents, versions, paths, sums := make([]string, len(s.files)), make([]int64, len(s.files)), make([]string, len(s.files)), make([]string, len(s.files))
	for i, file := range s.files {
		if i > 0 {
			parents[i] = s.hashes[i-1]
		}
		versions[i], paths[i], sums[i] = int64(file.Version), file.Up.Path, file.Up.Sum //nolint:gosec // Read keeps versions below MaxInt64
	}
	_, err := db.Exec(ctx, `insert into tenantctl_instance.history (hash, parent, service, version, path, sum)
		select hash, parent, $1, version, path, sum
		from unnest($2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[]) as f (hash, parent, version, path, sum)
		on conflict do nothing`, s.Service, s.hashes, parents, versions, paths, sums)
	if err != nil {
		return fmt.Errorf("note the files of %s: %w", s.Service, err)
	}
	return nil
}

// record is the statement that records the schema at the version that the work brings it to.
func (d *driver) record() string { return d.recordAt(d.work.to) }

func (d *driver) recordAt(version int) string {
	return d.stream.RecordSQL(d.target.Schema, version, d.target.Mark)
}

// RecordSQL is the statement that records a schema as made from the stream's files up to a version, -1 for none.
func (s *Stream) RecordSQL(schema string, version int, mark string) string {
	if version < 0 {
		return fmt.Sprintf("delete from tenantctl_instance.applied where service = %s and schema = %s", postgres.Literal(s.Service), postgres.Literal(schema))
	}
	return fmt.Sprintf("insert into tenantctl_instance.applied (schema, service, version, history, mark) values (%s, %s, %d, %s, %s) "+
		"on conflict (service, schema) do update set version = excluded.version, history = excluded.history, mark = excluded.mark, at = now()",
		postgres.Literal(schema), postgres.Literal(s.Service), version, postgres.Literal(s.Hash(uint64(version))), postgres.Literal(mark))
}

func readRecords(ctx context.Context, db postgres.Querier, service string, schemas []string, found map[string]Stand) error {
	rows, err := db.Query(ctx, `select schema, version, history, mark, at from tenantctl_instance.applied where service = $1 and schema = any ($2)`, service, schemas)
	if err != nil {
		return fmt.Errorf("read what was applied: %w", err)
	}
	type row struct {
		Record
		Schema string
	}
	records, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if postgres.Classify(err) == postgres.NotFound {
		return nil // nothing was ever recorded there
	}
	if err != nil {
		return fmt.Errorf("read what was applied: %w", err)
	}
	for _, r := range records {
		stand := found[r.Schema]
		stand.Recorded = &r.Record
		found[r.Schema] = stand
	}
	return nil
}

// Difference is a file that isn't what a schema was made from.
type Difference struct {
	Version  uint64
	Recorded string // path and the beginning of the sum; "" where it wasn't there
	Now      string // likewise
}

func (d Difference) String() string {
	switch {
	case d.Recorded == "":
		return fmt.Sprintf("%s was added below a version that is applied already, and would never run: give it a higher number", d.Now)
	case d.Now == "":
		return fmt.Sprintf("%s was applied and is missing now", d.Recorded)
	}
	return fmt.Sprintf("%s was applied, %s is there now", d.Recorded, d.Now)
}

// Same tells whether a schema was made from these files, as far as that was recorded.
func (s *Stream) Same(stand Stand) bool {
	return stand.Recorded == nil || stand.Recorded.History == s.Hash(stand.Recorded.Version)
}

// Differences compares the files with those that a schema was made from, by the recorded hash. None: they are the same.
func (s *Stream) Differences(ctx context.Context, db postgres.Querier, recorded Record) ([]Difference, error) {
	rows, err := db.Query(ctx, `
		with recursive made as (
			select * from tenantctl_instance.history where hash = $1
			union all
			select h.* from made join tenantctl_instance.history as h on h.hash = made.parent
		)
		select version, path, sum from made`, recorded.History)
	if err != nil {
		return nil, fmt.Errorf("read the files of %s that were applied: %w", s.Service, err)
	}
	type file struct {
		Version   int64
		Path, Sum string
	}
	made, err := pgx.CollectRows(rows, pgx.RowToStructByName[file])
	if err != nil {
		return nil, fmt.Errorf("read the files of %s that were applied: %w", s.Service, err)
	}
	if len(made) == 0 {
		return nil, fmt.Errorf("the record of the files of %s that were applied is gone: %w", s.Service, tenant.ErrNotFound)
	}
	then, now := map[uint64]string{}, map[uint64]string{}
	for _, f := range made {
		then[uint64(f.Version)] = described(f.Path, f.Sum) //nolint:gosec // was written from a version
	}
	for _, f := range s.files {
		if f.Version <= recorded.Version {
			now[f.Version] = described(f.Up.Path, f.Up.Sum)
		}
	}
	var found []Difference
	for _, version := range slices.Sorted(maps.Keys(then)) {
		if then[version] != now[version] {
			found = append(found, Difference{Version: version, Recorded: then[version], Now: now[version]})
		}
	}
	for _, version := range slices.Sorted(maps.Keys(now)) {
		if then[version] == "" {
			found = append(found, Difference{Version: version, Now: now[version]})
		}
	}
	return found, nil
}

const shownSum = 12

func described(path, sum string) string {
	return fmt.Sprintf("%s (SHA-256 %s…)", path, sum[:min(shownSum, len(sum))])
}
