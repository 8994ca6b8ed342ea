package local_test

import (
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local"
	"tenantctl/internal/tenant"
)

// One test for the broker's whole life: a node takes many seconds to boot.
func TestBroker(t *testing.T) {
	t.Parallel()
	if err := local.BrokerInstalled(); err != nil {
		t.Skip("RabbitMQ isn't installed: ", err)
	}
	dir := stateDir(t)
	stack := up(t, local.Options{Dir: dir, Parts: local.PartBroker})
	require.Nil(t, stack.Postgres, "nobody asked for PostgreSQL")
	require.NoError(t, stack.Broker.Ping(t.Context()))
	require.True(t, strings.HasPrefix(stack.Broker.URL(), "amqp://tenantctl:"))

	require.NoError(t, syscall.Kill(stack.Broker.PID(), syscall.SIGKILL))
	require.Eventually(t, func() bool { return stack.Broker.PID() == 0 }, waitLimit, tick)
	found, err := local.Find(dir)
	require.NoError(t, err)
	require.Equal(t, local.StateStopped, found.Status(t.Context())[0].State)
	hold(t, strings.TrimPrefix(found.Status(t.Context())[0].Address, "amqp://"))
	again := up(t, local.Options{Dir: dir, Parts: local.PartBroker})
	require.Equal(t, local.PartBroker, again.Started)
	require.Equal(t, stack.Broker.URL(), again.Broker.URL())
	require.Equal(t, local.StateRunning, again.Status(t.Context())[0].State)

	pid := again.Broker.PID()
	require.NoError(t, local.Down(t.Context(), dir, local.RemoveData))
	requireGone(t, pid)
	require.NoDirExists(t, dir)
	require.Empty(t, processesOf(t, dir), "epmd is one of them")
	_, err = net.Dial("tcp4", strings.TrimPrefix(again.Status(t.Context())[0].Address, "amqp://"))
	require.Error(t, err)
}

// hold listens on an address for a moment, as a server does that was killed and isn't quite gone.
func hold(t *testing.T, address string) {
	t.Helper()
	listener, err := net.Listen("tcp4", address)
	require.NoError(t, err)
	time.AfterFunc(10*tick, func() { _ = listener.Close() })
}

// What a server is known by stays, even if what had its port goes a moment too late.
func TestAPortThatComesFreeIsKept(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	address := up(t, local.Options{Dir: dir}).Status(t.Context())[0].Address
	require.NoError(t, local.Down(t.Context(), dir, local.KeepData))
	hold(t, address)
	require.Equal(t, address, up(t, local.Options{Dir: dir}).Status(t.Context())[0].Address)
}

func TestBrokerMissing(t *testing.T) {
	t.Parallel()
	err := local.BrokerInstalled()
	if err == nil {
		t.Skip("RabbitMQ is installed")
	}
	dir := stateDir(t)
	_, err = local.Up(t.Context(), local.Options{Dir: dir, Parts: local.PartPostgres | local.PartBroker})
	require.ErrorIs(t, err, tenant.ErrNotFound)
	require.NotEmpty(t, tenant.Hints(err))
	require.NoDirExists(t, dir, "nothing is begun that can't be finished")
}
