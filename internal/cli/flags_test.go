package cli

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/tenant"
)

// parse runs a command's flags and arguments, and nothing else.
func parse(t *testing.T, make func(*Factory) *cobra.Command, line string) error {
	t.Helper()
	env := func(name string) (string, bool) { return "", false }
	f := newFactory(terminal.New(strings.NewReader(""), io.Discard, io.Discard, env), env, nil)
	root, err := newRoot(f)
	require.NoError(t, err)
	cmd := make(f)
	for _, old := range root.Commands() {
		if old.Name() == cmd.Name() {
			root.RemoveCommand(old)
		}
	}
	root.AddCommand(cmd)
	args := append([]string{cmd.Name()}, strings.Fields(line)...)
	root.SetArgs(append([]string{"-f", "none.yaml"}, args...))
	return root.ExecuteContext(t.Context())
}

func TestMigrateFlags(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		line  string
		want  migrateOptions
		error string
	}{
		{line: "client-x", want: migrateOptions{Name: "client-x", Mode: "auto", Jobs: 2}},
		{
			line: "client-x --mode offline --jobs 4 --max-rate 20MB --chunk-size 64MiB --reason r --report f.json --stop-before cutover",
			want: migrateOptions{Name: "client-x", Mode: "offline", Jobs: 4, MaxRate: 20 << 20, ChunkSize: 64 << 20, Reason: "r", Report: "f.json", StopBefore: "cutover"},
		},
		{line: "client-x --plan --max-rate 1.5gb/s", want: migrateOptions{Name: "client-x", Mode: "auto", Jobs: 2, Plan: true, MaxRate: 3 << 29}},
		{line: "", error: "needs the name of a tenant"},
		{line: "a b", error: "takes one tenant at a time, got a, b"},
		{line: "Client-X", error: "must be 1 to 40 of a-z"},
		{line: "client-x --mode live", error: "live moves don't exist yet"},
		{line: "client-x --mode fast", error: `unknown value "fast"`},
		{line: "client-x --stop-before cuttover", error: `did you mean "cutover"?`},
		{line: "client-x --jobs 0", error: "at least 1"},
		{line: "client-x --max-rate fast", error: "expected a size such as 20MB"},
		{line: "client-x --max-rate -1MB", error: "expected a size such as 20MB"},
		{line: "client-x --chnk-size 1MB", error: "did you mean --chunk-size?"},
	} {
		t.Run(test.line, func(t *testing.T) {
			t.Parallel()
			var got *migrateOptions
			err := parse(t, func(f *Factory) *cobra.Command {
				return newCmdMigrate(f, func(_ context.Context, opts *migrateOptions) error { got = opts; return nil })
			}, test.line)
			if test.error != "" {
				require.ErrorContains(t, err, test.error)
				require.ErrorIs(t, err, tenant.ErrInvalid)
				return
			}
			require.NoError(t, err)
			got.Factory = nil
			require.Equal(t, &test.want, got)
		})
	}
}

func TestSelectionFlags(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		line  string
		want  selection
		error string
	}{
		{line: "a b", want: selection{Names: []string{"a", "b"}}},
		{line: "--all", want: selection{Names: []string{}, All: true}},
		{line: "-l ring=canary,state!=archived", want: selection{Names: []string{}, Selector: "ring=canary,state!=archived"}},
		{line: "", error: "needs the names of tenants, --all or --selector"},
		{line: "a --all", error: "one of them"},
		{line: "--all --selector ring=canary", error: "one of them"},
		{line: "--selector rnig=canary", error: `unknown key "rnig"; did you mean "ring"?`},
		{line: "--selector ring", error: "expected key=value"},
		{line: "--selector ring=", error: "expected key=value"},
		{line: "a--b", error: "two hyphens in a row"},
	} {
		t.Run(test.line, func(t *testing.T) {
			t.Parallel()
			var got *stateOptions
			err := parse(t, func(f *Factory) *cobra.Command {
				return newCmdSuspend(f, func(_ context.Context, opts *stateOptions) error { got = opts; return nil })
			}, test.line)
			if test.error != "" {
				require.ErrorContains(t, err, test.error)
				require.ErrorIs(t, err, tenant.ErrInvalid)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, got.Selection)
		})
	}
}

func TestSelectorMatches(t *testing.T) {
	t.Parallel()
	there := reconcile.Tenant{
		Name: "a", Declared: true, Spec: tenant.Spec{Ring: "canary", Instance: "one", State: tenant.Active, Services: []string{"core"}},
		Status: &tenant.Status{State: tenant.Suspended, Route: tenant.RouteLegacy},
	}
	absent := reconcile.Tenant{Name: "b", Declared: true, Spec: tenant.Spec{Ring: "general", Instance: "two", State: tenant.Active}}
	for _, test := range []struct {
		selector      string
		there, absent bool
	}{
		{"", true, true},
		{"ring=canary", true, false},
		{"ring=canary,ring=general", true, true},
		{"ring!=canary", false, true},
		{"state=suspended", true, false},
		{"state=active", false, true},
		{"route=legacy", true, false},
		{"route!=legacy", false, true},
		{"instance=two,state=active", false, true},
		{"service=core", true, false},
	} {
		conditions, err := parseSelector(&cobra.Command{}, test.selector)
		require.NoError(t, err)
		require.Equal(t, test.there, matches(there, conditions), test.selector)
		require.Equal(t, test.absent, matches(absent, conditions), test.selector)
	}
}

func TestInspectTakesTheFileBehindItsFlag(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"client-x": "", "client-x --write-mapping": "mappings/client-x.yaml", "client-x --write-mapping m.yaml": "m.yaml",
		"--write-mapping m.yaml client-x": "", "client-x --write-mapping=-": "-",
	} {
		var got *inspectOptions
		err := parse(t, func(f *Factory) *cobra.Command {
			return newCmdInspect(f, func(_ context.Context, opts *inspectOptions) error { got = opts; return nil })
		}, line)
		if strings.HasPrefix(line, "--") {
			require.Error(t, err, "the first name would be taken for the tenant's")
			continue
		}
		require.NoError(t, err, line)
		require.Equal(t, want, got.Draft, line)
		require.Equal(t, "client-x", got.Name)
	}
}

func TestPsqlArguments(t *testing.T) {
	t.Parallel()
	var got *psqlOptions
	takes := func(f *Factory) *cobra.Command {
		return newCmdPsql(f, func(_ context.Context, opts *psqlOptions) error { got = opts; return nil })
	}
	require.NoError(t, parse(t, takes, "client-x --write -- -f repair.sql -v x=1"))
	require.Equal(t, []string{"-f", "repair.sql", "-v", "x=1"}, got.Args)
	require.True(t, got.Write)
	require.NoError(t, parse(t, takes, "client-x -c select"))
	require.Equal(t, "select", got.Command)
	require.ErrorContains(t, parse(t, takes, "client-x repair.sql"), "takes one tenant at a time")
}
