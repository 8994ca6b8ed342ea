package inspect_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
)

// privilegeCase is a database whose objects belong to a role of the client's, and a further role that moves it.
type privilegeCase struct {
	admin, mover *pgx.Conn // superuser; the further role, in the same database
	target       *pgx.Conn
	owner, user  string
	database     string
}

func newPrivilegeCase(t *testing.T, options string) privilegeCase {
	t.Helper()
	prefix := localtest.Prefix(t) // before the database, so that the roles go after it
	admin := database(t)
	p := privilegeCase{admin: admin, target: database(t), owner: prefix + "owner", user: prefix + "mover", database: admin.Config().Database}
	run(t, admin, `create role `+p.owner+` login password 'secret'; create role `+p.user+` login password 'secret' `+options,
		`alter database `+postgres.Ident(p.database)+` owner to `+p.owner,
		`set role `+p.owner+`; create schema audit; create table orders (id integer primary key); create table audit.log (id serial); reset role`)
	p.mover = as(t, admin, p.user)
	return p
}

func (p privilegeCase) findings(t *testing.T, opts inspect.Options) []inspect.Finding {
	t.Helper()
	return findings(t, p.mover, p.target, opts)
}

func TestPrivilegesOfReader(t *testing.T) {
	t.Parallel()
	p := newPrivilegeCase(t, "")
	run(t, p.admin, `grant usage on schema audit to `+p.user+`; grant select on all tables in schema public, audit to `+p.user+`; grant select on all sequences in schema audit to `+p.user)
	found := p.findings(t, inspect.Options{Lift: true})
	require.Equal(t, []string{"read-only-source role " + p.user}, refusals(found))
	require.Contains(t, found[0].Message, "neither the database nor any of its 2 tables")
	require.Equal(t, `GRANT "`+p.owner+`" TO "`+p.user+`"`, found[0].Hint)

	run(t, p.admin, found[0].Hint)
	require.Empty(t, refusals(p.findings(t, inspect.Options{Lift: true})), "the hint is enough")
}

func TestPrivilegesMissing(t *testing.T) {
	t.Parallel()
	p := newPrivilegeCase(t, "")
	run(t, p.admin, `alter table orders owner to `+p.user)
	found := p.findings(t, inspect.Options{Lift: true})
	require.Equal(t, []string{
		"ownership database " + p.database, "ownership role " + p.owner, "privilege database " + p.database, "privilege schema audit",
		"privilege schema audit", "privilege schema audit",
	}, refusals(found))
	require.Contains(t, find(t, found, "ownership", "role "+p.owner).Message, "owns 1 table whose writes only their owner can stop: audit.log")
	for _, f := range found {
		if f.Severity == inspect.Refusal {
			run(t, p.admin, f.Hint)
		}
	}
	require.Empty(t, refusals(p.findings(t, inspect.Options{Lift: true})))
}

// A table that no row is read from must be fenced, not read.
func TestPrivilegesOfUnmoved(t *testing.T) {
	t.Parallel()
	p := newPrivilegeCase(t, "")
	run(t, p.admin, `grant `+p.owner+` to `+p.user, `revoke select on orders from `+p.owner)
	require.Equal(t, []string{"privilege schema public"}, refusals(p.findings(t, inspect.Options{})))
	none := func(schema, table string) bool { return table != "orders" }
	require.Empty(t, refusals(p.findings(t, inspect.Options{Moved: none})))
	require.Equal(t, []string{"privilege schema public"}, refusals(p.findings(t, inspect.Options{Moved: none, Tools: postgres.Tools{Major: 15}})), "a dump locks every table")
}

// An owner who inherits nothing has no right to use.
func TestPrivilegesNotInherited(t *testing.T) {
	t.Parallel()
	p := newPrivilegeCase(t, "noinherit")
	run(t, p.admin, `grant `+p.owner+` to `+p.user, `grant usage on schema audit to `+p.user, `grant select on all tables in schema audit, public to `+p.user,
		`grant select on all sequences in schema audit to `+p.user)
	require.Equal(t, []string{"read-only-source role " + p.user}, refusals(p.findings(t, inspect.Options{})))
}

func TestReadOnlySource(t *testing.T) {
	t.Parallel()
	p := newPrivilegeCase(t, "")
	run(t, p.admin, `grant `+p.owner+` to `+p.user)
	database := postgres.Ident(p.database)
	for _, setting := range []string{"role " + p.user, "role " + p.user + " in database " + database, "database " + database} {
		run(t, p.admin, `alter `+setting+` set default_transaction_read_only = on`)
		mover := as(t, p.admin, p.user)
		found := findings(t, mover, p.target, inspect.Options{})
		require.Equal(t, []string{"read-only-source role " + p.user}, refusals(found), setting)
		require.NoError(t, mover.Close(t.Context()))
		run(t, p.admin, `set default_transaction_read_only = off`, found[0].Hint)
		require.Empty(t, refusals(p.findings(t, inspect.Options{})), setting)
	}

	run(t, p.admin, `alter database `+database+` set default_transaction_read_only = on; create schema tenantctl_fence`)
	require.Empty(t, refusals(findings(t, as(t, p.admin, p.user), p.target, inspect.Options{})), "a fence of ours makes it so")
}

