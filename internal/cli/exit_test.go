package cli_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/cli"
	"tenantctl/internal/tenant"
)

func TestExitCodes(t *testing.T) {
	t.Parallel()
	wrap := func(err error) error { return fmt.Errorf("migrate client-x: %w", tenant.WithHint(err, "try")) }
	for _, test := range []struct {
		name string
		err  error
		code int
	}{
		{"nothing", nil, 0},
		{"anything", errors.New("disk on fire"), 1},
		{"refused", wrap(tenant.ErrRefused), 1},
		{"not found", wrap(tenant.ErrNotFound), 1},
		{"changes", wrap(tenant.ErrChanges), 2},
		{"invalid", wrap(tenant.ErrInvalid), 3},
		{"auth", wrap(tenant.ErrAuth), 4},
		{"partial", wrap(tenant.ErrPartial), 5},
		{"conflict", wrap(tenant.ErrConflict), 6},
		{"locked", wrap(tenant.ErrLocked), 6},
		{"lease lost", wrap(tenant.ErrLeaseLost), 6},
		{"stopped", wrap(tenant.ErrStopped), 7},
		{"interrupted", wrap(tenant.ErrInterrupted), 130},
		{"canceled", wrap(context.Canceled), 130},
		{"partial wins over what the tenants died of", errors.Join(wrap(tenant.ErrConflict), wrap(tenant.ErrAuth), wrap(tenant.ErrPartial)), 5},
		{"interrupted wins over partial", errors.Join(wrap(tenant.ErrPartial), wrap(tenant.ErrInterrupted)), 130},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.code, cli.ExitCode(test.err))
		})
	}
}

// run runs a command line as a script does, without a terminal.
func run(t testing.TB, args []string, environ ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	code = cli.Main(args, strings.NewReader(""), &out, &errs, environ...)
	return code, out.String(), errs.String()
}

func TestEveryCodeIsExplained(t *testing.T) {
	t.Parallel()
	code, out, _ := run(t, []string{"help", "exit-codes"})
	require.Zero(t, code)
	for _, number := range []string{"0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "6 ", "7 ", "130 "} {
		require.Contains(t, out, "\n  "+number)
	}
}
