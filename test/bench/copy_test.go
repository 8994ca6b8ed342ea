package bench_test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"tenantctl/internal/migrate/copy"
	"tenantctl/internal/postgres"
)

const jobs = 2

// BenchmarkCopy is the copy of one large table against as many pipes of COPY from psql to psql, each for a half of its pages.
func BenchmarkCopy(b *testing.B) {
	for b.Loop() {
		u := setup(b)
		c := copying{bundle: u, from: u.pgbench("legacy")}
		c.read()
		compete(b, "copy", []func() laps{
			func() laps { return laps{"copy": c.on(c.ours)} },
			func() laps { return laps{"copy-pipe": c.on(c.pipes)} },
		}, bar{"copy-pipe", 1.1})
	}
}

// copying copies pgbench_accounts into a bare table like it.
type copying struct {
	*bundle
	from, to string
	table    copy.Table
}

func (c *copying) read() {
	c.b.Helper()
	ctx := context.Background()
	conn, err := postgres.Connect(ctx, c.from, postgres.Options{Application: "bench"})
	require.NoError(c.b, err)
	defer func() { _ = conn.Close(ctx) }()
	c.table = copy.Table{Name: "public.pgbench_accounts", Format: copy.Binary, Target: copy.Target{Schema: "public", Name: "pgbench_accounts"}}
	for _, column := range []string{"aid", "bid", "abalance", "filler"} {
		c.table.Columns = append(c.table.Columns, copy.Column{Target: column, Expr: column})
	}
	err = conn.QueryRow(ctx, `select c.oid, n.nspname, c.relname, pg_relation_size(c.oid) / 8192, pg_table_size(c.oid), pg_relation_filenode(c.oid), c.reltuples::int8
		from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relname = $1`, "pgbench_accounts").
		Scan(&c.table.Source.OID, &c.table.Source.Schema, &c.table.Source.Name, &c.table.Source.Pages, &c.table.Source.Bytes,
			&c.table.Source.Filenode, &c.table.Source.Rows)
	require.NoError(c.b, err)
}

// on runs one side into a fresh database and counts what arrived.
func (c *copying) on(run func()) time.Duration {
	c.b.Helper()
	to, drop := c.fresh()
	defer drop()
	c.to = to
	c.script(to, "create table pgbench_accounts (aid int not null, bid int, abalance int, filler char(84)) with (fillfactor = 100)")
	began := time.Now()
	run()
	elapsed := time.Since(began)
	c.script(to, fmt.Sprintf(`do $$ begin assert (select count(*) from pgbench_accounts) = %d; end $$`, scale(c.b)*100_000))
	return elapsed
}

func (c *copying) ours() {
	c.b.Helper()
	dial := func(dsn string) copy.Dial {
		return func(ctx context.Context) (*pgx.Conn, error) {
			return postgres.Connect(ctx, dsn, postgres.Options{Application: "bench", Settings: copy.SessionSettings("public")})
		}
	}
	copier := &copy.Copier{Source: dial(c.from), Target: dial(c.to), Marks: &memoryMarks{}, Jobs: jobs, Seed: 42, Progress: copy.NewProgress()}
	require.NoError(c.b, copier.Run(context.Background(), []copy.Table{c.table}, 150000))
}

func (c *copying) pipes() {
	c.b.Helper()
	var group errgroup.Group
	for i := range int64(jobs) {
		chunk := copy.Chunk{From: i * c.table.Source.Pages / jobs, To: (i + 1) * c.table.Source.Pages / jobs}
		if i == jobs-1 {
			chunk.To = 0
		}
		psql := filepath.Join(c.tools.Bin, "psql") + ` --no-psqlrc --quiet --set=ON_ERROR_STOP=1`
		pipe := fmt.Sprintf(`set -e; %[1]s "$1" -c "$3" | %[1]s "$2" -c 'copy pgbench_accounts from stdin (format binary)'`, psql)
		group.Go(func() error {
			out, err := exec.Command("sh", "-c", pipe, "sh", c.from, c.to, c.table.CopyOut(c.table.SelectSQL(chunk))).CombinedOutput()
			if err != nil {
				return fmt.Errorf("copy pipe: %w: %s", err, out)
			}
			return nil
		})
	}
	require.NoError(c.b, group.Wait())
}

// memoryMarks keeps marks of committed chunks for one run.
type memoryMarks struct {
	mu    sync.Mutex
	saved []copy.Mark
}

// Done implements copy.Marks.
func (m *memoryMarks) Done(context.Context) ([]copy.Mark, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]copy.Mark(nil), m.saved...), nil
}

// Hold implements copy.Marks.
func (m *memoryMarks) Hold(context.Context, pgx.Tx) error { return nil }

// Save implements copy.Marks.
func (m *memoryMarks) Save(_ context.Context, _ pgx.Tx, mark copy.Mark) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saved = append(m.saved, mark)
	return nil
}

// Flush implements copy.Marks.
func (m *memoryMarks) Flush(context.Context) error { return nil }
