package logs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"tenantctl/internal/tenant"
)

const (
	// DefaultSize is after how many bytes a file is set aside.
	DefaultSize = 16 << 20
	// kept is how many files are kept besides the one that is written.
	kept = 4
	// mostProcesses is how many processes may write into one folder at a time.
	mostProcesses = 1000

	extension = ".log"
)

// File is where one process writes its lines. What is set aside is called NAME.log.1, and the older the higher the number.
type File struct {
	path string
	lock *os.File
	size int64 // after which it is set aside

	mutex   sync.Mutex
	file    *os.File
	written int64
}

// Create opens a process's file in a folder, which it makes: the first of serve-1.log, serve-2.log and so on that no other process
// writes, so that there are never more files than there were processes at a time. size is after how many bytes a file is set
// aside; 0 means DefaultSize.
func Create(dir, name string, size int64) (*File, error) {
	if size <= 0 {
		size = DefaultSize
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder for logs: %w", err)
	}
	for n := 1; n <= mostProcesses; n++ {
		f := &File{path: filepath.Join(dir, name+"-"+strconv.Itoa(n)+extension), size: size}
		mine, err := f.claim()
		if err != nil {
			return nil, err
		}
		if mine {
			return f, nil
		}
	}
	return nil, fmt.Errorf("%d processes write logs to %s: %w", mostProcesses, dir, tenant.ErrConflict)
}

// claim opens the file unless another process writes it. The lock ends with the process.
func (f *File) claim() (mine bool, err error) {
	f.lock, err = os.OpenFile(f.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return false, fmt.Errorf("open a log: %w", err)
	}
	if err := syscall.Flock(int(f.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		closing := f.lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return false, closing
		}
		return false, errors.Join(fmt.Errorf("lock a log: %w", err), closing)
	}
	if err := f.open(); err != nil {
		return false, errors.Join(err, f.lock.Close())
	}
	return true, nil
}

// open opens the file to be written. A line that a killed process left without its end is ended.
func (f *File) open() error {
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open a log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.file, f.written = file, info.Size()
	last := make([]byte, 1)
	if f.written > 0 {
		if _, err := file.ReadAt(last, f.written-1); err == nil && last[0] != '\n' {
			_, err = file.WriteString("\n")
			return err
		}
	}
	return nil
}

// Path is the file that is written.
func (f *File) Path() string { return f.path }

// Write implements io.Writer; it takes whole lines.
func (f *File) Write(text []byte) (int, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.written > 0 && f.written+int64(len(text)) > f.size {
		if err := f.rotate(); err != nil {
			return 0, err
		}
	}
	n, err := f.file.Write(text)
	f.written += int64(n)
	return n, err
}

// rotate sets the file aside. The mutex is held.
func (f *File) rotate() error {
	for n := kept; n > 0; n-- {
		if err := os.Rename(aside(f.path, n-1), aside(f.path, n)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("set a log aside: %w", err)
		}
	}
	full := f.file
	if err := f.open(); err != nil {
		return err
	}
	return full.Close()
}

// aside is the nth file from the newest, which is number 0.
func aside(path string, n int) string {
	if n == 0 {
		return path
	}
	return path + "." + strconv.Itoa(n)
}

// Close implements io.Closer.
func (f *File) Close() error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return errors.Join(f.file.Close(), f.lock.Close())
}
