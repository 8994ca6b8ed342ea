package output_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/tenant"
)

type thing struct {
	Name  string   `json:"name"`
	Truth string   `json:"truth"`
	Parts []string `json:"parts"`
}

func print(t *testing.T, format output.Format, do func(output.Printer) error) string {
	t.Helper()
	var out strings.Builder
	require.NoError(t, do(output.Printer{Out: &out, Format: format}))
	return out.String()
}

func TestForms(t *testing.T) {
	t.Parallel()
	one := func(p output.Printer) error {
		return p.One("Thing", thing{Name: "a", Truth: "true", Parts: []string{}}, output.View{Names: []string{"thing/a"}})
	}
	require.Equal(t, `{
  "apiVersion": "tenantctl/v1",
  "kind": "Thing",
  "name": "a",
  "truth": "true",
  "parts": []
}
`, print(t, output.JSON, one))
	require.Equal(t, "apiVersion: tenantctl/v1\nkind: Thing\nname: a\ntruth: \"true\"\nparts: []\n", print(t, output.YAML, one), "what reads as something else is quoted")
	require.Equal(t, "thing/a\n", print(t, output.Name, one))

	empty := func(p output.Printer) error { return p.List("ThingList", []thing(nil), output.View{Names: []string{}}) }
	require.JSONEq(t, `{"apiVersion":"tenantctl/v1","kind":"ThingList","items":[]}`, print(t, output.JSON, empty), "no items are an empty list")
	require.Empty(t, print(t, output.Name, empty))

	line := func(p output.Printer) error { return p.Line("Thing", thing{Name: "a"}, output.View{}) }
	require.Equal(t, `{"apiVersion":"tenantctl/v1","kind":"Thing","name":"a","truth":"","parts":null}`+"\n", print(t, output.JSON, line))
	require.True(t, strings.HasPrefix(print(t, output.YAML, line), "---\napiVersion:"))

	nameless := output.Printer{Out: &strings.Builder{}, Format: output.Name}.One("Checkup", thing{}, output.View{})
	require.ErrorIs(t, nameless, tenant.ErrInvalid)
	require.JSONEq(t, `{"apiVersion":"tenantctl/v1","kind":"Nothing"}`, print(t, output.JSON, func(p output.Printer) error {
		return p.One("Nothing", struct{}{}, output.View{})
	}))
}

func TestGrid(t *testing.T) {
	t.Parallel()
	grid := output.NewGrid("NAME", ">ROWS", "WHY").Style("ok", terminal.Green)
	grid.Row("orders", "12", "ok")
	grid.Row("ä", "1,234", "line one\nline two \x1b[31m")
	grid.Row("empty")
	grid.Note("", "", "more")
	var out strings.Builder
	require.NoError(t, grid.Write(&out, 0, false))
	require.Equal(t, `NAME      ROWS   WHY
orders      12   ok
ä        1,234   line one line two  [31m
empty        -   -
                 more
`, out.String(), "aligned by characters, on one line each, without control characters")

	out.Reset()
	require.NoError(t, grid.Write(&out, 33, true))
	require.Contains(t, out.String(), "\x1b[32mok\x1b[0m")
	require.Contains(t, out.String(), "line one line t…")
}
