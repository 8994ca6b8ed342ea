package localtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Program builds the program, with build tags if there are any, and returns its path. It is built once in each test process, and
// stays in the user's cache for the next.
func Program(t testing.TB, tags string) string {
	t.Helper()
	build, _ := programs.LoadOrStore(tags, sync.OnceValues(func() (string, error) { return buildProgram(tags) }))
	path, err := build.(func() (string, error))()
	require.NoError(t, err)
	return path
}

var programs sync.Map //nolint:gochecknoglobals // what this process has built, by tags

func buildProgram(tags string) (string, error) {
	name := "tenantctl"
	if tags != "" {
		name += "-" + tags
	}
	path := filepath.Join(cacheDir(), name)
	// Several test processes may build at once: each makes a file of its own and puts it in its place in one step.
	own := fmt.Sprintf("%s.%d", path, os.Getpid())
	build := exec.Command("go", "build", "-tags", tags, "-buildvcs=false", "-o", own, "tenantctl/cmd/tenantctl")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w: %s", err, out)
	}
	return path, os.Rename(own, path)
}
