package local_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	osexec "os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local"
)

const (
	waitLimit = 30 * time.Second
	tick      = 20 * time.Millisecond
	// starterVariable makes this test's binary a process that starts the stack of a folder and waits to be killed.
	starterVariable = "LOCAL_TEST_START_IN"
)

func startAndWait(dir string) int {
	if _, err := local.Up(context.Background(), local.Options{Dir: dir}); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("up")
	select {}
}

// A stack is for the next command too: neither the end of the command that started it nor a signal to its process group
// takes it along.
func TestStackOutlivesItsStarter(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	cmd := osexec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), starterVariable+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "up", strings.TrimSpace(line))
	require.NoError(t, syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL))
	require.Error(t, cmd.Wait())

	stack := up(t, local.Options{Dir: dir})
	require.Zero(t, stack.Started)
	require.NoError(t, stack.Postgres.Ping(t.Context()))
	require.NoError(t, local.Down(t.Context(), dir, local.RemoveData))
	require.Empty(t, processesOf(t, dir))
}
