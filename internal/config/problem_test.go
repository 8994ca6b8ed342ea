package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/tenant"
)

var update = flag.Bool("update", false, "rewrite the golden messages")

// Every message there is, beside the file that brings it about: testdata/problems.txtar is meant to be read.
func TestProblems(t *testing.T) {
	t.Parallel()
	name := filepath.Join("testdata", "problems.txtar")
	archive, err := txtar.ParseFile(name)
	require.NoError(t, err)
	files, golden := map[string]string{}, map[string]string{}
	rewritten := &txtar.Archive{Comment: archive.Comment}
	for _, f := range archive.Files {
		if base, isYAML := strings.CutSuffix(f.Name, ".yaml"); isYAML {
			files[base] = string(f.Data)
			rewritten.Files = append(rewritten.Files, f, txtar.File{Name: base + ".txt", Data: []byte(problemText(t, string(f.Data)))})
		} else {
			golden[strings.TrimSuffix(f.Name, ".txt")] = string(f.Data)
		}
	}
	if *update {
		require.NoError(t, os.WriteFile(name, txtar.Format(rewritten), 0o600))
		return
	}
	for base, content := range files {
		t.Run(base, func(t *testing.T) {
			t.Parallel()
			text := problemText(t, content)
			require.Equal(t, golden[base], text)
			require.NotContains(t, text, "hunter", "a password shows")
			require.NotContains(t, text, "secret@", "a password shows")
		})
	}
}

func problemText(t *testing.T, content string) string {
	t.Helper()
	_, err := Parse("tenants.yaml", []byte(content))
	var problems Problems
	require.ErrorAs(t, err, &problems, "the file has no problem")
	require.ErrorIs(t, err, tenant.ErrInvalid)
	return err.Error() + "\n"
}

// What an editor says by the schema and what we say agree, as far as a schema can see.
func TestSchemaAgreesOnProblems(t *testing.T) {
	t.Parallel()
	if *update {
		t.Skip("the file is being rewritten")
	}
	schema := compiledSchema(t)
	archive, err := txtar.ParseFile(filepath.Join("testdata", "problems.txtar"))
	require.NoError(t, err)
	seen := 0
	for _, f := range archive.Files {
		if !strings.HasSuffix(f.Name, ".yaml") || strings.HasPrefix(f.Name, "syntax-") {
			continue
		}
		seen++
		err := schema.Validate(plainValue(t, string(f.Data)))
		if strings.HasPrefix(f.Name, "structure-") {
			var invalid *jsonschema.ValidationError
			require.ErrorAs(t, err, &invalid, f.Name)
		} else {
			require.NoError(t, err, f.Name)
		}
	}
	require.Greater(t, seen, 20)
}

func TestProblemsAreCutShort(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("version: 1\ntenants:\n")
	for range 150 {
		b.WriteString("  Client_X: {}\n")
	}
	_, err := Parse("tenants.yaml", []byte(b.String()))
	var problems Problems
	require.ErrorAs(t, err, &problems)
	require.Len(t, problems, 150)
	require.Len(t, strings.Split(err.Error(), "\n"), 101)
	require.Contains(t, err.Error(), "... and 50 more problems")
	var one *Problem
	require.True(t, errors.As(err, &one))
	require.Equal(t, "tenants.yaml:3:3", one.String())
}
