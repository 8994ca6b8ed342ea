package localtest

import (
	_ "embed"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local"
)

//go:embed testdata/clock.c
var clockSource []byte

// Clock is a server's, which can be wrong. Seen from the server, every process that asks it is wrong the other way.
type Clock struct {
	t    testing.TB
	file string
}

// NewClockedServer is NewServer with a clock that can be set. It skips the test where there is no C compiler.
func NewClockedServer(t testing.TB, settings map[string]string, off time.Duration) (*local.Postgres, *Clock) {
	t.Helper()
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler: a server's clock can't be set wrong")
	}
	dir := Folder(t)
	c := &Clock{t: t, file: filepath.Join(dir, "clock")}
	c.Set(off)
	source, library := filepath.Join(dir, "clock.c"), filepath.Join(dir, "clock.so")
	require.NoError(t, os.WriteFile(source, clockSource, 0o600))
	out, err := exec.Command(compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl").CombinedOutput()
	require.NoError(t, err, string(out))
	require.NoError(t, os.Chmod(library, 0o755)) //nolint:gosec // the server's user loads it
	server := NewServer(t, settings, ServerOptions{Environment: []string{"LD_PRELOAD=" + library, "CLOCK=" + c.file}})
	return server, c
}

// Set sets the clock off by so much, in whole seconds, while the server runs.
func (c *Clock) Set(off time.Duration) {
	c.t.Helper()
	file, err := os.OpenFile(c.file, os.O_CREATE|os.O_WRONLY, 0o644) //nolint:gosec // the server's user reads it
	require.NoError(c.t, err)
	_, err = file.Write(binary.NativeEndian.AppendUint64(nil, uint64(off/time.Second))) //nolint:gosec // negative ones, too
	require.NoError(c.t, err)
	require.NoError(c.t, file.Close())
}
