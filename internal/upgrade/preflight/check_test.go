package preflight_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/postgres"
	"tenantctl/internal/upgrade"
	"tenantctl/internal/upgrade/preflight"
)

// shop has one of everything that files stumble over.
const shop = `
	create table customers (id int primary key, email text, code varchar(20), age int);
	insert into customers values (1, 'a@x', '12', 30), (2, 'A@X', 'abc', -1), (3, null, '12', 5), (4, 'b@x', null, null);
	create table orders (shop int, nr int, customer int, parent int, total numeric(10,2), primary key (shop, nr));
	insert into orders values (1, 1, 1, null, 10), (1, 2, 99, null, 99999.99), (1, 3, null, 7, 5), (1, 4, 2, null, 5);
	create table empty (id int);
	create table "a b"."c" ()`

var shopSQL = strings.ReplaceAll(shop, `create table "a b"."c" ()`, `create table "C d" ("N" int, "select" int); insert into "C d" values (1, null), (1, 2)`)

func TestEachKindIsFound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	members := b.tenants(t, shopSQL, "a")
	for name, tc := range map[string]struct {
		sql  []string
		want string
	}{
		"nulls":            {[]string{"alter table customers alter column email set not null"}, "001_x.up.sql:1 blocking nulls: 1 row of customers has no value in email [id=3]"},
		"several actions":  {[]string{"\nalter table if exists only customers\n alter age set not null, alter /* c */ email set default 'x', alter code set not null;"}, "001_x.up.sql:2 blocking nulls: 1 row of customers has no value in age [id=4]\na 001_x.up.sql:2 blocking nulls: 1 row of customers has no value in code [id=4]"},
		"own schema":       {[]string{`alter table "tenant_a" . customers alter email set not null`}, "001_x.up.sql:1 blocking nulls: 1 row of customers has no value in email [id=3]"},
		"quoted":           {[]string{`alter table only "C d" alter "select" set not null, add unique ("N")`}, "001_x.up.sql:1 blocking nulls: 1 row of C d has no value in select\na 001_x.up.sql:1 blocking duplicates: 1 value of (\"N\") in C d occurs more than once"},
		"duplicates":       {[]string{"alter table customers add constraint u unique (code)"}, `001_x.up.sql:1 blocking duplicates: 1 value of ("code") in customers occurs more than once [id=1 and id=3]`},
		"primary key":      {[]string{`alter table "C d" add primary key ("N", "select")`}, "001_x.up.sql:1 blocking nulls: 1 row of C d has no value in N or select"},
		"unique index":     {[]string{"create unique index concurrently if not exists i on customers using btree (lower(email) collate \"C\" text_pattern_ops desc nulls last) where age is not null"}, `001_x.up.sql:1 blocking duplicates: 1 value of (lower(email) collate "C") in customers occurs more than once [id=1 and id=2]`},
		"partial":          {[]string{"create unique index on customers (code) where age > 5"}, ""},
		"nulls equal":      {[]string{"alter table orders add unique nulls not distinct (parent)"}, `001_x.up.sql:1 blocking duplicates: 1 value of ("parent") in orders occurs more than once [shop=1, nr=1 and shop=1, nr=4]`},
		"orphans":          {[]string{"alter table orders add foreign key (customer) references customers on delete cascade"}, "001_x.up.sql:1 blocking orphans: 1 row of orders points to no row of customers by customer [shop=1, nr=2]"},
		"orphans by keys":  {[]string{"alter table orders add constraint f foreign key (shop, parent) references orders (shop, nr)"}, "001_x.up.sql:1 blocking orphans: 1 row of orders points to no row of orders by shop, parent [shop=1, nr=3]"},
		"match full":       {[]string{"alter table orders add constraint f foreign key (shop, parent) references orders (shop, nr) match full"}, "001_x.up.sql:1 blocking orphans: 4 rows of orders point to no row of orders by shop, parent [shop=1, nr=1; shop=1, nr=2; shop=1, nr=3; shop=1, nr=4]"},
		"check":            {[]string{"alter table customers add check (customers.age >= 0 and /* )( */ age < 25)"}, "001_x.up.sql:1 blocking broken: 2 rows of customers break the check (customers.age >= 0 and /* )( */ age < 25) [id=1; id=2]"},
		"required":         {[]string{"alter table customers add column city text not null"}, "001_x.up.sql:1 blocking required: 4 rows of customers would have no value for the new column city, which must have one [id=1; id=2; id=3; id=4]"},
		"required, empty":  {[]string{"alter table empty add column city text not null"}, ""},
		"required, there":  {[]string{"alter table customers add column if not exists email text not null"}, ""},
		"default":          {[]string{"alter table customers add column city text default 'x' not null, add n int generated always as identity"}, ""},
		"casts":            {[]string{"alter table customers alter code type int using code::int"}, "001_x.up.sql:1 blocking casts: 1 row of customers has a value in code that int doesn't take [id=2]"},
		"casts, narrower":  {[]string{"alter table orders alter total set data type numeric(6, 2)"}, "001_x.up.sql:1 blocking casts: 1 row of orders has a value in total that numeric(6, 2) doesn't take [shop=1, nr=2]"},
		"casts, shorter":   {[]string{"alter table customers alter code type varchar(2)"}, "001_x.up.sql:1 blocking casts: 1 row of customers has a value in code that varchar(2) doesn't take [id=2]"},
		"casts, cut":       {[]string{"alter table customers alter code type varchar(2) using (cast(code as varchar(2)))"}, ""},
		"casts, computed":  {[]string{"alter table customers alter code type int using length(code)"}, ""},
		"not valid":        {[]string{"alter table customers add constraint c check (age > 0) not valid"}, ""},
		"validate pending": {[]string{"alter table customers add constraint c check (age > 0) not valid", "alter table customers validate constraint c"}, "002_x.up.sql:1 blocking broken: 1 row of customers breaks the check (age > 0) [id=2]"},
		"not there":        {[]string{"alter table nowhere alter a set not null; alter table customers alter b set not null; alter table elsewhere.customers alter email set not null"}, ""},
		"mended":           {[]string{"update customers set email = '' where email is null; alter table customers alter email set not null"}, "001_x.up.sql:1 warning nulls: 1 row of customers has no value in email [id=3]"},
		"mended by a file": {[]string{"do $$ begin null; end $$", "alter table customers alter email set not null"}, "002_x.up.sql:1 warning nulls: 1 row of customers has no value in email; 001_x.up.sql:1 may mend that [id=3]"},
		"beside":           {[]string{"alter table customers alter age type bigint using 1, alter age set not null"}, "001_x.up.sql:1 warning nulls: 1 row of customers has no value in age; 001_x.up.sql:1 may mend that [id=4]"},
		"other table":      {[]string{"update empty set id = 1; select 1; create table x (a int)", "alter table customers alter email set not null"}, "002_x.up.sql:1 blocking nulls: 1 row of customers has no value in email [id=3]"},
		"path":             {[]string{"set search_path = public; alter table customers alter email set not null"}, ""},
		"names to come":    {[]string{"alter table customers add n int", "alter table customers add check (n > 0), add check (nowhere(age))"}, ""},
		"no SQL":           {[]string{"alter table customers add check (age >< ), alter email set not null"}, "001_x.up.sql:1 blocking nulls: 1 row of customers has no value in email [id=3]"},
		"not evaluable":    {[]string{"alter table customers add check (1 / (age - 5) > 0)"}, "001_x.up.sql:1 unknown broken: broken of customers: not known, the question fails with SQLSTATE 22012"},
	} {
		got := shown(b.check(t, pending(t, members, tc.sql...), preflight.Options{}))
		want := tc.want
		if want != "" {
			want = "a " + want
		}
		if name == "mended" {
			require.Contains(t, got, "; 001_x.up.sql:1 may mend that")
			got = strings.Replace(got, "; 001_x.up.sql:1 may mend that", "", 1)
		}
		require.Equal(t, want, got, name)
	}
}

