package bench_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// BenchmarkMigrate is a whole move with its proof against pgcopydb clone, which proves nothing, and against that and a
// comparison of both sides.
func BenchmarkMigrate(b *testing.B) {
	copier, err := exec.LookPath("pgcopydb")
	if err != nil {
		b.Skip("pgcopydb isn't installed: scripts/setup.sh bench")
	}
	for b.Loop() {
		p := newProduct(setup(b))
		source := p.pgbench("legacy")
		p.declare("", "", "")
		compete(b, "migrate", []func() laps{
			func() laps { return laps{"migrate": p.migrate(source).elapsed} },
			func() laps { return p.clone(copier, source) },
		}, bar{"pgcopydb-clone", 1.25}, bar{"pgcopydb-clone+compare-data", 1.0})
	}
}

// clone copies the database by pgcopydb, and compares both sides afterwards.
func (p *product) clone(program, source string) laps {
	p.b.Helper()
	target, drop := p.fresh()
	defer drop()
	dir, err := os.MkdirTemp(p.dir, "pgcopydb-")
	require.NoError(p.b, err)
	cloned := p.run(exec.Command(program, "clone", "--source", source, "--target", target, "--dir", dir+"/work", "--table-jobs", "2", "--index-jobs", "2"))
	return laps{"pgcopydb-clone": cloned.elapsed, "compare-data": p.compareData(source, target)}
}

// compareData does what pgcopydb compare data does in versions that have it: for each table, largest first, a count and a sum
// of 32-bit hashes of rows as text, on both servers at once.
func (p *product) compareData(source, target string) time.Duration {
	p.b.Helper()
	began := time.Now()
	for _, table := range []string{"pgbench_accounts", "pgbench_tellers", "pgbench_branches", "pgbench_history"} {
		var answers [2]string
		var group errgroup.Group
		for i, dsn := range []string{source, target} {
			group.Go(func() error {
				out, err := p.tools.Run(context.Background(), "psql", dsn, "--no-psqlrc", "--quiet", "--tuples-only",
					"--command=select count(1), sum(hashtext(t::text)::bigint) from "+table+" t")
				answers[i] = string(out)
				return err
			})
		}
		require.NoError(p.b, group.Wait())
		require.Equal(p.b, answers[0], answers[1], table)
	}
	return time.Since(began)
}
