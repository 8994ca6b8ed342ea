// Package faults moves a client's database by the real program between real servers while everything goes wrong that can: the
// program is killed, servers are away, disks are full, people interfere. What has to hold afterwards is in check_test.go.
package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// program is the program as these tests run it: with the moments in it at which it can be killed. It is built once.
func program(t testing.TB) string {
	t.Helper()
	path, err := built()
	require.NoError(t, err)
	return path
}

var built = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	path := filepath.Join(cache, "tenantctl", "tenantctl-pausepoints")
	// Several test processes may build at once: each makes a file of its own and puts it in its place in one step.
	own := fmt.Sprintf("%s.%d", path, os.Getpid())
	build := exec.Command("go", "build", "-tags", "pausepoints", "-buildvcs=false", "-o", own, "tenantctl/cmd/tenantctl")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w: %s", err, out)
	}
	return path, os.Rename(own, path)
})
