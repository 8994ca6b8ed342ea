package config

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

func TestCommittedSchemaIsCurrent(t *testing.T) {
	t.Parallel()
	made, err := JSONSchema()
	require.NoError(t, err)
	committed, err := os.ReadFile(filepath.Join("..", "..", "docs", "tenants.schema.json"))
	require.NoError(t, err)
	require.Equal(t, string(committed), string(made), "run: make generate")
}

func TestGoodFilesAreGoodToBoth(t *testing.T) {
	t.Parallel()
	schema := compiledSchema(t)
	names, err := filepath.Glob(filepath.Join("testdata", "good", "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			_, err := Load(name)
			require.NoError(t, err)
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			require.NoError(t, schema.Validate(plainValue(t, string(data))))
		})
	}
}

func TestSchemaDescribesEveryKey(t *testing.T) {
	t.Parallel()
	var walk func(path string, n map[string]any)
	made, err := JSONSchema()
	require.NoError(t, err)
	decoded, err := jsonschema.UnmarshalJSON(bytes.NewReader(made))
	require.NoError(t, err)
	keys := 0
	walk = func(path string, n map[string]any) {
		for name, value := range children(n, "properties") {
			keys++
			require.NotEmpty(t, value["description"], path+"."+name)
			walk(path+"."+name, value)
		}
		for _, key := range []string{"additionalProperties", "items"} {
			if inner, ok := n[key].(map[string]any); ok {
				walk(path+"."+key, inner)
			} else if n["properties"] != nil && key == "additionalProperties" {
				require.Equal(t, false, n[key], path)
			}
		}
	}
	walk("", decoded.(map[string]any))
	require.Greater(t, keys, 40)
}

func children(n map[string]any, key string) map[string]map[string]any {
	found := map[string]map[string]any{}
	inner, _ := n[key].(map[string]any)
	for name, value := range inner {
		found[name], _ = value.(map[string]any)
	}
	return found
}

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	made, err := JSONSchema()
	require.NoError(t, err)
	decoded, err := jsonschema.UnmarshalJSON(bytes.NewReader(made))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	require.NoError(t, compiler.AddResource("tenants.schema.json", decoded))
	schema, err := compiler.Compile("tenants.schema.json")
	require.NoError(t, err)
	return schema
}

// plainValue is a file as an editor hands it to a JSON Schema: keys are texts, the second of two equal keys wins.
func plainValue(t *testing.T, content string) any {
	t.Helper()
	var document yaml.Node
	require.NoError(t, yaml.Unmarshal(shieldReferences([]byte(content)), &document))
	return plain(t, document.Content[0])
}

func plain(t *testing.T, node *yaml.Node) any {
	t.Helper()
	node = resolved(node)
	switch node.Kind {
	case yaml.MappingNode:
		value := map[string]any{}
		for i := len(node.Content) - 2; i >= 0; i -= 2 {
			key := resolved(node.Content[i])
			if key.Tag == "!!merge" {
				merged, isMapping := plain(t, node.Content[i+1]).(map[string]any)
				if !isMapping {
					value["<<"] = nil
				}
				for name, inner := range merged {
					if _, there := value[name]; !there {
						value[name] = inner
					}
				}
				continue
			}
			if key.Kind == yaml.ScalarNode {
				value[unshield(key.Value)] = plain(t, node.Content[i+1])
			}
		}
		return value
	case yaml.SequenceNode:
		value := []any{}
		for _, item := range node.Content {
			value = append(value, plain(t, item))
		}
		return value
	}
	switch node.Tag {
	case "!!null":
		return nil
	case "!!int", "!!float", "!!bool":
		var value any
		require.NoError(t, node.Decode(&value))
		if n, ok := value.(uint64); ok {
			return float64(n)
		}
		return value
	}
	return unshield(node.Value)
}
