package inspect_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

// findings checks the move of one database to another, as a lift unless the options say otherwise.
func findings(t testing.TB, source, target *pgx.Conn, opts inspect.Options) []inspect.Finding {
	t.Helper()
	found, err := inspect.Check(t.Context(), source, target, read(t, source), opts)
	require.NoError(t, err)
	return found
}

// lifted checks a lift to an empty database.
func lifted(t testing.TB, source *pgx.Conn) []inspect.Finding {
	t.Helper()
	return findings(t, source, database(t), inspect.Options{Lift: true, TargetSchema: "tenant_x"})
}

// brief writes findings as "severity code object".
func brief(found []inspect.Finding) []string {
	var lines []string
	for _, f := range found {
		lines = append(lines, string(f.Severity)+" "+f.Code+" "+f.Object)
	}
	return lines
}

// find is the one finding of a code about an object.
func find(t testing.TB, found []inspect.Finding, code, object string) inspect.Finding {
	t.Helper()
	for _, f := range found {
		if f.Code == code && f.Object == object {
			return f
		}
	}
	require.Fail(t, "no finding "+code+" "+object, strings.Join(brief(found), "\n"))
	return inspect.Finding{}
}

// without leaves out findings of a code.
func without(found []inspect.Finding, codes ...string) []inspect.Finding {
	var rest []inspect.Finding
	for _, f := range found {
		kept := true
		for _, code := range codes {
			kept = kept && f.Code != code
		}
		if kept {
			rest = append(rest, f)
		}
	}
	return rest
}

func refusals(found []inspect.Finding) []string {
	var lines []string
	for _, f := range found {
		if f.Severity == inspect.Refusal {
			lines = append(lines, f.Code+" "+f.Object)
		}
	}
	return lines
}

func TestCheckNothingSpecial(t *testing.T) {
	t.Parallel()
	source := database(t, `create table orders (id integer primary key); insert into orders values (1); create sequence s; create view v as select 1`)
	found := lifted(t, source)
	require.Equal(t, []string{"note size database " + source.Config().Database}, brief(found))
	require.NoError(t, inspect.Refused(found))
}

func TestRefusedListsEverything(t *testing.T) {
	t.Parallel()
	found := []inspect.Finding{
		{Severity: inspect.Note, Code: "a", Object: "table a", Message: "is small"},
		{Severity: inspect.Refusal, Code: "c", Object: "table c", Message: "is bad", Hint: "mend it"},
		{Severity: inspect.Warning, Code: "b", Object: "table b", Message: "is odd"},
		{Severity: inspect.Refusal, Code: "b", Object: "table b", Message: "is worse"},
	}
	inspect.Sort(found)
	require.Equal(t, []string{"refusal b table b", "refusal c table c", "warning b table b", "note a table a"}, brief(found))
	err := inspect.Refused(found)
	require.ErrorIs(t, err, tenant.ErrRefused)
	require.Equal(t, "refused: nothing was touched; 2 things stand in the way:\n- table b: is worse\n- table c: is bad; mend it", err.Error())
	require.NoError(t, inspect.Refused(found[2:]))
}

func TestCheckMode(t *testing.T) {
	t.Parallel()
	conn := database(t)
	_, err := inspect.Check(t.Context(), conn, conn, read(t, conn), inspect.Options{Mode: "someday"})
	require.ErrorIs(t, err, tenant.ErrInvalid)
}

func TestCheckServers(t *testing.T) {
	t.Parallel()
	source, target := database(t), database(t)
	require.Equal(t, []string{"same-database database " + source.Config().Database}, refusals(findings(t, source, source, inspect.Options{})))

	catalog := read(t, source)
	check := func(opts inspect.Options) []inspect.Finding {
		found, err := inspect.Check(t.Context(), source, target, catalog, opts)
		require.NoError(t, err)
		return found
	}
	opts := inspect.Options{Tools: postgres.Tools{Major: 14}}
	require.Len(t, refusals(check(opts)), 2, "older than both")
	require.Contains(t, find(t, check(opts), "tools", "pg_dump 14").Message, "PostgreSQL 15")
	require.Empty(t, refusals(check(inspect.Options{Tools: postgres.Tools{Major: 15}})))
	catalog.Server.VersionNum = 160004
	require.Contains(t, find(t, check(inspect.Options{}), "version", "target database "+target.Config().Database).Message, "older than the legacy server's 16")
	require.Contains(t, find(t, check(inspect.Options{Tools: postgres.Tools{Major: 15}}), "tools", "pg_dump 15").Message, "older than the legacy server, PostgreSQL 16")
	catalog.Server.VersionNum = 110020
	require.Equal(t, []string{"version database " + source.Config().Database}, refusals(check(inspect.Options{})))

	run(t, target, `alter database "`+target.Config().Database+`" set default_transaction_read_only = on`)
	catalog.Server.VersionNum = 150000
	require.Equal(t, []string{"target-read-only target database " + target.Config().Database}, refusals(check(inspect.Options{})))
}

