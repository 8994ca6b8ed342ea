package bench_test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
	"tenantctl/internal/upgrade/trial"
)

// BenchmarkTrial is a trial run against one psql that runs the same statements and rolls them back, and at what rates the server
// writes a table anew and reads it: what estimates assume where they know nothing better.
func BenchmarkTrial(b *testing.B) {
	const rewrite, scan = "alter table big alter n type bigint", "alter table big alter n set not null"
	for b.Loop() {
		u := setup(b)
		tools, err := postgres.FindTools()
		require.NoError(b, err)
		dsn, drop := u.fresh()
		u.script(dsn, fmt.Sprintf(`create schema tenant_a; set search_path = tenant_a;
			create table schema_migrations_core (version bigint not null primary key, dirty boolean not null); insert into schema_migrations_core values (0, false);
			create table big (id int primary key, n int, v text); insert into big select i, i, repeat('x', 80) from generate_series(1, %d) i`, scaled(b, 1_000_000)))
		u.script(dsn, "analyze")
		s, err := stream.Read("core", fstest.MapFS{
			"000_base.up.sql": {Data: []byte("select 1")}, "001_scan.up.sql": {Data: []byte(scan)}, "002_rewrite.up.sql": {Data: []byte(rewrite)},
		})
		require.NoError(b, err)
		cohort := upgrade.Cohort{
			Stretches: []upgrade.Stretch{{Stream: s, From: new(uint64(0)), To: 2}},
			Members:   []upgrade.Member{{Tenant: "a", Instance: "shared-1", Schema: "tenant_a", State: tenant.Suspended}},
		}
		open := func(context.Context, string) (upgrade.Instance, error) {
			return upgrade.Instance{DSN: dsn, Hands: func(m upgrade.Member, _ string) (upgrade.Hands, error) {
				return upgrade.Hands{Path: []string{m.Schema}}, nil
			}}, nil
		}
		var ours, theirs, rewrites, scans []time.Duration
		var bytes int64
		turns := []func(){
			func() {
				began := time.Now()
				report, err := trial.Run(context.Background(), open, cohort, trial.Options{StatementTimeout: time.Hour})
				require.NoError(b, err)
				ours = append(ours, time.Since(began))
				require.True(b, report.Files[0].Locks[0].Scanned && report.Files[1].Locks[0].Rewritten)
				scans, rewrites = append(scans, report.Files[0].Elapsed), append(rewrites, report.Files[1].Elapsed)
				bytes = report.Files[0].Locks[0].Bytes
			},
			func() {
				theirs = append(theirs, u.run(exec.Command(filepath.Join(tools.Bin, "psql"), "-X", "-q", "-c",
					"begin; set local search_path = tenant_a; "+scan+"; "+rewrite+"; rollback", dsn)).elapsed)
			},
		}
		for range rounds(b) {
			for _, turn := range turns {
				u.settle()
				turn()
			}
			slices.Reverse(turns)
		}
		drop()
		rate := func(times []time.Duration) float64 { return float64(bytes) / (1 << 20) / median(times).Seconds() }
		fmt.Printf("\n  trial: %.2f s; psql: %.2f s; %d MB written anew at %.0f MB/s, read at %.0f MB/s\n",
			median(ours).Seconds(), median(theirs).Seconds(), bytes>>20, rate(rewrites), rate(scans))
		announce(b, "trial/psql", median(ours).Seconds()/median(theirs).Seconds(), 0)
	}
}
