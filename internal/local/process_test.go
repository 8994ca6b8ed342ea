package local

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A helper that doesn't end is killed, and so is what it had started between being found and being killed.
func TestHelpersThatStayAreKilled(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		t.Skip("processes can't be told by their home here: ", err)
	}
	home := t.TempDir()
	cmd := exec.Command("sh", "-c", `while :; do sleep 100 & sleep 0.002; done`)
	cmd.Env = serverEnvironment(home)
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { return len(processesAt(home)) > 5 }, stopTimeout, pollInterval)
	began := time.Now()
	require.NoError(t, endAll(t.Context(), home, 100*time.Millisecond))
	require.GreaterOrEqual(t, time.Since(began), 100*time.Millisecond, "they had their time")
	require.Empty(t, processesAt(home))
	require.Error(t, cmd.Wait())
}