// What is found blocking is what the files fail of, and where nothing is found they run.
func TestFindingsAreTrue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.tenants(t, shopSQL+`; create table parent (a int primary key, n int); create table kid () inherits (parent); insert into parent values (1, 1); insert into kid values (1, null);
		create table part (a int not null, b int) partition by list (a); create table part_1 partition of part for values in (1); insert into part values (1, 5), (1, 5), (1, null);
		create table refs (a int, d date); insert into refs values (1, '2020-01-01'); create domain tagged as text default 'x'; create domain short as varchar(2) check (value <> 'x');
		create table ties (a text collate "C", j json); insert into ties values ('x ', '{}'), ('x', '{}'), ('xyz', '{}');
		alter table kid add constraint c check (n > 0) not valid; alter table customers enable row level security; alter table customers force row level security;
		create policy nobody on customers using (false)`, "a")
	b.exec(t, "alter table tenant_a.customers no force row level security")
	members := []upgrade.Member{{Tenant: "a", Instance: "shared-1", Schema: "tenant_a"}}
	for _, sql := range []string{
		"alter table customers alter email set not null", "alter table customers alter id set not null",
		"alter table customers add unique (code)", "alter table customers add unique (email)", "alter table customers add unique (email, code)",
		"create unique index on customers (lower(email))", "create unique index on customers (lower(email)) where id > 1", "create unique index on orders (shop, (total::int))",
		`alter table "C d" add primary key ("N")`, "alter table orders add unique nulls not distinct (parent)", "alter table orders add unique (parent)",
		"alter table orders add foreign key (customer) references customers", "alter table orders add foreign key (shop) references customers (id)",
		"alter table orders add foreign key (shop, parent) references orders", "alter table orders add foreign key (shop, parent) references orders match full",
		"alter table customers add check (age > 0)", "alter table customers add check (age > -2)",
		"alter table customers add x int not null", "alter table empty add x int not null", "alter table customers add x int not null default 1", "alter table customers add x serial not null",
		`alter table "C d" add x int primary key`, "alter table empty add x int primary key",
		"alter table customers alter code type int using code::int", "alter table customers alter age type smallint", "alter table orders alter total type numeric(5,2)",
		"alter table orders alter total type numeric(9,2)", "alter table customers alter code type varchar(2)", "alter table customers alter code type varchar(3)",
		"alter table customers add x int not null, alter x set default 5", "alter table empty add x int not null, alter x set default 5",
		"alter table parent add unique (a, n)", "alter table parent alter n set not null", "alter table only kid alter n set not null", "alter table parent add check (n > 1)",
		"alter table kid add unique (n)", "create unique index on parent (n)", "alter table refs add foreign key (a) references parent",
		"alter table part add unique (a, b)", "alter table part alter b set not null", "create unique index on only part (a, b)", "alter table part add check (b > 5)", "alter table part_1 add unique (b)",
		"alter table refs alter a set not null, add unique (a, d)", "alter table customers add x tagged not null", "alter table customers add x short not null",
		"alter table ties add unique (a)", "alter table ties alter a type varchar(1)", "alter table ties alter a type varchar(2)", "alter table ties alter a type char(1)", "alter table ties alter a type short",
		"create unique index on ties ((j->>'x'))", "create unique index on ties (a collate \"POSIX\", lower(a))",
		"alter table customers alter code type char(2) using code::char(2)", "alter table customers alter age type text",
	} {
		report := b.check(t, pending(t, members, sql), preflight.Options{})
		err := postgres.Script(b.ctx, b.conn, `begin; set local search_path = tenant_a, ext; set local role `+postgres.Ident(b.owner)+`; `+sql+`; rollback`)
		_ = postgres.Script(b.ctx, b.conn, "rollback")
		if err != nil {
			require.Contains(t, []string{"23502", "23505", "23503", "23514", "22P02", "22003", "22001"}, postgres.Code(err), sql)
		}
		require.Equal(t, err != nil, report.Blocked() == 1, "%s: %v\n%s", sql, err, shown(report))
	}
}

