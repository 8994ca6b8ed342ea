package localtest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local"
)

// ShareTemplates lets the throw-away servers of a project's stack start from the template of the tests' own servers: a test that
// isn't about initdb need not wait for it. stateHome is the project's XDG_STATE_HOME.
func ShareTemplates(t testing.TB, stateHome, project string) {
	t.Helper()
	link(t, cacheDir(), local.TemplatesDir(stackDir(t, stateHome, project)))
}

// ShareStack gives a project a local stack that it has in common with the other tests of this process, so that a move prepares its
// schema on that server and need not start a throw-away one.
func ShareStack(t testing.TB, stateHome, project string) {
	t.Helper()
	shared, err := shared.projectStack()
	require.NoError(t, err, "start the local stack of the tests' projects")
	link(t, shared, stackDir(t, stateHome, project))
}

func stackDir(t testing.TB, stateHome, project string) string {
	t.Helper()
	dir, err := local.DefaultDir(func(string) (string, bool) { return stateHome, true }, project)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(dir), 0o755)) //nolint:gosec // the servers' user passes through
	return dir
}

func link(t testing.TB, to, name string) {
	t.Helper()
	require.NoError(t, os.Symlink(to, name))
	t.Cleanup(func() { _ = os.Remove(name) })
}

func (s *state) projectStack() (string, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.projectDir != "" || s.projectFailed != nil {
		return s.projectDir, s.projectFailed
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	dir, err := s.folderLocked(inMemory)
	if err == nil {
		_, err = local.Up(ctx, local.Options{Dir: dir, Templates: cacheDir(), Settings: unsafe()})
	}
	if err != nil {
		s.projectFailed = err
		return "", err
	}
	s.projectDir = dir
	return dir, nil
}

func (s *state) downProject() error {
	if s.projectDir == "" {
		return nil
	}
	return local.Down(context.Background(), s.projectDir, local.RemoveData)
}