func TestStandbySource(t *testing.T) {
	t.Parallel()
	source := database(t, `create table t (id integer primary key)`)
	catalog := read(t, source)
	catalog.Server.InRecovery = true
	found, err := inspect.Check(t.Context(), source, database(t), catalog, inspect.Options{})
	require.NoError(t, err)
	require.Contains(t, find(t, found, "read-only-source", "database "+source.Config().Database).Message, "standby")
}

func TestPrivilegeToEndSessions(t *testing.T) {
	t.Parallel()
	p := newPrivilegeCase(t, "")
	run(t, p.admin, `grant `+p.owner+` to `+p.user)
	stranger := localtest.Prefix(t) + "stranger"
	run(t, p.admin, `create role `+stranger+` login password 'secret'`)
	require.Equal(t, inspect.Warning, find(t, p.findings(t, inspect.Options{}), "session-privilege", "role "+p.user).Severity, "it may connect")

	session := as(t, p.admin, stranger)
	run(t, session, `set application_name = 'reports'`)
	refused := find(t, p.findings(t, inspect.Options{}), "session-privilege", "role "+p.user)
	require.Equal(t, inspect.Refusal, refused.Severity)
	require.Contains(t, refused.Message, "(reports as "+stranger+")")
	run(t, p.admin, refused.Hint)
	found := p.findings(t, inspect.Options{})
	require.Empty(t, refusals(found))
	require.Contains(t, find(t, found, "open-session", "database "+p.database).Message, "(reports as "+stranger+")")

	run(t, p.admin, `set application_name = 'monitoring'`)
	require.Len(t, refusals(p.findings(t, inspect.Options{})), 1, "a superuser's session")
	run(t, p.admin, `alter role `+p.user+` superuser`)
	require.Empty(t, refusals(p.findings(t, inspect.Options{})))
}

func TestRowSecurity(t *testing.T) {
	t.Parallel()
	p := newPrivilegeCase(t, "")
	run(t, p.admin, `alter table orders owner to `+p.user, `alter table orders enable row level security`,
		`create policy own on orders to `+p.user+` using (id > 1)`, `create policy anyone on orders as restrictive using (true)`)
	found := p.findings(t, inspect.Options{Lift: true})
	require.NotContains(t, refusals(found), "row-security table public.orders", "the owner sees every row")
	policy := find(t, found, "policy", "table public.orders")
	require.Equal(t, inspect.Warning, policy.Severity)
	require.Contains(t, policy.Message, "its policies are anyone, own (to "+p.user+")")

	run(t, p.admin, `alter table orders force row level security`)
	require.Contains(t, refusals(p.findings(t, inspect.Options{Lift: true})), "row-security table public.orders")
	run(t, p.admin, `alter table orders no force row level security; alter table orders owner to `+p.owner)
	require.Contains(t, refusals(p.findings(t, inspect.Options{Lift: true})), "row-security table public.orders")
	run(t, p.admin, `alter role `+p.user+` bypassrls`)
	require.NotContains(t, refusals(p.findings(t, inspect.Options{Lift: true})), "row-security table public.orders")
}

// Policies for a role load where that role is.
func TestPolicyRoles(t *testing.T) {
	t.Parallel()
	user := localtest.Prefix(t) + "reader"
	source := database(t, `create table orders (id integer primary key); create role `+user, `create policy p on orders to `+user+`, pg_monitor using (true)`)
	require.Empty(t, refusals(lifted(t, source)), "the same server has the role")
	other := localtest.NewServer(t, nil, localtest.ServerOptions{})
	target := connect(t, other.DSN("postgres"))
	found := findings(t, source, target, inspect.Options{Lift: true})
	require.Equal(t, []string{"policy-role table public.orders"}, refusals(found))
	require.Contains(t, found[0].Message, user)
	require.Empty(t, refusals(findings(t, source, target, inspect.Options{})), "a mapping carries no policies")
	selected := inspect.Options{Selected: func(_, table string) bool { return table == "orders" }}
	require.Equal(t, []string{"policy-role table public.orders"}, refusals(findings(t, source, target, selected)), "a lifted table does")
}

func TestTargetPrivilege(t *testing.T) {
	t.Parallel()
	user := localtest.Prefix(t) + "admin"
	source, target := database(t), database(t)
	run(t, target, `create role `+user+` login password 'secret'`)
	plain := as(t, target, user)
	found := findings(t, source, plain, inspect.Options{})
	require.Equal(t, []string{"target-privilege target database " + target.Config().Database}, refusals(found))
	run(t, target, found[0].Hint)
	require.Empty(t, refusals(findings(t, source, plain, inspect.Options{})))
}

// What managed services give: neither side's administrator is a superuser.
func TestAdministratorsWithoutSuperuser(t *testing.T) {
	t.Parallel()
	source := connect(t, localtest.DatabaseAs(t, localtest.DatabaseOptions{Admin: true}))
	run(t, source, `create schema audit; create table orders (id integer primary key); create table audit.log (id serial primary key, at timestamptz);
		create extension hstore; create view v as select 1; create function f() returns trigger language plpgsql as 'begin return new; end'`)
	target := connect(t, localtest.DatabaseAs(t, localtest.DatabaseOptions{Admin: true}))
	found := findings(t, source, target, inspect.Options{Lift: true, TargetSchema: "tenant_x"})
	require.Empty(t, refusals(found))
}
