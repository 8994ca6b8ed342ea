//go:build soak

package bus_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/operation/pause"
	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/tenant"
)

// Killed at any moment, relay and consumer leave what the next ones finish: every effect is there once.
func TestSoakKilledAtEachPoint(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	binary := filepath.Join(t.TempDir(), "bus.test")
	out, err := exec.Command("go", "test", "-c", "-tags", "pausepoints", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	for _, point := range pause.All() {
		if !strings.HasPrefix(string(point), "bus.") {
			continue
		}
		for i := range 3 {
			b.mustPublish(t, "a", i)
		}
		b.mustPublish(t, "a", "twice")
		switch point {
		case pause.BusLossTold, pause.BusSentAgain:
			b.deleteQueue(t, "shop")
		case pause.BusReplayed:
			b.killedReplaying(t, binary)
			continue
		}
		died := b.run(t, binary, childOptions{}, "TENANTCTL_KILL_AT="+string(point))
		require.Equal(t, syscall.SIGKILL, died(patience), "%s wasn't reached", point)
		b.finish(t, binary)
	}
}

// finish runs the child until the ledger is settled.
func (b *bundle) finish(t *testing.T, binary string, environment ...string) {
	t.Helper()
	died := b.run(t, binary, childOptions{}, environment...)
	b.settled(t, "a")
	died(0)
}

// killedReplaying parks a message and kills who replays it when it is in two queues.
func (b *bundle) killedReplaying(t *testing.T, binary string) {
	t.Helper()
	b.mustPublish(t, "a", "parked")
	died := b.run(t, binary, childOptions{})
	b.parked(t, 1)
	died(0)
	died = b.run(t, binary, childOptions{Replay: true}, "TENANTCTL_KILL_AT="+string(pause.BusReplayed))
	require.Equal(t, syscall.SIGKILL, died(patience))
	b.parked(t, 1)
	died = b.run(t, binary, childOptions{Replay: true})
	require.Zero(t, died(patience))
	b.parked(t, 0)
	b.finish(t, binary, "MENDED=1")
}

// run starts a child. What it returns waits for its end, after which it is killed, and tells by which signal it ended.
func (b *bundle) run(t *testing.T, binary string, opts childOptions, environment ...string) (died func(time.Duration) syscall.Signal) {
	t.Helper()
	opts.Control, opts.Prefix, opts.Namespace, opts.URL = b.Config.ConnString(), b.Prefix, b.namespace, b.url
	opts.Logins = map[string]string{}
	for service, cell := range map[string]string{"shop": "c1", bus.Service: "shared"} {
		dsn, err := b.Login(service)(t.Context(), scope.Cell{Cell: cell})
		require.NoError(t, err)
		opts.Logins[service] = dsn
	}
	text, err := json.Marshal(opts)
	require.NoError(t, err)
	cmd := exec.Command(binary)
	cmd.Env = append(append(os.Environ(), childVariable+"="+string(text)), environment...)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	require.NoError(t, cmd.Start())
	return func(limit time.Duration) syscall.Signal {
		timer := time.AfterFunc(limit, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
		defer timer.Stop()
		var exit *exec.ExitError
		if err := cmd.Wait(); errors.As(err, &exit) {
			return exit.Sys().(syscall.WaitStatus).Signal()
		}
		return 0
	}
}

// Longer than what every run of the suite does: the broker itself is killed, and short of memory.
func TestSoakNothingIsLostOrDoneTwice(t *testing.T) {
	b := setup(t, "a", "b", "c")
	names := []tenant.Name{"a", "b", "c"}
	p := b.through(t)
	b.relay(t)
	b.relay(t)
	b.consumer(t)
	b.consumer(t)
	stop := b.writers(t, names...)
	b.more(t, names...)

	localtest.RabbitMQCtl(t, "set_vm_memory_high_watermark", "absolute", "1MB")
	time.Sleep(300 * time.Millisecond) // writes go on meanwhile, and pile up in the outbox
	causes, missing, _ := b.ledger(t, names...)
	require.Positive(t, missing, "the broker took messages in spite of its alarm: %d", causes)
	localtest.RabbitMQCtl(t, "set_vm_memory_high_watermark", "0.4")
	b.more(t, names...)
	t.Log("the broker was short of memory")

	for range 3 {
		localtest.RestartBroker(t)
		b.more(t, names...)
		p.Cut()
		b.more(t, names...)
	}
	t.Log("the broker was killed and started")

	stop()
	t.Logf("%d events", b.settled(t, names...))
}
