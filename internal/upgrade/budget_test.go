package upgrade

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/config"
)

func TestFailuresInARow(t *testing.T) {
	t.Parallel()
	const ok, bad, late = Upgraded, Failed, Deferred
	for name, c := range map[string]struct {
		consecutive int
		results     []Result
		why         string
	}{
		"in a row":       {3, []Result{ok, bad, late, bad}, "3 tenants failed one after the other, the budget allows fewer than 3"},
		"with successes": {3, []Result{bad, bad, ok, bad, bad}, ""},
		"off":            {0, []Result{bad, bad, bad, bad, bad}, ""},
	} {
		b := newBudget(config.Budget{Failures: 50, Percent: 100, Consecutive: c.consecutive}, 100)
		for _, result := range c.results {
			b.count(result)
		}
		require.Equal(t, c.why, b.spent(), name)
	}
}
