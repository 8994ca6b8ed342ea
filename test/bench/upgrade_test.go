package bench_test

import (
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
)

// The stream of the benchmark: a schema, and a migration of four statements.
const (
	shopUp = `create table customers (id bigint generated always as identity primary key, name text not null, email text);
create table orders (id bigint generated always as identity primary key, customer bigint not null references customers, total numeric);`
	shopMore = `alter table customers add column city text;
create table notes (id bigint generated always as identity primary key, note text not null);
create index orders_by_customer on orders (customer);
alter table orders add constraint total_is_positive check (total >= 0);`
	shopLess = `alter table orders drop constraint total_is_positive; drop index orders_by_customer; drop table notes; alter table customers drop column city`
)

// fleetOfShops is a fleet of tenants with the service shop, provisioned at version 1; its second version is there.
type fleetOfShops struct {
	*product
	target  string
	tenants int
	turns   int
}

func newShops(u *bundle, tenants int) *fleetOfShops {
	u.b.Helper()
	f := &fleetOfShops{product: newProduct(u), tenants: tenants}
	u.admin(u.target, "create database shops")
	f.target = u.target.DSN("shops")
	var text strings.Builder
	fmt.Fprintf(&text, "version: 1\ninstances:\n  shared-1: { dsn: \"${SHARED_1_DSN}\", rolePrefix: %s }\nservices:\n  shop: { migrations: ./shop }\ntenants:\n",
		localtest.PrefixOn(u.b, u.target))
	for i := range tenants {
		fmt.Fprintf(&text, "  t-%05d: {}\n", i)
	}
	// Before the roles, whose schemas are more than one transaction can drop.
	u.b.Cleanup(func() { u.admin(u.target, "drop database if exists shops with (force)") })
	f.file("tenants.yaml", text.String())
	f.file("shop/001_base.up.sql", shopUp)
	f.file("shop/001_base.down.sql", "drop table orders, customers")
	f.tenantctl("", f.target, "provision", "--all")
	f.file("shop/002_more.up.sql", shopMore)
	f.file("shop/002_more.down.sql", shopLess)
	return f
}

func (f *fleetOfShops) schema(i int) string { return fmt.Sprintf("tenant_t_%05d", i) }

// psql runs a script for each of the first tenants in one session, one transaction a tenant, with its version row.
func (f *fleetOfShops) psql(sql string, version, tenants int) time.Duration {
	f.b.Helper()
	var text strings.Builder
	for i := range tenants {
		fmt.Fprintf(&text, "begin;\nset local search_path = %s;\n%s;\nupdate schema_migrations_shop set version = %d;\ncommit;\n", f.schema(i), sql, version)
	}
	name := fmt.Sprintf("psql-%d.sql", version)
	f.file(name, text.String())
	cmd := exec.Command(filepath.Join(f.tools.Bin, "psql"), f.target, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file="+filepath.Join(f.dir, name))
	return f.run(cmd).elapsed
}

// turn puts a copy of the fleet, records and all, in the place of the one before, so that everybody begins alike: without dead rows in
// the catalogs. Copies stay until the end, so that nothing is deleted between turns.
func (f *fleetOfShops) turn() {
	f.b.Helper()
	f.turns++
	name := fmt.Sprintf("shops_%d", f.turns)
	f.b.Cleanup(func() { f.admin(f.product.target, "drop database if exists "+name+" with (force)") })
	f.admin(f.product.target, "create database "+name+" template shops strategy file_copy")
	f.target = f.product.target.DSN(name)
	f.settle()
}

// BenchmarkUpgrade is one migration over many tenants: tenantctl, journal included, one psql, and the golang-migrate CLI.
func BenchmarkUpgrade(b *testing.B) {
	const part = 10 // golang-migrate does a tenth of the tenants
	for b.Loop() {
		f := newShops(setup(b), scaled(b, 1000))
		cli := filepath.Join(f.dir, "migrate")
		f.run(exec.Command("go", "build", "-tags", "pgx5", "-o", cli, "github.com/golang-migrate/migrate/v4/cmd/migrate"))
		few := max(f.tenants/part, 1)
		compete(b, "upgrade", []func() laps{
			func() laps {
				f.turn()
				return laps{"upgrade": f.tenantctl("", f.target, "upgrade", "--all", "--yes").elapsed}
			},
			func() laps {
				f.turn()
				return laps{"psql": f.psql(shopMore, 2, f.tenants)}
			},
			func() laps { return laps{"golang-migrate-loop": f.part(cli, "", few)} },
			func() laps { return laps{"golang-migrate-xargs-P4": f.part(cli, "-P4", few)} },
		}, bar{"psql", 0.8}, bar{"golang-migrate-loop", 1.0 / 8}, bar{"golang-migrate-xargs-P4", 1.0 / 4})
	}
}

// part is a turn of golang-migrate's program with some of the tenants; its time is taken for all.
func (f *fleetOfShops) part(cli, parallel string, tenants int) time.Duration {
	f.b.Helper()
	f.turn()
	return f.migrateCLI(cli, parallel, tenants) * time.Duration(f.tenants/tenants)
}

// migrateCLI runs golang-migrate's own program for each of the first tenants, by xargs.
func (f *fleetOfShops) migrateCLI(cli, parallel string, tenants int) time.Duration {
	f.b.Helper()
	var list strings.Builder
	for i := range tenants {
		dsn, err := url.Parse(f.target)
		require.NoError(f.b, err)
		query := dsn.Query()
		query.Set("search_path", f.schema(i))
		query.Set("x-migrations-table", "schema_migrations_shop")
		dsn.Scheme, dsn.RawQuery = "pgx5", query.Encode()
		fmt.Fprintln(&list, dsn)
	}
	args := []string{"-n1"}
	if parallel != "" {
		args = append(args, parallel)
	}
	args = append(args, "-I{}", cli, "-path", filepath.Join(f.dir, "shop"), "-database", "{}", "up")
	cmd := exec.Command("xargs", args[1:]...)
	cmd.Stdin = strings.NewReader(list.String())
	return f.run(cmd).elapsed
}

// BenchmarkUpgradeNothing is `upgrade --all` where every tenant is there, from the start of the process to its end.
func BenchmarkUpgradeNothing(b *testing.B) {
	for b.Loop() {
		f := newShops(setup(b), scaled(b, 5000))
		f.psql(shopMore, 2, f.tenants)
		f.script(f.target, "vacuum analyze")
		f.settle()
		times := make([]time.Duration, 5)
		for i := range times {
			times[i] = f.tenantctl("", f.target, "upgrade", "--all", "--yes").elapsed
		}
		within(b, fmt.Sprintf("upgrade-of-%d-with-nothing-to-do", f.tenants), median(times), time.Second)
	}
}
