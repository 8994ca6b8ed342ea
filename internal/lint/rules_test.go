package lint_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/lint"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
	"tenantctl/internal/stream"
)

// TestExamples shows for each example of each rule that it is found, that what is proposed instead isn't, and that it runs.
func TestExamples(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, rule := range lint.Rules() {
		require.False(t, seen[rule.ID], "%s is there twice", rule.ID)
		seen[rule.ID] = true
		require.NotEmpty(t, rule.What, rule.ID)
		require.NotEmpty(t, rule.Why, rule.ID)
		for i, example := range rule.Examples {
			t.Run(fmt.Sprintf("%s_%d", rule.ID, i), func(t *testing.T) {
				t.Parallel()
				proposed := requireFound(t, rule, example)
				for _, safe := range [][]string{proposed.Files, example.Safe} {
					if len(safe) > 0 {
						requireSafe(t, rule, example, safe)
						requireRuns(t, example, safe)
					}
				}
			})
		}
	}
	for _, id := range append(numbered("R", 32), numbered("T", 7)...) {
		require.True(t, seen[id], "no rule %s", id)
	}
}

func numbered(letter string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s%d", letter, i+1)
	}
	return ids
}

// requireFound wants the rule to find its example, and nothing in what ran before.
func requireFound(t *testing.T, rule lint.Rule, example lint.Example) lint.Rewrite {
	t.Helper()
	report := judge(t, lint.Input{Stream: read(t, example.BadFiles())}, 40)
	var found []lint.Finding
	for _, file := range report.Services[0].Files {
		if file.Version <= example.Since() {
			require.NotContains(t, rules(file.Findings), rule.ID, "%s says something about what ran before", file.Path)
			continue
		}
		found = append(found, file.Findings...)
	}
	i := slices.IndexFunc(found, func(f lint.Finding) bool { return f.Rule == rule.ID })
	require.GreaterOrEqual(t, i, 0, "%s isn't found; found was %v", example.Bad, rules(found))
	require.NotEmpty(t, found[i].Rewrite.String())
	require.Positive(t, found[i].Line)
	return found[i].Rewrite
}

// requireSafe wants the rule to find nothing in what is proposed, and no other rule an error.
func requireSafe(t *testing.T, rule lint.Rule, example lint.Example, safe []string) {
	t.Helper()
	report := judge(t, lint.Input{Stream: read(t, example.SafeFiles(safe)), Since: example.Since()}, 40)
	for _, f := range all(judge(t, lint.Input{Stream: read(t, example.SafeFiles(safe))}, 40)) {
		require.NotEqual(t, rule.ID, f.Rule, "%s: %s", strings.Join(safe, "\n"), f.Message)
	}
	for _, f := range all(report) {
		require.NotEqual(t, lint.Error, f.Severity, "%s in %s: %s", f.Rule, strings.Join(safe, "\n"), f.Message)
	}
}

// requireRuns runs what is proposed behind what ran before, as a rollout would.
func requireRuns(t *testing.T, example lint.Example, safe []string) {
	t.Helper()
	conn := connect(t, localtest.Database(t))
	exec(t, conn, `create schema tenant_a`)
	require.NoError(t, stream.Prepare(t.Context(), conn))
	s := read(t, example.SafeFiles(safe))
	target := stream.Target{Schema: "tenant_a"}
	_, err := stream.Apply(t.Context(), conn, target, s, example.Since())
	require.NoError(t, err)
	exec(t, conn, `insert into tenant_a.customers (name, email) values ('Ada', 'ada@example.com'), ('Bo', 'bo@example.com');
		insert into tenant_a.orders (customer_id, total) values (1, 10), (2, 20.5)`)
	for _, version := range s.Versions() {
		if version <= example.Since() {
			continue
		}
		_, err := stream.Apply(t.Context(), conn, target, s, version)
		require.NoError(t, err, strings.Join(safe, "\n-- next\n"))
		fill(t, conn)
	}
}

// fill does what the job of a service would: give new columns a value.
func fill(t *testing.T, conn postgres.Querier) {
	t.Helper()
	rows, err := conn.Query(t.Context(), `select format('update tenant_a.%I set %I = coalesce(%2$I, %L)', relname, attname, 'EUR')
		from pg_attribute join pg_class c on c.oid = attrelid
		where relnamespace = 'tenant_a'::regnamespace and relkind = 'r' and attname = 'currency'`)
	require.NoError(t, err)
	var updates []string
	for rows.Next() {
		var update string
		require.NoError(t, rows.Scan(&update))
		updates = append(updates, update)
	}
	require.NoError(t, rows.Err())
	for _, update := range updates {
		_, err := conn.Exec(t.Context(), update)
		require.NoError(t, err)
	}
}