func TestAConstraintOfTheCatalogIsValidated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	members := b.tenants(t, shopSQL+`; alter table orders add constraint "to c" foreign key (customer) references customers not valid;
		alter table customers add constraint good check (age > -5) not valid, add constraint bad check (age > 4) not valid`, "a", "b")
	b.exec(t, `delete from tenant_b.orders where customer = 99`)
	report := b.check(t, pending(t, members, `alter table orders validate constraint "to c"; alter table customers validate constraint good, validate constraint bad, validate constraint nowhere`), preflight.Options{})
	require.Equal(t, `a 001_x.up.sql:1 blocking orphans: 1 row of orders points to no row of customers by customer [shop=1, nr=2]
a 001_x.up.sql:1 blocking broken: 1 row of customers breaks the check ((age > 4)) [id=2]
b 001_x.up.sql:1 blocking broken: 1 row of customers breaks the check ((age > 4)) [id=2]`, shown(report))
	require.Equal(t, 2, report.Blocked())

	report = b.check(t, pending(t, members, "delete from customers where id = 99", `alter table orders validate constraint "to c"`), preflight.Options{})
	require.Contains(t, shown(report), "a 002_x.up.sql:1 warning orphans", "the other table of the constraint was changed")
}

// Triggers, foreign keys and functions carry a change of one table to another, which only the catalog tells.
func TestChangesMayBeCarriedOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	members := b.tenants(t, shopSQL+`; create table log (id int primary key); create table detail (id int references log on delete cascade);
		create function tidy() returns int language plpgsql as 'begin update customers set email = ''''; return 1; end'`, "plain", "trigger")
	b.exec(t, `create function tenant_trigger.f() returns trigger language plpgsql as 'begin return null; end';
		create trigger t after insert on tenant_trigger.empty execute function tenant_trigger.f()`)
	set := "alter table customers alter email set not null"
	severities := func(first string) string {
		var found []string
		for _, f := range b.check(t, pending(t, members, first, set), preflight.Options{}).Findings {
			found = append(found, string(f.Severity))
		}
		return strings.Join(found, " ")
	}
	require.Equal(t, "blocking warning", severities("insert into empty values (1)"))
	require.Equal(t, "warning warning", severities("delete from log where id = 1"), "rows of another table go with it")
	require.Equal(t, "warning warning", severities("insert into log values (tidy())"))
	require.Equal(t, "blocking blocking", severities("select count(*) from orders"))
	require.Equal(t, "warning warning", severities("create function g() returns int language sql as 'select 1'; select g()"))
	require.Equal(t, "warning warning", severities("create trigger u before update on orders execute function f(); update orders set nr = nr"))
	require.Equal(t, "blocking blocking", severities("create index on customers (age); comment on table customers is 'x'; alter table customers add x int, drop constraint if exists y"))
}

