package verify

import (
	"context"
	"fmt"
	"io"
	"sort"
	"sync"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"tenantctl/internal/migrate/copy"
	"tenantctl/internal/postgres"
)

// Reader reads sums of rows back, several chunks at once.
type Reader struct {
	Dial       copy.Dial
	Jobs       int
	ChunkBytes int64 // 0: copy.DefaultChunkBytes
	Seed       uint64
	Progress   *copy.Progress // may be nil
}

// side is which end of a table's way is read.
type side int

const (
	sourceSide side = iota
	targetSide
)

// Source sums what the legacy database would send now, by table.
func (r Reader) Source(ctx context.Context, tables []copy.Table, version int) (map[string]copy.Sum, error) {
	return r.read(ctx, tables, sourceSide, version)
}

// Target sums what the tenant's tables hold, by table. Where several legacy tables feed one target, the first stands for it.
func (r Reader) Target(ctx context.Context, tables []copy.Table, version int) (map[string]copy.Sum, error) {
	sized, err := r.sized(ctx, distinctTargets(tables))
	if err != nil {
		return nil, err
	}
	return r.read(ctx, sized, targetSide, version)
}

func distinctTargets(tables []copy.Table) []copy.Table {
	seen := map[copy.Target]bool{}
	var distinct []copy.Table
	for _, t := range tables {
		if !seen[t.Target] {
			seen[t.Target] = true
			distinct = append(distinct, t)
		}
	}
	return distinct
}

// sized gives each table the pages of its target, so that it divides well.
func (r Reader) sized(ctx context.Context, tables []copy.Table) ([]copy.Table, error) {
	conn, err := r.Dial(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	schemas, names := make([]string, len(tables)), make([]string, len(tables))
	for i, t := range tables {
		schemas[i], names[i] = t.Target.Schema, t.Target.Name
	}
	sized := make([]copy.Table, 0, len(tables))
	var at, pages, bytes int64
	err = postgres.Each(ctx, conn, `
		select w.at, pg_relation_size(c.oid) / current_setting('block_size')::int8, pg_table_size(c.oid)
		from unnest($1::text[], $2::text[]) with ordinality w (schema, name, at)
		join pg_namespace n on n.nspname = w.schema
		join pg_class c on c.relnamespace = n.oid and c.relname = w.name`, []any{schemas, names}, []any{&at, &pages, &bytes}, func() error {
		t := tables[at-1]
		t.Source.Pages, t.Source.Bytes = pages, bytes
		sized = append(sized, t)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("size the tenant's tables: %w", err)
	}
	if len(sized) != len(tables) {
		return nil, fmt.Errorf("of %d tables to verify the tenant has %d", len(tables), len(sized))
	}
	return sized, nil
}

type job struct {
	table copy.Table
	chunk copy.Chunk
}

func (r Reader) read(ctx context.Context, tables []copy.Table, from side, version int) (map[string]copy.Sum, error) {
	ordered := append([]copy.Table(nil), tables...)
	sort.SliceStable(ordered, func(i, j int) bool { return ordered[i].Source.Bytes > ordered[j].Source.Bytes })
	var jobs []job
	sums := make(map[string]copy.Sum, len(tables))
	for _, t := range ordered {
		sums[t.Name] = copy.Sum{}
		for _, chunk := range t.Chunks(r.ChunkBytes, version) {
			jobs = append(jobs, job{t, chunk})
		}
	}
	queue := make(chan job, len(jobs))
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	for range min(max(r.Jobs, 1), max(len(jobs), 1)) {
		group.Go(func() error {
			return r.work(ctx, queue, from, func(name string, sum copy.Sum) {
				mu.Lock()
				defer mu.Unlock()
				merged := sums[name]
				merged.Merge(sum)
				sums[name] = merged
			})
		})
	}
	return sums, group.Wait()
}

func (r Reader) work(ctx context.Context, queue <-chan job, from side, add func(string, copy.Sum)) error {
	conn, err := r.Dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for j := range queue {
		rows := &copy.Rows{Format: j.table.Format, Columns: len(j.table.Columns), Seed: r.Seed, Each: r.Progress.Meter(j.table.Name)}
		if err := readRows(ctx, conn, j, from, rows); err != nil {
			return fmt.Errorf("read %s back: %w", j.table.Name, err)
		}
		add(j.table.Name, rows.Sum)
	}
	return nil
}

func readRows(ctx context.Context, conn *pgx.Conn, j job, from side, rows io.Writer) error {
	query := j.table.ReadSQL(j.chunk)
	if from == sourceSide {
		query = j.table.SelectSQL(j.chunk)
	}
	_, err := conn.PgConn().CopyTo(ctx, rows, j.table.CopyOut(query))
	return err
}
