package pause_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/operation/pause"
)

// A point that All leaves out is one at which nobody tests what happens to a killed process.
func TestAllNamesEveryPoint(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("points.go")
	require.NoError(t, err)
	file, err := parser.ParseFile(token.NewFileSet(), "points.go", source, 0)
	require.NoError(t, err)
	var declared []pause.Name
	ast.Inspect(file, func(node ast.Node) bool {
		spec, is := node.(*ast.ValueSpec)
		if !is {
			return true
		}
		for _, value := range spec.Values {
			if literal, is := value.(*ast.BasicLit); is && literal.Kind == token.STRING {
				name, err := strconv.Unquote(literal.Value)
				require.NoError(t, err)
				declared = append(declared, pause.Name(name))
			}
		}
		return true
	})
	require.ElementsMatch(t, declared, pause.All())
	seen := map[pause.Name]bool{}
	for _, name := range declared {
		require.False(t, seen[name], "two points are called %s", name)
		seen[name] = true
	}
	require.NotEmpty(t, declared)
}