func TestLargeTablesAreReportedBeforeARewrite(t *testing.T) {
	t.Parallel()
	b := setup(t)
	members := b.tenants(t, `create table big (id int, v varchar(10), n numeric(8,2), at timestamp);
		insert into big select i, i, i, now() from generate_series(1, 20000) i`, "a")
	opts := preflight.Options{LeastRewrite: 1 << 20, Rate: 1 << 20}
	kinds := func(sql string) string {
		report := b.check(t, pending(t, members, sql), opts)
		var found []string
		for _, f := range report.Findings {
			require.Equal(t, preflight.Cost, f.Severity)
			require.Greater(t, f.Bytes, int64(1<<20))
			require.Positive(t, f.Takes)
			require.Contains(t, f.Message, "is written anew while nobody can read it: about 1.")
			found = append(found, string(f.Kind))
		}
		return strings.Join(found, " ")
	}
	for _, sql := range []string{
		"alter table big alter id type bigint", "alter table big add x uuid default gen_random_uuid()", "alter table big add x bigserial",
		"alter table big add x int generated always as identity", "alter table big add x int generated always as (id * 2) stored",
		"alter table big set unlogged", "cluster big using i", "vacuum (full, analyze) big", "vacuum full big", "alter table big alter v type text using v || 'x'",
		"alter table big alter n type numeric(8,3)", "alter table big alter at type timestamptz", "alter table big set tablespace pg_default",
	} {
		require.Equal(t, "rewrite", kinds(sql), sql)
	}
	for _, sql := range []string{
		"alter table big alter v type varchar(20)", "alter table big alter v type text", "alter table big alter v type varchar", "alter table big add x timestamptz default now()",
		"alter table big add x int default 5", "alter table big alter n type numeric(9,2)", "alter table big alter n type numeric", "vacuum big", "alter table big set (fillfactor = 90)",
	} {
		require.Empty(t, kinds(sql), sql)
	}
	opts.LeastRewrite = 1 << 30
	require.Empty(t, kinds("alter table big set unlogged"))
}

