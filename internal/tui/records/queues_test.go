package records_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/tui"
)

// TestWhatWaitsIsAskedForNowAndThen has an instance and the broker tell how much waits there, and one of them fail.
func TestWhatWaitsIsAskedForNowAndThen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	instances, brokers := 0, 0
	b.source.Waiting = func(_ context.Context, instance string) ([]tui.Queue, error) {
		instances++
		return []tui.Queue{{Instance: instance, Name: "jobs of core", Waiting: 3}}, nil
	}
	b.source.Broker = func(context.Context) ([]tui.Queue, error) {
		brokers++
		return []tui.Queue{{Name: "parked (broker)", Waiting: 2, Parked: true}}, errors.New("it went away, with its secret")
	}
	for range 3 {
		queues, err := b.source.Queues(t.Context())
		require.EqualError(t, err, "it went away, with its ***")
		require.Equal(t, []tui.Queue{{Instance: "shared-1", Name: "jobs of core", Waiting: 3}, {Name: "parked (broker)", Waiting: 2, Parked: true}}, queues, "what one of them says is shown without the other")
	}
	require.Equal(t, 1, instances)
	require.Equal(t, 1, brokers)
}
