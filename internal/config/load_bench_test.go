package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fleet is a file of n tenants: of one line each, or with everything that most of them would say before their move.
func fleet(n int, full bool) []byte {
	var b strings.Builder
	b.WriteString("version: 1\ninstances:\n  shared-1: { dsn: ${SHARED_1_DSN} }\nservices:\n  auth: { migrations: builtin }\n  core: { migrations: builtin }\n" +
		"rollout:\n  rings: [ { name: canary }, { name: general } ]\ntenants:\n")
	for i := range n {
		if !full {
			fmt.Fprintf(&b, "  client-%05d: { ring: canary }\n", i)
			continue
		}
		fmt.Fprintf(&b, "  client-%05d:\n    instance: shared-1\n    ring: canary\n    state: active\n    legacy:\n      dsn: ${CLIENT_%05d_DSN}\n"+
			"      mapping: mappings/client-%05d.yaml\n    limits: { statementTimeout: 30s, jobs: 4 }\n"+
			"    move: { window: \"Sat 02:00-05:00 Europe/Berlin\" }\n", i, i, i)
	}
	return []byte(b.String())
}

func BenchmarkParse10000(b *testing.B) {
	for name, full := range map[string]bool{"short": false, "full": true} {
		b.Run(name, func(b *testing.B) {
			data := fleet(10_000, full)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				_, err := Parse("tenants.yaml", data)
				require.NoError(b, err)
			}
		})
	}
}

// The place of each of 10,000 problems is looked up in a file of 10,000 tenants: a walk over all of them for each would take
// a minute, this takes less than a second on an idle machine.
func TestManyProblemsAreFoundInTime(t *testing.T) {
	data := strings.ReplaceAll(string(fleet(10_000, true)), "ring: canary\n", "ring: canery\n")
	began := time.Now()
	_, err := Parse("tenants.yaml", []byte(data))
	var problems Problems
	require.ErrorAs(t, err, &problems)
	require.Len(t, problems, 10_000)
	require.Less(t, time.Since(began), 15*time.Second)
}