func TestNothingIsAskedWhereNothingIsRisky(t *testing.T) {
	t.Parallel()
	b := setup(t)
	report := b.check(t, pending(t, []upgrade.Member{{Tenant: "a", Instance: "shared-1", Schema: "tenant_a"}}, "create table t (a int not null unique); create index on t (a)", "alter table t add b int"), preflight.Options{})
	require.Zero(t, report.Asked)
	require.Zero(t, b.opens, "not even a session is opened")
}

func TestCountsEndAtTheLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	members := b.tenants(t, `create table r (k int primary key, v text); insert into r values (1, 'x'); create table t (id int primary key, v text); insert into t select i, case when i > 3 then 'x' end from generate_series(1, 60) i`, "a")
	report := b.check(t, pending(t, members, "alter table t add w int not null; alter table t alter v type int using v::int; alter table t add check (v <> 'x'); alter table t alter v set not null"),
		preflight.Options{Limit: 10, Samples: 2})
	require.Equal(t, `a 001_x.up.sql:1 blocking required: more than 10 rows of t would have no value for the new column w, which must have one [id=1; id=2]
a 001_x.up.sql:1 blocking casts: more than 10 rows of t have a value in v that int doesn't take [id=4; id=5]
a 001_x.up.sql:1 warning broken: more than 10 rows of t break the check (v <> 'x'); 001_x.up.sql:1 may mend that [id=4; id=5]
a 001_x.up.sql:1 warning nulls: 3 rows of t have no value in v; 001_x.up.sql:1 may mend that [id=1; id=2]`, shown(report))
	report = b.check(t, pending(t, members, "alter table r alter v type int using v::int"), preflight.Options{})
	require.Equal(t, "a 001_x.up.sql:1 blocking casts: 1 row of r has a value in v that int doesn't take [k=1]", shown(report), "the block's own names are no table's")
}

