package compare

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/test/fixture"
)

func simpleSchemas() map[string]string {
	return map[string]string{"public": "tenant_x", "audit": "tenant_x__audit"}
}

// renameSchemas lifts the simple schema where it is.
const renameSchemas = `
	create schema ext; alter extension citext set schema ext; alter schema public rename to tenant_x; alter schema audit rename to tenant_x__audit;
	alter function tenant_x.own_path() set search_path = tenant_x, ext; set search_path = tenant_x, ext;`

// introduced is a difference made on purpose, in the renamed copy, and the line that must tell of it.
type introduced struct{ sql, line string }

func TestRenamedCopyDoesNotDiffer(t *testing.T) {
	t.Parallel()
	want := simple(t, "")
	target := localtest.Database(t)
	loadSimple(t, target, renameSchemas)
	require.Empty(t, Diff(want, Tenant(t, connect(t, target), simpleSchemas())))
}

// TestEachDifferenceIsFound makes each difference in a transaction of its own, which is undone.
func TestEachDifferenceIsFound(t *testing.T) {
	t.Parallel()
	want := simple(t, "")
	dsn := localtest.Database(t)
	loadSimple(t, dsn, renameSchemas)
	conn := connect(t, dsn)
	sequences, err := sequencePositions(t.Context(), conn, As{Schemas: simpleSchemas()})
	require.NoError(t, err)
	var missed []string
	for _, made := range append(catalogDifferences(), rowDifferences()...) {
		if err := postgres.Script(t.Context(), conn, `begin; set local search_path = tenant_x, ext; `+made.sql); err != nil {
			missed = append(missed, made.sql+" can't be done: "+err.Error())
		} else if lines := Diff(want, Tenant(t, conn, simpleSchemas())); !anyContains(lines, made.line) {
			missed = append(missed, made.sql+": no line holds "+made.line+":\n\t"+strings.Join(lines, "\n\t"))
		}
		require.NoError(t, postgres.Script(t.Context(), conn, `rollback; `+sequences))
	}
	require.Empty(t, missed, strings.Join(missed, "\n"))
}

// TestAddedDifferenceOnTheLegacyIsFound: what only the legacy has was lost on the way.
func TestAddedDifferenceOnTheLegacyIsFound(t *testing.T) {
	t.Parallel()
	want := simple(t, `create table lost (id integer); insert into parent (name) values ('lost');
		create view lost_view as select 1 as one; create function lost_function() returns integer language sql as 'select 1';
		alter table child alter amount set statistics 7`)
	target := localtest.Database(t)
	loadSimple(t, target, renameSchemas)
	lines := Diff(want, Tenant(t, connect(t, target), simpleSchemas()))
	for _, line := range []string{
		"table ‹public›.lost: missing", "rows of ‹public›.parent: legacy 3, tenant 2", "view ‹public›.lost_view: missing",
		"function ‹public›.lost_function(): missing", `column amount statistics target: legacy «7», tenant «-1»`,
	} {
		require.True(t, anyContains(lines, line), "no line holds %q:\n%s", line, strings.Join(lines, "\n"))
	}
}

func TestSchemaLeftOutIsAnError(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	loadSimple(t, dsn, `create schema forgotten; create table forgotten.t (id integer)`)
	require.ErrorContains(t, complete(t.Context(), connect(t, dsn), simpleSchemas()), `"forgotten"`)
}

func anyContains(lines []string, part string) bool {
	for _, line := range lines {
		if strings.Contains(line, part) {
			return true
		}
	}
	return false
}

// simple is the state of the simple schema as a legacy, after something more was done to it.
func simple(t *testing.T, more string) State {
	t.Helper()
	dsn := localtest.Database(t)
	loadSimple(t, dsn, more)
	return Legacy(t, connect(t, dsn), simpleSchemas())
}

func loadSimple(t *testing.T, dsn, more string) {
	t.Helper()
	body, err := os.ReadFile("testdata/simple.sql")
	require.NoError(t, err)
	fixture.LoadSQL(t, dsn, string(body)+"\n"+more+";")
}
