package localtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
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
	lock, err := os.Create(path + ".lock")
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	// What is there is linked again only if it differs. Others may be running the program: they keep the file that they began with.
	built := path + ".built"
	build := exec.Command("go", "build", "-tags", tags, "-buildvcs=false", "-o", built, "tenantctl/cmd/tenantctl")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w: %s", err, out)
	}
	own := fmt.Sprintf("%s.%d", path, os.Getpid())
	defer os.Remove(own)
	if err := os.Link(built, own); err != nil {
		return "", err
	}
	return path, os.Rename(own, path)
}