// One tenant's trouble is no other's, and what can't be found out is said.
func TestTroubleStaysWithItsTenant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	names := make([]string, 12)
	for i := range names {
		names[i] = fmt.Sprintf("t%02d", i)
	}
	members := b.tenants(t, `create table t (id int primary key, v text); insert into t values (1, null)`, names...)
	b.exec(t, `drop schema tenant_t03 cascade;
		alter table tenant_t04.t owner to current_user; revoke all on tenant_t04.t from public, `+postgres.Ident(b.owner)+`;
		create function tenant_t05.slow(int) returns int language sql as 'select 1 from pg_sleep(30)';
		grant execute on function tenant_t05.slow(int) to `+postgres.Ident(b.owner)+`;
		insert into tenant_t07.t select i, 'x' from generate_series(2, 5) i`)
	for _, i := range []int{0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11} {
		if i != 3 {
			b.exec(t, fmt.Sprintf(`create function tenant_t%02d.slow(int) returns int language sql as 'select 1'`, i))
		}
	}
	locker, err := postgres.Connect(b.ctx, b.dsn, postgres.Options{Application: "locker"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = locker.Close(context.Background()) })
	require.NoError(t, postgres.Script(b.ctx, locker, "begin; lock table tenant_t08.t"))

	report := b.check(t, pending(t, members, "alter table t add check (slow(id) > 1); alter table t alter v set not null"), preflight.Options{Timeout: 1500 * time.Millisecond})
	var got []string
	for _, f := range report.Findings {
		got = append(got, fmt.Sprintf("%s %s %s", f.Tenant, f.Severity, f.Kind))
	}
	var want []string
	for _, name := range names {
		switch name {
		case "t03":
		case "t04", "t08":
			want = append(want, name+" unknown broken", name+" unknown nulls")
		case "t05":
			want = append(want, name+" unknown broken", name+" blocking nulls")
		default:
			want = append(want, name+" blocking broken", name+" blocking nulls")
		}
	}
	require.Equal(t, want, got)
	for _, f := range report.Findings {
		switch {
		case f.Severity != preflight.Unknown:
		case f.Tenant == "t04":
			require.Contains(t, f.Message, "may not read it")
		case f.Tenant == "t05":
			require.Contains(t, f.Message, "ran longer than 1.5s")
		case f.Tenant == "t08":
			require.Contains(t, f.Message, "locked for longer than 1s")
		}
	}
}

// The few that will fail are found among many, each with its own numbers.
func TestManyTenants(t *testing.T) {
	t.Parallel()
	b := setup(t)
	names := make([]string, 200)
	for i := range names {
		names[i] = fmt.Sprintf("t%03d", i)
	}
	members := b.tenants(t, `create table p (id int primary key); insert into p values (1); create table t (id int primary key, p int, v text); insert into t values (1, 1, 'a'), (2, 1, 'b')`, names...)
	b.exec(t, `update tenant_t017.t set v = null; update tenant_t101.t set v = 'a'; update tenant_t199.t set p = 7 where id = 2; drop schema tenant_t150 cascade`)
	report := b.check(t, pending(t, members, "alter table t alter v set not null, add unique (v), add foreign key (p) references p"), preflight.Options{Parallel: 4})
	require.Equal(t, `t017 001_x.up.sql:1 blocking nulls: 2 rows of t have no value in v [id=1; id=2]
t101 001_x.up.sql:1 blocking duplicates: 1 value of ("v") in t occurs more than once [id=1 and id=2]
t199 001_x.up.sql:1 blocking orphans: 1 row of t points to no row of p by p [id=2]`, shown(report))
	require.Equal(t, 199*3, report.Asked)
}

func TestAnInstanceThatCantBeAskedIsAnError(t *testing.T) {
	t.Parallel()
	b := setup(t)
	members := b.tenants(t, `create table t (v int); insert into t values (null)`, "a")
	away := upgrade.Member{Tenant: "z", Instance: "away", Schema: "tenant_z"}
	open := func(ctx context.Context, name string) (upgrade.Instance, error) {
		if name == "away" {
			return upgrade.Instance{Name: name, DSN: "postgres://127.0.0.1:1/none"}, nil
		}
		return b.instance(ctx, name)
	}
	report, err := preflight.Check(b.ctx, open, pending(t, append(members, away), "alter table t alter v set not null"), preflight.Options{})
	require.ErrorContains(t, err, `instance "away"`)
	require.Equal(t, 1, report.Blocked())
}
