package localtest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// SmallDisk mounts a disk of some megabytes and returns a folder on it that a server may use as a tablespace, or that takes a
// whole server (ServerOptions.Dir; some 60 MB are taken by an empty one). The test is skipped where mounting isn't allowed.
func SmallDisk(t testing.TB, megabytes int) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root mounts a small disk")
	}
	mount := filepath.Join(Folder(t), "disk")
	require.NoError(t, os.Mkdir(mount, 0o711))
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm,mode=711", megabytes), "tmpfs", mount).CombinedOutput()
	if err != nil {
		t.Skipf("mount a small disk: %v: %s", err, out)
	}
	t.Cleanup(func() {
		out, err := exec.Command("umount", "-l", mount).CombinedOutput()
		require.NoError(t, err, string(out))
	})
	folder := filepath.Join(mount, "files")
	require.NoError(t, os.Mkdir(folder, 0o700))
	if owner, err := user.Lookup("postgres"); err == nil {
		out, err := exec.Command("chown", owner.Uid+":"+owner.Gid, folder).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	return folder
}
