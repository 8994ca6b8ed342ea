package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockName is the file of a state folder that is locked.
const lockName = "lock"

const lockInterval = 50 * time.Millisecond

// folderLock keeps others from starting or stopping the stack of a folder.
type folderLock struct{ file *os.File }

// lockFolder makes the folder and waits for its lock. The system releases the lock when this process ends, however it ends.
func lockFolder(ctx context.Context, dir string) (*folderLock, error) {
	owner, err := serverAccount()
	if err != nil {
		return nil, err
	}
	for {
		lock, err := tryLock(dir, owner)
		if lock != nil || err != nil {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for another process that starts or stops the local stack in %s: %w", dir, ctx.Err())
		case <-time.After(lockInterval):
		}
	}
}

// tryLock is nil where another process has the lock, or removed the folder while this one was taking it.
func tryLock(dir string, owner account) (*folderLock, error) {
	if err := owner.outerFolder(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	path := filepath.Join(dir, lockName)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // nothing locked, nothing wrong: the caller asks again
	}
	if err != nil {
		return nil, fmt.Errorf("open the local stack's lock: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil && sameFile(file, path) {
		return &folderLock{file: file}, nil
	}
	_ = file.Close()
	if err != nil && !errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("lock the local stack: %w", err)
	}
	return nil, nil //nolint:nilnil // as above
}

// sameFile tells whether a path still leads to an open file: Down removes the folder with its lock.
func sameFile(file *os.File, path string) bool {
	open, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(open, there)
}

func (l *folderLock) release() { _ = l.file.Close() }
