package lint_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/lint"
)

// FuzzEscape wants of every comment that it is an escape with rules and a reason, or one with a fault, or none.
func FuzzEscape(f *testing.F) {
	for _, seed := range []string{
		"-- lint:ignore R1 why", "-- lint:ignore R1,R2, T3 why", "/* lint:ignore-file R32: why */", "-- lint:ignore", "-- LINT:IGNORE R1", "--lint:ignore\tR1\twhy",
		"-- lint:ignore R1,,R2 why", "-- lint:ignore ,R1 why", "-- lint:ignore R1 \x00", "-- lint:ignore R18446744073709551616 x", "-- nolint", "--", "/**/", "/*", "-- lint:ignore R1 \xff",
	} {
		f.Add(seed)
	}
	known := map[string]bool{}
	for _, rule := range lint.Rules() {
		known[rule.ID] = true
	}
	f.Fuzz(func(t *testing.T, comment string) {
		rules, reason, fault, ok := lint.ParseEscape(comment)
		if !ok || fault != "" {
			return
		}
		require.NotEmpty(t, strings.TrimSpace(reason))
		require.NotEmpty(t, rules)
		for _, rule := range rules {
			require.True(t, known[rule], rule)
		}
		require.Contains(t, comment, "lint:ignore")
	})
}
