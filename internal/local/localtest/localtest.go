// Package localtest gives tests a real PostgreSQL of their own: one private server for each test process, started at first
// use, stopped when the process ends, however it ends. Tests get fresh databases on it and may run in parallel.
package localtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	// Dir takes the server's files instead of a new folder. See Folder and SmallDisk.
	Dir string
	// OnDisk keeps the files off a memory file system: for benchmarks, and for more data than memory should hold.
	OnDisk bool
	// Environment has further variables of the server's process.
	Environment []string
}

// NewServer starts a further server with settings of its own, and stops it when t ends.
func NewServer(t testing.TB, settings map[string]string, opts ServerOptions) *local.Postgres {
	t.Helper()
	dir := opts.Dir
	switch {
	case dir != "":
	case opts.OnDisk:
		dir = folder(t, onDisk)
	default:
		dir = Folder(t)
	}
	server, err := start(dir, settings, opts.Environment...)
	require.NoError(t, err, "start a private PostgreSQL")
	t.Cleanup(func() {
		require.NoError(t, server.Stop(context.Background()), "stop a private PostgreSQL")
	})
	return server
}

// Folder is a new folder that a server's user can reach; it goes when t ends, and also when the process is killed, with every
// process that was started in it.
func Folder(t testing.TB) string {
	t.Helper()
	return folder(t, inMemory)
}

func folder(t testing.TB, where place) string {
	t.Helper()
	folder, err := shared.folder(where)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
	return folder
}

// shared is what this process started for all of its tests: they can't hand it to one another.
var shared state //nolint:gochecknoglobals // one server per test process is the point of this package

type state struct {
	mutex  sync.Mutex
	roots  map[place]*root
	main   *local.Postgres
	failed error

	stack        *local.Stack // with RabbitMQ; its process is another after a restart
	brokerDir    string
	brokerFailed error

	projectDir    string // a local stack that projects of tests share
	projectFailed error
}

// server starts the shared server once; a failure is reported to every test, not tried again by each.
func (s *state) server() (*local.Postgres, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.main != nil || s.failed != nil {
		return s.main, s.failed
	}
	folder, err := s.folderLocked(inMemory)
	if err == nil {
		s.main, err = start(folder, nil)
	}
	s.failed = err
	return s.main, err
}

func (s *state) folder(where place) (string, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.folderLocked(where)
}

// folderLocked makes a folder under this process's root, which is made at the first.
func (s *state) folderLocked(where place) (string, error) {
	if s.roots[where] == nil {
		made, err := newRoot(where)
		if err != nil {
			return "", err
		}
		if s.roots == nil {
			s.roots = map[place]*root{}
		}
		s.roots[where] = made
	}
	return local.ServerFolderIn(s.roots[where].dir, "")
}

// close stops the shared server and removes every folder.
func (s *state) close() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	errs := []error{s.downBroker(), s.downProject()}
	if s.main != nil {
		errs = append(errs, s.main.Stop(context.Background()))
	}
	for _, root := range s.roots {
		errs = append(errs, root.close())
	}
	return errors.Join(errs...)
}

const startTimeout = 2 * time.Minute

// unsafe are settings of servers on which nothing need survive a power cut.
func unsafe() map[string]string {
	return map[string]string{"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "track_commit_timestamp": "off"}
}

// start starts a server for tests.
func start(dir string, settings map[string]string, environment ...string) (*local.Postgres, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	all := unsafe()
	maps.Copy(all, settings)
	return local.StartServer(ctx, local.ServerOptions{Dir: dir, Settings: all, Environment: environment, Templates: cacheDir()})
}

// cacheDir keeps what the next test process can use again.
func cacheDir() string {
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "tenantctl")
	}
	return filepath.Join(os.TempDir(), "tenantctl-cache")
}
