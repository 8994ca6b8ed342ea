package moves_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/test/compare"
	"tenantctl/test/fixture"
)

// Each edge is refused by name, reported by name, or moved so that nothing differs; never carried wrongly without a word.
func TestEdges(t *testing.T) {
	t.Parallel()
	for _, edge := range fixture.Edges(t) {
		t.Run(filepath.Base(edge.Name), func(t *testing.T) {
			t.Parallel()
			if edge.Needs != "" && localtestSetting(t, edge.Needs) == "0" {
				t.Skipf("the test server has %s = 0", edge.Needs)
			}
			options := localtest.DatabaseOptions{Encoding: edge.Encoding}
			if edge.Encoding != "" {
				options.Locale = "C" // the only one that goes with every encoding
			}
			source := localtest.DatabaseAs(t, options)
			b := setup(t, source, lifted)
			fixture.Load(t, b.source, edge.Name)
			moveEdge(t, b, edge)
		})
	}
}

func localtestSetting(t *testing.T, name string) (value string) {
	t.Helper()
	conn, err := postgres.Connect(t.Context(), localtest.Database(t), postgres.Options{Application: "test"})
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	require.NoError(t, conn.QueryRow(t.Context(), "select current_setting($1)", name).Scan(&value))
	return value
}

func moveEdge(t *testing.T, b *bundle, edge fixture.Edge) {
	t.Helper()
	source := b.connect(b.source)
	schemas := compare.Schemas(t, source, "tenant_client_x")
	var before []compare.Answer
	if edge.App != nil {
		before = compare.Answers(t, b.connect(b.source), edge.App, compare.As{})
	}
	was := compare.Legacy(t, source, schemas)
	code, stdout, stderr := b.tenantctl("migrate", "client-x", "--yes", "-o", "json")
	said := strings.ToLower(stdout + stderr)
	if code != 0 {
		require.NotContains(t, []fixture.Verdict{fixture.Reported, fixture.Moved}, edge.Verdict, "%s\n%s", edge.Why, said)
		require.Contains(t, said, strings.ToLower(edge.Want), edge.Why)
		require.NotContains(t, said, "panic", edge.Why)
		return
	}
	require.NotEqual(t, fixture.Refused, edge.Verdict, "%s: moved\n%s", edge.Why, said)
	if edge.Verdict == fixture.Reported || edge.Differs != "" {
		require.Contains(t, said, strings.ToLower(edge.Want), edge.Why)
	}
	if edge.Verdict != fixture.Reported {
		require.Empty(t, unsaid(edge, compare.Diff(was, compare.Tenant(t, b.connect(b.target), schemas))), edge.Why)
	}
	if edge.App != nil {
		require.Empty(t, compare.SameAnswers(before, compare.Answers(t, b.connect(b.target), edge.App, b.tenant(schemas))), edge.Why)
	}
}

// unsaid are the differences that an edge doesn't announce.
func unsaid(edge fixture.Edge, lines []string) (unsaid []string) {
	for _, line := range lines {
		if edge.Differs == "" || !strings.Contains(line, edge.Differs) {
			unsaid = append(unsaid, line)
		}
	}
	return unsaid
}
