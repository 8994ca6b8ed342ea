package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
)

// whole decodes a file in one go; nil if anything is wrong.
func whole(s source) *document {
	root, err := s.parse()
	if err != nil {
		return nil
	}
	d := newDecoder(s)
	if doc := d.document(root); len(d.problems) == 0 {
		return doc
	}
	return nil
}

func requireSame(t *testing.T, s source, size int) (inPieces bool) {
	t.Helper()
	got := readPieces(s, size)
	if got == nil {
		return false
	}
	want := whole(s)
	require.NotNil(t, want, "the pieces are right, the file isn't:\n%s", s.data)
	// What came of pieces and what of the whole differ in nothing, places included.
	require.True(t, reflect.DeepEqual(want.Tenants.entries, got.Tenants.entries), "%s", s.data)
	got.Tenants, want.Tenants = ordered[declaredTenant]{}, ordered[declaredTenant]{}
	require.True(t, reflect.DeepEqual(want, got), "%s", s.data)
	return true
}

func TestPiecesComeToTheSame(t *testing.T) {
	t.Parallel()
	everything, err := os.ReadFile(filepath.Join("testdata", "good", "everything.yaml"))
	require.NoError(t, err)
	for name, text := range map[string]string{
		"short":        string(fleet(50, false)),
		"full":         string(fleet(50, true)),
		"more follows": string(fleet(20, true)) + "\n# a comment\ndefaults:\n  ring: canary\ncontrol: { dsn: ${C} }\n",
		"comments":     "version: 1\ntenants: # the fleet\n\n# at the margin\n  a:\n   # within\n    ring: general\n# between\n  b: {}\n\n  c: { services: [\n    ] }\n",
		"one name":     "version: 1\ntenants:\n      a: {}\n      b: {}\n      c: {}\n      d: {}\n",
		"all":          string(everything),
		"folded":       "version: 1\ntenants:\n  a:\n    schema: >-\n      folded\n\n      text\n  b: { schema: \"two\n   lines\" }\n  c: {}\n",
	} {
		for _, size := range []int{1, 7, 20} {
			require.True(t, requireSame(t, source{name: "t.yaml", data: []byte(text)}, size), "%s isn't read in pieces of %d", name, size)
		}
	}
}

// Files that don't keep to the layout, or are wrong, are read as a whole.
func TestPiecesAreDeclined(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"quote over names":    "version: 1\ntenants:\n  a: { schema: \"\n  b: {}\n  c: x\" }\n  d: {}\n",
		"braces over names":   "version: 1\ntenants:\n  a: {\n  b: 1,\n  c: 2 }\n  d: {}\n",
		"flow":                "version: 1\ntenants: { a: {},\n  b: {},\n  c: {} }\n",
		"less indented":       "version: 1\ntenants:\n    a: {}\n    b: {}\n  c: {}\n    d: {}\n",
		"anchors":             "version: 1\ntenants:\n  a: &a { ring: general }\n  b: {}\n  c: {}\n  d: *a\n",
		"twice":               "version: 1\ntenants:\n  a: {}\n  b: {}\n  c: {}\n  a: {}\n",
		"two keys":            "version: 1\ntenants:\n  a: {}\n  b: {}\ntenants:\n  c: {}\n",
		"quoted key":          "version: 1\ntenants:\n  a: {}\n  b: {}\n\"tenants\":\n  c: {}\n  d: {}\n",
		"second document":     "version: 1\ntenants:\n  a: {}\n  b: {}\n  c: {}\n---\nversion: 1\n",
		"list":                "version: 1\ntenants:\n  - a\n  - b\n  - c\n",
		"none":                "version: 1\ntenants:\n",
		"no tenants":          "version: 1\n",
		"unknown key":         "version: 1\ntenants:\n  a: {}\n  b: { x: 1 }\n  c: {}\n",
		"text over the key":   "version: 1\ndefaults: { ring: \"a\ntenants:\n  b: {}\n  c: {}\n  d: {}\" }\n",
		"problem in the head": "version: 2\ntenants:\n  a: {}\n  b: {}\n  c: {}\n",
	} {
		require.Nil(t, readPieces(source{name: "t.yaml", data: []byte(text)}, 1), name)
	}
}

func TestLargeFileWithAProblem(t *testing.T) {
	t.Parallel()
	text := strings.Replace(string(fleet(5_000, true)), "client-04000:\n    instance: shared-1\n", "client-04000:\n    instance: shard-1\n", 1)
	require.Greater(t, len(text), 4*minPiece)
	_, err := Parse("tenants.yaml", []byte(text))
	require.EqualError(t, err, `tenants.yaml:36011:15: tenants.client-04000.instance: no instance is called "shard-1"; did you mean "shared-1"?`)
	_, err = Parse("tenants.yaml", []byte(text+"  client-00000: {}\n"))
	require.ErrorContains(t, err, "tenants.yaml:45010:3: tenants.client-00000: given twice; the first is on line 10")
}

// Whatever the bytes: no panic, every problem has its place, and reading in pieces changes nothing.
func FuzzParse(f *testing.F) {
	archive, err := txtar.ParseFile(filepath.Join("testdata", "problems.txtar"))
	require.NoError(f, err)
	for _, file := range archive.Files {
		f.Add(file.Data)
	}
	names, err := filepath.Glob(filepath.Join("testdata", "good", "*.yaml"))
	require.NoError(f, err)
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Add(fleet(3, true))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("tenants.yaml", data)
		requireSame(t, source{name: "tenants.yaml", data: data}, 8)
		if err != nil {
			var problems Problems
			require.True(t, errors.As(err, &problems))
			require.NotEmpty(t, problems)
			lines := 2
			for _, end := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029"} {
				lines += strings.Count(string(data), end)
			}
			for _, p := range problems {
				require.Equal(t, "tenants.yaml", p.File)
				require.Positive(t, p.Line)
				require.LessOrEqual(t, p.Line, lines)
				require.Positive(t, p.Column)
				require.NotEmpty(t, p.Message)
			}
			return
		}
		_, err = Effective(file, Layers{})
		require.NoError(t, err)
		for _, name := range file.Tenants() {
			_, err := file.Tenant(name)
			require.NoError(t, err)
		}
	})
}
