package operator

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A replica takes the database's time over its own within a heartbeat.
func TestAReplicaTakesTheDatabasesTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.declare("  a: {}\n")
	opts := b.options(&shop{})
	opts.Clock.set(time.Now().Add(time.Hour))
	require.WithinDuration(t, time.Now().Add(time.Hour), opts.Clock.Now(), time.Minute)
	b.run(opts)
	b.stands("a=active")
	require.WithinDuration(t, time.Now(), opts.Clock.Now(), time.Minute)
}
