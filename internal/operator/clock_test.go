package operator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Replicas whose clocks differ by two hours take the database's time before they begin any work: none puts off what another takes up.
func TestReplicasTakeTheDatabasesTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var file strings.Builder
	var want []string
	for i := range 2 * few {
		fmt.Fprintf(&file, "  t-%02d: {}\n", i)
		want = append(want, fmt.Sprintf("t-%02d=active", i))
	}
	b.declare("%s", file.String())
	for _, off := range []time.Duration{time.Hour, -time.Hour} {
		opts := b.options(&shop{})
		opts.Clock.set(time.Now().Add(off))
		require.WithinDuration(t, time.Now().Add(off), opts.Clock.Now(), time.Minute)
		b.run(opts)
		b.eventually("the database's time", func() bool { return time.Since(opts.Clock.Now()).Abs() < time.Minute })
	}
	b.stands(want...)
	require.Equal(t, "0", b.Text(t, `select count(*)::text from tenantctl_river.river_job where abs(extract(epoch from scheduled_at - now())) > 600`))
	b.eventually("each was made once", func() bool { return b.count("tenant.provisioned") == len(want) })
}
