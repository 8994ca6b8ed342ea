package parse_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/lint/parse"
)

func parser(t *testing.T, dir string) *parse.Parser {
	t.Helper()
	p := parse.New(parse.Options{CacheDir: dir})
	t.Cleanup(func() { require.NoError(t, p.Close(context.Background())) })
	return p
}

func TestScript(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache")
	p := parser(t, dir)
	statements, err := p.Script(t.Context(), "-- é first\nselect 1 ; \n/* x */ alter table \"Ü\" add b varchar(20)[];;")
	require.NoError(t, err)
	require.Len(t, statements, 2)
	require.Equal(t, []string{"SelectStmt", "AlterTableStmt"}, []string{statements[0].Kind, statements[1].Kind})
	require.Equal(t, "select 1", statements[0].Text)
	require.Equal(t, `alter table "Ü" add b varchar(20)[]`, statements[1].Text)
	command := statements[1].AlterTableStmt.Commands[0].AlterTableCmd
	require.Equal(t, "varchar(20)[]", command.Def.ColumnDef.Type.String())
	require.Equal(t, statements[0].End(), statements[1].From)

	_, err = p.Script(t.Context(), "select 'ééé';\n  alter tabel x")
	var declined *parse.Error
	require.ErrorAs(t, err, &declined)
	require.Equal(t, strings.Index("select 'ééé';\n  alter tabel x", "tabel"), declined.Pos, "in bytes")

	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			statements, err := p.Script(context.Background(), "select 1; select 2")
			if err != nil || len(statements) != 2 {
				t.Errorf("in parallel: %d statements, %v", len(statements), err)
			}
		})
	}
	wait.Wait()

	kept, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, kept, "the compiled parser is kept")
	again := parser(t, dir)
	_, err = again.Script(t.Context(), "select 1")
	require.NoError(t, err)
}

// TestNesting parses what overflows the stack that go-pgquery's own runner gives C, and goes on after what overflows any.
func TestNesting(t *testing.T) {
	t.Parallel()
	p := parser(t, "")
	for _, n := range []int{100, 1000, 3000} {
		_, err := p.Script(t.Context(), "select 1"+strings.Repeat("+1", n))
		require.NoError(t, err)
	}
	for _, sql := range []string{
		"select 1" + strings.Repeat("+1", 300_000), "select " + strings.Repeat("not ", 8_000) + "true", "select " + strings.Repeat("(select ", 5000) + "1" + strings.Repeat(")", 5000),
		"select " + strings.Repeat("a[", 6000) + "1" + strings.Repeat("]", 6000), strings.Repeat("(", 1<<20),
	} {
		_, err := p.Script(t.Context(), sql)
		var declined *parse.Error
		require.ErrorAs(t, err, &declined, sql[:20])
		statements, err := p.Script(t.Context(), "select 1")
		require.NoError(t, err)
		require.Len(t, statements, 1)
	}
}

func TestAFolderOfOthersKeepsNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o777)) //nolint:gosec // what has to be refused
	_, err := parser(t, dir).Script(t.Context(), "select 1")
	require.NoError(t, err)
	kept, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, kept, "somebody else could put machine code there")
}