func TestCheckLockTable(t *testing.T) {
	t.Parallel()
	source, target := database(t), database(t)
	catalog := read(t, source)
	catalog.Tables = make([]inspect.Table, 100_000)
	found, err := inspect.Check(t.Context(), source, target, catalog, inspect.Options{})
	require.NoError(t, err)
	require.Contains(t, find(t, found, "locks", "database "+source.Config().Database).Hint, "max_locks_per_transaction")
}

func TestCheckNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", 27)
	source := database(t, `create schema "`+long+`"; create table "`+long+`".t (id integer primary key); create schema "`+strings.Repeat("x", 53)+`"`)
	found := lifted(t, source)
	require.Equal(t, []string{`name-too-long schema "` + long + `"`}, refusals(found))
	require.Contains(t, found[0].Message, "64 bytes long")
}

func TestEstimate(t *testing.T) {
	t.Parallel()
	require.Equal(t, time.Second, inspect.Estimate(&inspect.Catalog{}))
	catalog := &inspect.Catalog{Tables: []inspect.Table{{Bytes: 600 << 20}}, Sequences: make([]inspect.Sequence, 99)}
	require.Equal(t, 12*time.Second, inspect.Estimate(catalog))
}

func TestCheckActivity(t *testing.T) {
	t.Parallel()
	source := database(t, `create table orders (id integer primary key)`)
	other, err := postgres.Connect(t.Context(), localtest.Server(t).DSN(source.Config().Database), postgres.Options{Settings: map[string]string{"application_name": "billing"}})
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close(t.Context())) }()
	run(t, other, `begin; insert into orders values (1); prepare transaction 'it''s waiting'; begin; insert into orders values (2)`)
	t.Cleanup(func() {
		run(t, connect(t, localtest.Server(t).DSN(source.Config().Database)), `rollback prepared 'it''s waiting'`)
	})

	found := findings(t, source, database(t), inspect.Options{LongTransaction: time.Nanosecond})
	prepared := find(t, found, "prepared-transaction", `prepared transaction 'it''s waiting'`)
	require.Equal(t, inspect.Refusal, prepared.Severity)
	require.Equal(t, `COMMIT PREPARED 'it''s waiting' or ROLLBACK PREPARED 'it''s waiting'`, prepared.Hint)
	open := find(t, found, "open-session", "database "+source.Config().Database)
	require.Equal(t, inspect.Warning, open.Severity)
	require.Contains(t, open.Message, "has 1 other session, ")
	require.Contains(t, open.Message, "(billing as ")
	var long []inspect.Finding
	for _, f := range found {
		if f.Code == "long-transaction" {
			long = append(long, f)
		}
	}
	require.Len(t, long, 1)
	require.Contains(t, long[0].Object, "billing")
	require.Contains(t, long[0].Message, "idle in transaction")
	require.NotContains(t, strings.Join(brief(findings(t, source, database(t), inspect.Options{})), "\n"), "long-transaction", "a young one is no news")
}

func TestCheckVacuum(t *testing.T) {
	t.Parallel()
	source := database(t, `create table big (id integer) with (autovacuum_enabled = off); insert into big select generate_series(1, 100000); delete from big`)
	other := connect(t, localtest.Server(t).DSN(source.Config().Database))
	done := make(chan error, 1)
	go func() {
		done <- postgres.Script(t.Context(), other, `set vacuum_cost_delay = '100ms'; set vacuum_cost_limit = 1`)
		_, err := other.Exec(t.Context(), `vacuum big`)
		done <- err
	}()
	require.NoError(t, <-done)
	target := database(t)
	var seen []inspect.Finding
	for deadline := time.Now().Add(20 * time.Second); len(seen) == 0 && time.Now().Before(deadline); {
		for _, f := range findings(t, source, target, inspect.Options{}) {
			if f.Code == "vacuum" {
				seen = append(seen, f)
			}
		}
	}
	require.Equal(t, []string{"note vacuum table public.big"}, brief(seen))
	require.NoError(t, other.PgConn().CancelRequest(t.Context()))
	require.Error(t, <-done, "still running, by its delays")
}
