package localtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local"
)

// Broker is a private RabbitMQ that tests of this process share; each uses names of its own on it. The test is skipped where
// RabbitMQ isn't installed.
func Broker(t testing.TB) *local.Broker {
	t.Helper()
	if err := local.BrokerInstalled(); err != nil {
		t.Skip("RabbitMQ isn't installed: ", err)
	}
	broker, err := shared.broker()
	require.NoError(t, err, "start the private RabbitMQ of the tests")
	return broker
}

// RestartBroker kills the shared RabbitMQ and starts it again, at the same address and with what it had on disk.
func RestartBroker(t testing.TB) {
	t.Helper()
	KeepBrokerAway(t, 0)
}

// KeepBrokerAway is RestartBroker with some time in between.
func KeepBrokerAway(t testing.TB, away time.Duration) {
	t.Helper()
	require.NoError(t, syscall.Kill(Broker(t).PID(), syscall.SIGKILL))
	time.Sleep(away)
	shared.mutex.Lock()
	defer shared.mutex.Unlock()
	require.NoError(t, shared.upBroker())
}

// RabbitMQCtl runs rabbitmqctl on the shared RabbitMQ, in the node's own environment and as its user.
func RabbitMQCtl(t testing.TB, args ...string) string {
	t.Helper()
	pid := Broker(t).PID()
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		t.Skip("the node's environment can't be read: ", err)
	}
	node, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	require.NoError(t, err)
	cmd := exec.CommandContext(context.Background(), "/usr/lib/rabbitmq/bin/rabbitmqctl", args...)
	cmd.Env = strings.Split(strings.TrimRight(string(environment), "\x00"), "\x00")
	cmd.Dir = "/"
	if stat, ok := node.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Getuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}}
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "rabbitmqctl %s: %s", strings.Join(args, " "), out)
	return string(out)
}

func (s *state) broker() (*local.Broker, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.stack != nil || s.brokerFailed != nil {
		return s.running(), s.brokerFailed
	}
	s.brokerDir, s.brokerFailed = s.folderLocked(inMemory)
	if s.brokerFailed == nil {
		s.brokerFailed = s.upBroker()
	}
	return s.running(), s.brokerFailed
}

func (s *state) running() *local.Broker {
	if s.stack == nil {
		return nil
	}
	return s.stack.Broker
}

func (s *state) upBroker() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	s.stack, err = local.Up(ctx, local.Options{Dir: s.brokerDir, Parts: local.PartBroker})
	return err
}

func (s *state) downBroker() error {
	if s.brokerDir == "" {
		return nil
	}
	return local.Down(context.Background(), s.brokerDir, local.RemoveData)
}
