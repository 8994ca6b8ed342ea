// Package localtest gives tests a real PostgreSQL of their own: one private server for each test process, started at first
// use, stopped when the process ends, however it ends. Tests get fresh databases on it and may run in parallel.
package localtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tenantctl/internal/local"
)

// Main runs a package's tests, stops what they started and fails when goroutines are left. It doesn't return.
func Main(m *testing.M, leaks ...goleak.Option) {
	code := m.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "localtest:", err)
		code = max(code, 1)
	}
	if code == 0 {
		if err := goleak.Find(leaks...); err != nil {
			fmt.Fprintln(os.Stderr, "localtest:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// Server is this test process's private server. Its superuser may do anything on it, but other tests are using it: what
// restarts a server or fills its disk belongs on one of NewServer.
func Server(t testing.TB) *local.Postgres {
	t.Helper()
	server, err := shared.server()
	require.NoError(t, err, "start the private PostgreSQL of the tests")
	return server
}

// ServerOptions say how a server of a test's own differs.
type ServerOptions struct {
	// Dir takes the server's files instead of a new folder: a small disk that the test mounted. See Folder.
	Dir string
}

// NewServer starts a further server with settings of its own, and stops it when t ends.
func NewServer(t testing.TB, settings map[string]string, opts ServerOptions) *local.Postgres {
	t.Helper()
	dir := opts.Dir
	if dir == "" {
		dir = Folder(t)
	}
	server, err := shared.start(dir, settings)
	require.NoError(t, err, "start a private PostgreSQL")
	t.Cleanup(func() {
		require.NoError(t, server.Kill(context.Background()), "stop a private PostgreSQL")
	})
	return server
}

// Folder is a new folder that a server's user can reach; it goes when t ends, and also when the process is killed.
func Folder(t testing.TB) string {
	t.Helper()
	folder, err := shared.folder()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
	return folder
}

// shared is the one server of this process: tests of a package can't hand it to one another.
var shared state //nolint:gochecknoglobals // one server per test process is the point of this package

type state struct {
	mutex  sync.Mutex
	root   string // holds every folder of this process
	guard  *guard
	main   *local.Postgres
	failed error
}

// server starts the shared server once; a failure is reported to every test, not tried again by each.
func (s *state) server() (*local.Postgres, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.main != nil || s.failed != nil {
		return s.main, s.failed
	}
	folder, err := s.folderLocked()
	if err == nil {
		s.main, err = s.start(folder, nil)
	}
	s.failed = err
	return s.main, err
}

func (s *state) folder() (string, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.folderLocked()
}

// folderLocked makes a folder under this process's root, which is made and guarded first.
func (s *state) folderLocked() (string, error) {
	if s.root == "" {
		root, err := local.ServerFolder("tenantctl-test-")
		if err != nil {
			return "", err
		}
		s.root = root
		if s.guard, err = startGuard(root); err != nil {
			return "", err
		}
	}
	return local.ServerFolderIn(s.root, "")
}

const startTimeout = 2 * time.Minute

// start starts a server for tests: nothing on it need survive a power cut.
func (s *state) start(dir string, settings map[string]string) (*local.Postgres, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	template, err := local.MakeTemplate(ctx, cacheDir())
	if err != nil {
		return nil, err
	}
	all := map[string]string{"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "track_commit_timestamp": "off"}
	for name, value := range settings {
		all[name] = value
	}
	return local.StartServer(ctx, local.ServerOptions{Dir: dir, Settings: all, Template: template})
}

// cacheDir keeps what the next test process can use again.
func cacheDir() string {
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "tenantctl")
	}
	return filepath.Join(os.TempDir(), "tenantctl-cache")
}

// close stops the shared server and removes every folder.
func (s *state) close() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var errs []error
	if s.main != nil {
		errs = append(errs, s.main.Kill(context.Background()))
	}
	if s.root != "" {
		errs = append(errs, os.RemoveAll(s.root))
	}
	if s.guard != nil {
		errs = append(errs, s.guard.release())
	}
	return errors.Join(errs...)
}
