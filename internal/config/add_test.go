package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/config"
	"tenantctl/internal/tenant"
)

func newcomers() []config.Newcomer {
	return []config.Newcomer{
		{Name: "a", Instance: "one", Schema: "tenant_a", Services: []string{"core"}},
		{Name: "007", Instance: "one", Schema: "Odd \"one\"", Services: nil},
	}
}

const head = `version: 1
instances: { one: { dsn: "${ONE}" } }
services: { core: {} }
`

func TestTenantsAreAddedBehindTheLastOne(t *testing.T) {
	t.Parallel()
	entries := "a: {}\n{}\"007\": { schema: \"Odd \\\"one\\\"\", services: [] }\n"
	for name, test := range map[string]struct{ before, after string }{
		"behind others": {
			head + "tenants:\n    x: {}   # first\n    # a comment of ours\n\n# of the rollout\nrollout: {}\n",
			head + "tenants:\n    x: {}   # first\n    # a comment of ours\nENTRIES\n# of the rollout\nrollout: {}\n",
		},
		"no line break":  {head + "tenants:\n    x:\n      ring: general", head + "tenants:\n    x:\n      ring: general\nENTRIES"},
		"none there":     {head, head + "tenants:\nENTRIES"},
		"empty":          {head + "tenants:\n# end\n", head + "tenants:\nENTRIES# end\n"},
		"empty brackets": {head + "tenants: {}   # none yet\n", head + "tenants:    # none yet\nENTRIES"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "tenants.yaml")
			require.NoError(t, os.WriteFile(file, []byte(test.before), 0o640))
			read, err := config.Load(file)
			require.NoError(t, err)
			added, err := read.Add(newcomers())
			require.NoError(t, err)
			spec, err := added.File.Tenant("007")
			require.NoError(t, err)
			require.Equal(t, 200, spec.Limits.RequestsPerSecond)
			require.Equal(t, test.before, string(readFile(t, file)), "nothing is written yet")
			path, err := added.Write()
			require.NoError(t, err)
			require.Equal(t, file, path)
			indent := "    "
			if !strings.Contains(test.before, "x:") {
				indent = "  "
			}
			require.Equal(t, strings.Replace(test.after, "ENTRIES", indent+strings.Replace(entries, "{}\"", indent+"\"", 1), 1), string(readFile(t, file)))
			info, err := os.Stat(file)
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
			_, err = config.Load(file)
			require.NoError(t, err)
			_, err = added.Write()
			require.ErrorIs(t, err, tenant.ErrConflict, "it isn't what was read any more")
		})
	}
}

func TestTenantsInBracketsAreLeftToAPerson(t *testing.T) {
	t.Parallel()
	read, err := config.Parse("tenants.yaml", []byte(head+"tenants: { x: {} }\n"))
	require.NoError(t, err)
	_, err = read.Add(newcomers())
	require.ErrorIs(t, err, tenant.ErrRefused)
	_, err = read.Add([]config.Newcomer{{Name: "x", Instance: "one", Schema: "tenant_x", Services: []string{"core"}}})
	require.Error(t, err)
}

func TestAFolderGetsAFileOfItsOwnForNewcomers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "base.yaml"), []byte(head+"tenants: { x: {} }\n"), 0o600))
	for i, n := range newcomers() {
		read, err := config.Load(dir)
		require.NoError(t, err)
		added, err := read.Add([]config.Newcomer{n})
		require.NoError(t, err)
		_, err = added.Write()
		require.NoError(t, err)
		read, err = config.Load(dir)
		require.NoError(t, err)
		require.Len(t, read.Tenants(), i+2)
	}
}

func readFile(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return data
}
