//go:build soak

package platform

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
)

// The same for longer, and while PostgreSQL and RabbitMQ themselves are killed.
func TestSoakEachCauseHasItsEffectOnce(t *testing.T) {
	server := localtest.NewServer(t, map[string]string{"synchronous_commit": "on"}, localtest.ServerOptions{})
	w := newWorks(t, server)
	ctx, stop := context.WithCancel(t.Context())
	stopped := w.people(ctx)
	for range 3 {
		w.faults(20*time.Second, withMail)
		require.NoError(t, server.Kill(t.Context()))
		time.Sleep(time.Second)
		require.NoError(t, server.Start(t.Context()))
		w.faults(10*time.Second, withMail)
		localtest.RestartBroker(t)
	}
	stop()
	stopped()
	w.settle(10 * time.Minute) // a mail's third try comes after five
}

// The same while the server's clock steps, for longer, and PostgreSQL is killed, too.
func TestSoakEachCauseHasItsEffectOnceWhileTheClockSteps(t *testing.T) {
	server, clock := localtest.NewClockedServer(t, map[string]string{"synchronous_commit": "on"}, -time.Hour)
	w := newWorks(t, server)
	ctx, stop := context.WithCancel(t.Context())
	stopped := w.people(ctx)
	for range 3 {
		w.steps(clock, 20*time.Second, withMail)
		require.NoError(t, server.Kill(t.Context()))
		clock.Set(-time.Hour)
		require.NoError(t, server.Start(t.Context()))
		w.steps(clock, 10*time.Second, withMail)
	}
	clock.Set(-time.Hour)
	stop()
	stopped()
	w.settle(10 * time.Minute)
	w.morning(clock)
}
