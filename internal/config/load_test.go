package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/tenant"
)

// folder makes a folder of files from name, content, name, content ...
func folder(t *testing.T, pairs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(pairs); i += 2 {
		require.NoError(t, os.WriteFile(filepath.Join(dir, pairs[i]), []byte(pairs[i+1]), 0o600))
	}
	return dir
}

func TestLoadFolder(t *testing.T) {
	t.Parallel()
	dir := folder(t,
		"10-instances.yaml", "version: 1\ninstances: { zebra: { dsn: '${Z}' } }\nservices: { auth: {} }\ndefaults: { limits: { jobs: 2 } }\n",
		"20-more.yml", "version: 1\ninstances: { ant: { dsn: '${A}' } }\nservices: { core: {} }\nrollout: { rings: [ { name: general, bake: 1m } ] }\ncontrol: { dsn: '${C}' }\nbroker: { url: '${B}' }\n",
		"30-tenants.yaml", "version: 1\ntenants:\n  a: { instance: ant }\n",
		"40-tenants.yaml", "version: 1\ntenants:\n  b: { instance: zebra, legacy: { dsn: '${B}', mapping: m/b.yaml } }\n",
		".hidden.yaml", "nonsense",
		"notes.txt", "nonsense",
	)
	f, err := Load(dir)
	require.NoError(t, err)
	require.Equal(t, []tenant.Name{"a", "b"}, f.Tenants())
	require.Equal(t, "zebra", f.Instances()[0].Name)
	require.Equal(t, "${C}", f.Control().DSN.String())
	require.Equal(t, "1m", Duration(f.Rollout().Rings[0].Bake).String())
	spec, err := f.Tenant("b")
	require.NoError(t, err)
	require.Equal(t, []string{"auth", "core"}, spec.Services)
	require.Equal(t, 2, spec.Limits.Jobs)
	require.Equal(t, filepath.Join(dir, "m", "b.yaml"), spec.Mapping)
	settings, err := Effective(f, Layers{})
	require.NoError(t, err)
	require.Contains(t, settings, Setting{"tenants.a.instance", "ant", filepath.Join(dir, "30-tenants.yaml") + ":3"})
	require.Contains(t, settings, Setting{"tenants.a.limits.jobs", "2", filepath.Join(dir, "10-instances.yaml") + ":4"})
}

func TestFolderNamesBothPlacesOfADouble(t *testing.T) {
	t.Parallel()
	dir := folder(t,
		"a.yaml", "version: 1\ndefaults: { ring: general }\ncontrol: { dsn: '${A}' }\ntenants:\n  x: {}\n  y: {}\n",
		"b.yaml", "version: 1\ntenants:\n  y: {}\n  z: { ring: nowhere }\ndefaults: {}\ncontrol: { dsn: '${B}' }\n",
		"c.yaml", "version: 1\ntenants:\n  y: { shade: blue }\n",
	)
	_, err := Load(dir)
	var problems Problems
	require.ErrorAs(t, err, &problems)
	a, b, c := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.yaml"), filepath.Join(dir, "c.yaml")
	require.Equal(t, []string{
		b + ":3:3: tenants.y: given twice; the first is at " + a + ":6:3",
		b + `:4:14: tenants.z.ring: no ring is called "nowhere"; declare it under rollout.rings`,
		b + ":5:1: defaults: given twice; the first is at " + a + ":2:1",
		b + ":6:1: control: given twice; the first is at " + a + ":3:1",
		c + ":3:3: tenants.y: given twice; the first is at " + a + ":6:3",
		c + ":3:8: tenants.y.shade: unknown key; known keys: instance, schema, ring, state, services, limits, legacy, upstream, move, deletion",
	}, strings.Split(problems.Error(), "\n"))
}

func TestLoadWhatIsNotThere(t *testing.T) {
	t.Parallel()
	for _, name := range []string{filepath.Join(t.TempDir(), "none.yaml"), t.TempDir()} {
		_, err := Load(name)
		require.ErrorIs(t, err, tenant.ErrNotFound)
		require.Contains(t, tenant.Hints(err)[0], "tenantctl init")
	}
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	const content = "version: 1\r\ntenants:\r\n  client-x: { ring: general }\r\n"
	_, err := Parse("tenants.yaml", []byte("\xef\xbb\xbf"+content))
	require.NoError(t, err, "a byte order mark and CRLF are what Windows editors write")
	var wide bytes.Buffer
	wide.WriteString("\xff\xfe")
	for _, unit := range utf16.Encode([]rune(content)) {
		wide.Write([]byte{byte(unit), byte(unit >> 8)})
	}
	for text, want := range map[string]string{
		wide.String(): "tenants.yaml:1:1: the file is UTF-16; save it as UTF-8",
		"version: 1\ndefaults: { ring: \xfcber }": "tenants.yaml:2:19: this character isn't UTF-8; save the file as UTF-8",
		"version: 1\n# ä\uE000":                   "tenants.yaml:2:4: this character is reserved for private use; remove it",
		"version: 1\n# \x00":                      "tenants.yaml:1:1: this isn't YAML: control characters are not allowed",
	} {
		_, err := Parse("tenants.yaml", []byte(text))
		require.EqualError(t, err, want)
	}
}

// A few lines of aliases can stand for any number of nodes.
func TestAliasesCannotExplode(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("version: 1\ntenants:\n  a:\n    services: &long [" + strings.Repeat("x,", 20_000) + "x]\n")
	for i := range 1000 {
		b.WriteString("  t" + strings.Repeat("a", i%30) + string(rune('a'+i%26)) + "-" + string(rune('a'+i/26%26)) + ": { services: *long }\n")
	}
	_, err := Parse("tenants.yaml", []byte(b.String()))
	require.ErrorContains(t, err, "aliases make too much of this file")
	_, err = Parse("tenants.yaml", []byte("version: 1\ntenants:\n  a: &a\n    <<: *a\n"))
	require.ErrorContains(t, err, "<< must name a mapping")
}
