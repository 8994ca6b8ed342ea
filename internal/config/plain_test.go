package config

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"
)

// asParsed is yaml.v3's tree of a document, without the comments; nil where it isn't exactly one document.
func asParsed(data []byte) *yaml.Node {
	decoder := yaml.NewDecoder(strings.NewReader(string(data)))
	var document, another yaml.Node
	if decoder.Decode(&document) != nil || !errors.Is(decoder.Decode(&another), io.EOF) {
		return nil
	}
	withoutComments(document.Content[0])
	return document.Content[0]
}

func withoutComments(node *yaml.Node) {
	node.HeadComment, node.LineComment, node.FootComment = "", "", ""
	for _, child := range node.Content {
		withoutComments(child)
	}
}

// same compares a tree with yaml.v3's, if there is one at all.
func same(t require.TestingT, data []byte) (read bool) {
	tree := plainTree(data)
	if tree != nil {
		require.Equal(t, asParsed(data), tree, "%q", data)
	}
	return tree != nil
}

var plainDocuments = []string{
	"version: 1\ntenants:\n  a: {}\n",
	"a: 1",
	"# about\n\na:   # this\n    b: c # that\n    # between\n    d: e\nf: {}   \n\n",
	"  a: {b: c, d: [x, 1, y-z], e: {f: ''}}\n  g: []\n",
	"t: { legacy: { dsn: $\uE000A\uE001, mapping: m/x.yaml, url: http://a.b:80/c }, ring: canary } # $\uE000X\uE001\nu: \"postgres://u:$\uE000P\uE001@h\" # x\n",
	"window: Sat 02:00-05:00 Europe/Berlin\ntimeout: 30s\nn: 0x1f\nd: 2020-01-01\nt: True\nnull: null\n2024: 1.5\nyes: no\n",
	"a: 'it # is'\nb: \"$\uE000X\uE001 {x}\" # c\nc: /abs/path\n",
	"a:\n  b:\n    c: 1\n  d: 2\ne:\n  f: 3\n",
	"a: b # trailing\n#last",
}

func TestPlainTreeIsTheParsers(t *testing.T) {
	t.Parallel()
	for _, text := range plainDocuments {
		require.True(t, same(t, []byte(text)), "%q is left to yaml.v3", text)
	}
	examples, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	for _, name := range append(examples, "../../tenants.yaml") {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		same(t, shieldReferences(data))
	}
}

// What isn't plain is left to yaml.v3: what it means, or that it is wrong.
func TestPlainTreeLeavesTheRest(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "\n", "# only a comment\n", "a", "a:\n", "a: b\n  c\n", "a:\n  b: c\n d: e\n", "a: b: c\n", "a: {b}\n", "a: {b: c,}\n", "a: {b: }\n", "a: {b: c\n}\n",
		"a: [b\n", "a: 'b\n", "a: 'it''s'\n", "a: \"\\n\"\n", "a: *x\n", "a: &x b\n", "<<: {a: b}\n", "a: !!int 1\n", "a: |\n  b\n", "- a\n", "a:\n- b\n", "a:\tb\n", "a: b\r\n",
		"a: ü\n", "a: b #c\x07\n", "a: {b: c}d\n", "a: {b: c}#d\n", "a: b\n---\nc: d\n", "? a\n: b\n", "a: {b:c}\n", "a: x, y\n", "a: -\n", "a: b \n c\n", "'a': b\n", "a: @b\n", "a: b:\n",
	} {
		require.Nil(t, plainTree([]byte(text)), "%q", text)
	}
}

// Documents put together from pieces that mean something in YAML find what changed bytes don't.
func TestPlainTreeOfPieces(t *testing.T) {
	t.Parallel()
	pieces := rapid.SampledFrom([]string{
		"\n", "\n  ", "\n    ", "\na: ", "\n  b: ", "\n    c: ", "\n  d:", "k: ", ": ", ":", " ", "  ", "{", "}", "{ ", " }", "{}", "[", "]", "[]", ", ", ",",
		"'", "\"", "'x'", "\"y\"", "#", " # ", "-", "- ", ".", "/", "x", "word", "two words", "1", "0o7", "1_0", "1e3", "1:30", "12:30:45", "2001-01-01", "2001-01-01 10:00", "0x1",
		"~", "null", "Null", "true", "yes", "<<", "*x", "&x ", "!t ", "|", ">", "%", "@", "$", openBrace, closeBrace, "${A}", "---", "...", "?", "? ", "=", "\\", "_", "é",
	})
	rapid.Check(t, func(t *rapid.T) {
		same(t, []byte(strings.Join(rapid.SliceOfN(pieces, 1, 14).Draw(t, "pieces"), "")))
	})
}

func FuzzPlainTree(f *testing.F) {
	for _, text := range plainDocuments {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) { same(t, data) })
}
