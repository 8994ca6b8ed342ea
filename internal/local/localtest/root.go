package localtest

import (
	"errors"
	"os"
	"syscall"

	"tenantctl/internal/local"
)

// place is where test servers keep their files.
type place int

const (
	// inMemory is a memory file system where the machine has a large one: creating a database is ten times faster there than on
	// a slow disk.
	inMemory place = iota
	onDisk
)

// root is a folder of this process that holds everything its tests start in a place.
type root struct {
	dir   string
	guard *guard
}

func newRoot(where place) (*root, error) {
	dir, err := rootFolder(where)
	if err != nil {
		return nil, err
	}
	guard, err := startGuard(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &root{dir: dir, guard: guard}, nil
}

const (
	memoryFileSystem = "/dev/shm"
	rootPattern      = "tenantctl-test-"
	// memoryNeeded must be free: containers are given 64 MB by default, small machines little more.
	memoryNeeded = 4 << 30
)

// rootFolder makes the folder; a TMPDIR that is set wins.
func rootFolder(where place) (string, error) {
	if where == inMemory && os.Getenv("TMPDIR") == "" && freeBytes(memoryFileSystem) >= memoryNeeded {
		if dir, err := local.ServerFolderIn(memoryFileSystem, rootPattern); err == nil {
			return dir, nil
		}
	}
	return local.ServerFolder(rootPattern)
}

func freeBytes(folder string) uint64 {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(folder, &stat); err != nil {
		return 0
	}
	return stat.Bavail * uint64(stat.Bsize) //nolint:gosec // a block's size isn't negative
}

// close removes the folder and lets its guard end.
func (r *root) close() error {
	return errors.Join(os.RemoveAll(r.dir), r.guard.release())
}
