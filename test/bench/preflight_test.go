package bench_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
	"tenantctl/internal/upgrade/preflight"
)

const preflightRows = 200

// BenchmarkPreflight is four questions to each of many tenants against one psql that asks the same four, tenant by tenant, without
// settings, role, counts and samples.
func BenchmarkPreflight(b *testing.B) {
	for b.Loop() {
		u := setup(b)
		tools, err := postgres.FindTools()
		require.NoError(b, err)
		dsn, drop := u.fresh()
		members := preflightTenants(u, dsn, scaled(b, 1000))
		s, err := stream.Read("core", fstest.MapFS{"001_x.up.sql": {Data: []byte(`
			alter table orders alter customer set not null;
			alter table customers add constraint by_email unique (email);
			alter table orders add constraint of_customer foreign key (customer) references customers;
			alter table orders add constraint positive check (total >= 0);`)}})
		require.NoError(b, err)
		cohorts := []upgrade.Cohort{{Stretches: []upgrade.Stretch{{Stream: s, To: 1}}, Members: members}}
		instance := func(context.Context, string) (upgrade.Instance, error) {
			return upgrade.Instance{DSN: dsn, Hands: func(m upgrade.Member, _ string) (upgrade.Hands, error) {
				return upgrade.Hands{Path: []string{m.Schema}}, nil
			}}, nil
		}
		script := filepath.Join(folder(b), "questions.sql")
		require.NoError(b, os.WriteFile(script, []byte(questionsOf(members)), 0o644)) //nolint:gosec // of a benchmark
		var ours, theirs []time.Duration
		for range rounds(b) {
			report, err := preflight.Check(context.Background(), instance, cohorts, preflight.Options{})
			require.NoError(b, err)
			require.Equal(b, 4*len(members), report.Asked)
			require.Empty(b, report.Findings)
			ours = append(ours, report.Elapsed)
			theirs = append(theirs, u.run(exec.Command(filepath.Join(tools.Bin, "psql"), "-X", "-q", "-o", os.DevNull, "-f", script, dsn)).elapsed)
		}
		drop()
		each := float64(median(ours).Microseconds()) / 1000 / float64(len(members))
		fmt.Printf("\n  preflight: %.2f s, %.2f ms a tenant; psql: %.2f s; %d tenants\n", median(ours).Seconds(), each, median(theirs).Seconds(), len(members))
		b.ReportMetric(each, "ms/tenant")
		announce(b, "preflight/psql", median(ours).Seconds()/median(theirs).Seconds(), 0)
	}
}

func preflightTenants(u *bundle, dsn string, n int) []upgrade.Member {
	u.b.Helper()
	members := make([]upgrade.Member, n)
	var sql strings.Builder
	for i := range members {
		schema := fmt.Sprintf("tenant_%04d", i)
		members[i] = upgrade.Member{Tenant: tenant.Name(fmt.Sprintf("t%04d", i)), Instance: "shared-1", Schema: schema}
		fmt.Fprintf(&sql, `begin; create schema %[1]s; set local search_path = %[1]s;
			create table customers (id int primary key, email text); create table orders (id int primary key, customer int, total numeric);
			insert into customers select i, 'c' || i from generate_series(1, %[2]d) i; insert into orders select i, i, i from generate_series(1, %[2]d) i; commit;`,
			schema, preflightRows)
	}
	u.script(dsn, sql.String())
	u.script(dsn, "analyze")
	u.settle()
	return members
}

func questionsOf(members []upgrade.Member) string {
	var sql strings.Builder
	for _, m := range members {
		fmt.Fprintf(&sql, `select exists (select from %[1]s.orders where customer is null);
			select exists (select from %[1]s.customers where email is not null group by email having count(*) > 1);
			select exists (select from %[1]s.orders o where customer is not null and not exists (select from %[1]s.customers c where c.id = o.customer));
			select exists (select from %[1]s.orders where not (total >= 0));
			`, m.Schema)
	}
	return sql.String()
}
