package local

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whoever waits for the lock while Down removes the folder gets the lock of the folder's next life, not that of a file that is
// no longer there.
func TestLockOfRemovedFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	first, err := lockFolder(t.Context(), dir)
	require.NoError(t, err)
	second := make(chan *folderLock)
	go func() {
		lock, _ := lockFolder(t.Context(), dir)
		second <- lock
	}()
	require.NoError(t, removeHome(dir))
	first.release()
	lock := <-second
	require.NotNil(t, lock)
	defer lock.release()
	ctx, cancel := context.WithTimeout(t.Context(), 3*lockInterval)
	defer cancel()
	_, err = lockFolder(ctx, dir)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestRunsWith(t *testing.T) {
	t.Parallel()
	own := filepath.Base(os.Args[0])
	require.True(t, runsWith(os.Getpid(), own))
	require.False(t, runsWith(os.Getpid(), "some other program"))
	require.False(t, runsWith(0, own))
	found, err := findProcess("nothing has this in its command line: " + time.Now().String())
	require.NoError(t, err)
	require.Nil(t, found)
}
