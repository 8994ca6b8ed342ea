package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPagesAreCurrent(t *testing.T) {
	t.Parallel()
	pages, err := pages()
	require.NoError(t, err)
	require.Contains(t, pages, "tenantctl_migrate.md")
	folder := filepath.Join("..", "..", "..", "docs", "cli")
	there, err := filepath.Glob(filepath.Join(folder, "*.md"))
	require.NoError(t, err)
	require.Len(t, there, len(pages), "run `make generate`")
	for name, text := range pages {
		kept, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err, "run `make generate`")
		require.Equal(t, string(kept), string(text), "%s isn't what the commands say: run `make generate`", name)
	}
}

func TestOldPagesGo(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	gone := filepath.Join(folder, "tenantctl_frobnicate.md")
	require.NoError(t, os.WriteFile(gone, []byte("old"), 0o600))
	require.NoError(t, write(folder))
	require.NoFileExists(t, gone)
	require.FileExists(t, filepath.Join(folder, "tenantctl_exit-codes.md"))
}
