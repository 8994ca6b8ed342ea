package local_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"tenantctl/internal/local"
	"tenantctl/internal/local/localtest"
)

// identity tells servers that are copies of one from others.
func identity(t *testing.T, p *local.Postgres) int64 {
	t.Helper()
	return query[int64](t, p.DSN("postgres"), `select system_identifier from pg_control_system()`)
}

var throwAway = map[string]string{"fsync": "off"}

func TestTemplateIsCopiedAndMadeAnewWhenDamaged(t *testing.T) {
	t.Parallel()
	templates := filepath.Join(localtest.Folder(t), "templates")
	next := func() int64 {
		return identity(t, up(t, local.Options{Dir: stateDir(t), Settings: throwAway, Templates: templates}).Postgres)
	}
	first := next()
	require.Equal(t, first, next())

	kept, err := filepath.Glob(filepath.Join(templates, "initdb-*"))
	require.NoError(t, err)
	require.Len(t, kept, 1)
	// What a power cut leaves of a file that never reached the disk.
	require.NoError(t, os.Truncate(filepath.Join(kept[0], "data", "global", "pg_control"), 0))
	second := next()
	require.NotEqual(t, first, second)
	require.Equal(t, second, next())

	// Parts of it are missing, as while another process removes it.
	require.NoError(t, os.RemoveAll(filepath.Join(kept[0], "data", "base")))
	require.NotContains(t, []int64{first, second}, next())
}

func TestTemplateMadeBySeveralAtOnce(t *testing.T) {
	t.Parallel()
	templates := filepath.Join(localtest.Folder(t), "templates")
	dirs := []string{stateDir(t), stateDir(t), stateDir(t)}
	var group errgroup.Group
	for _, dir := range dirs {
		group.Go(func() error {
			_, err := local.Up(t.Context(), local.Options{Dir: dir, Settings: throwAway, Templates: templates})
			return err
		})
	}
	require.NoError(t, group.Wait())
	for _, dir := range dirs {
		stack, err := local.Find(dir)
		require.NoError(t, err)
		require.NotZero(t, identity(t, stack.Postgres))
		require.NoError(t, local.Down(t.Context(), dir, local.RemoveData))
	}
	left, err := os.ReadDir(templates)
	require.NoError(t, err)
	require.Len(t, left, 1, "one template, nothing half made")
}
