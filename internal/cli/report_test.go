package cli

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/config"
	"tenantctl/internal/migrate"
	"tenantctl/internal/tenant"
)

func reported(err error) string {
	var out strings.Builder
	nothing := func(string) (string, bool) { return "", false }
	writeError(terminal.New(strings.NewReader(""), &out, &out, nothing), err, maskText)
	return out.String()
}

func TestErrorsSayWhatAndWhatNext(t *testing.T) {
	t.Parallel()
	hinted := tenant.WithHint(errors.New("role is there"), "rename it")
	require.Equal(t, "error: role is there\nnext: rename it\n", reported(hinted))
	require.Equal(t, "error: provision a: role is there\nerror: provision b: role is there\nerror: 2 of 2 tenants failed\nnext: rename it\n",
		reported(errors.Join(fmt.Errorf("provision a: %w", hinted), fmt.Errorf("provision b: %w", hinted), errors.New("2 of 2 tenants failed"))),
		"joined errors one a line, the same hint once")
	require.Equal(t, "error: copy: lost: not found\n", reported(fmt.Errorf("copy: lost: %w", tenant.ErrNotFound)))
	require.Equal(t, "error: copy: a: b\n", reported(fmt.Errorf("copy: %w: %w", errors.New("a"), errors.New("b"))), "two causes of one error are one")
	require.Equal(t, "error: refused: nothing was touched\n       - one\n       - two\nnext: inspect\n",
		reported(tenant.WithHint(errors.New("refused: nothing was touched\n- one\n- two"), "inspect")))
	problems := config.Problems{{Place: config.Place{File: "t.yaml", Line: 1, Column: 2}, Message: "a"}, {Place: config.Place{File: "t.yaml", Line: 3, Column: 4}, Message: "b"}}
	require.Equal(t, "error: t.yaml:1:2: a\nerror: t.yaml:3:4: b\nnext: mend\n", reported(tenant.WithHint(problems, "mend")))
}

func TestPasswordsNeverShow(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"connect to postgres://u:s3cret@h:1/d failed":       "connect to postgres://u:***@h:1/d failed",
		"amqp://guest:s3cret@h/":                            "amqp://guest:***@h/",
		"host=h password=s3cret user=u":                     "host=h password=*** user=u",
		"host=h password = 's3 cret' user=u":                "host=h password = *** user=u",
		"postgres://h/d?user=u&password=s3cret&sslmode=off": "postgres://h/d?user=u&password=***&sslmode=off",
		"export X='postgres://user:password@host:5432/db'":  "export X='postgres://user:password@host:5432/db'",
	} {
		require.Equal(t, want, maskText(text))
	}
	require.Equal(t, "alter role r password '***' valid until 'x'", shownSQL("alter role r\n\tpassword 's''3cret' valid until 'x'"))
}

func TestBlockedWritesAreReadFromTheJournal(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 24, 0, 0, time.Local)
	began := time.Date(2026, 1, 2, 3, 12, 0, 0, time.Local)
	op := &tenant.Operation{Kind: migrate.Kind, Tenant: "client-x", Phase: "copy", State: tenant.OperationFailed}
	step := func(name, state string, attempt int) tenant.StepRecord {
		r := tenant.StepRecord{Step: name, State: state, Attempt: attempt, Started: began}
		if state == "done" || state == "failed" {
			r.Ended = began.Add(time.Second)
		}
		return r
	}
	for _, test := range []struct {
		name  string
		steps []tenant.StepRecord
		want  string
	}{
		{"not yet", []tenant.StepRecord{step("inspect", "done", 1)}, ""},
		{"stands", []tenant.StepRecord{step("fence", "done", 1), step("copy", "failed", 1)}, "are BLOCKED since 03:12 (11 min 59 s) by the move that stands at `copy`; `tenantctl migrate client-x` goes on, `tenantctl rollback client-x` releases them"},
		{"died while it was put up", []tenant.StepRecord{step("fence", "started", 1)}, "may be BLOCKED since 03:12 (12 min)"},
		{"failed while it was put up", []tenant.StepRecord{step("fence", "failed", 1)}, "may be BLOCKED"},
		{"taken back", []tenant.StepRecord{step("fence", "voided", 1)}, ""},
		{"put up again", []tenant.StepRecord{step("fence", "voided", 1), step("fence", "done", 2)}, "are BLOCKED"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			blocked := migrate.FenceOf(op, test.steps)
			if test.want == "" {
				require.Nil(t, blocked)
				return
			}
			require.Contains(t, blocked.Sentence("client-x", now), "client-x: writes to its legacy database "+test.want)
		})
	}
	require.True(t, migrate.MayBlock(op))
	require.False(t, migrate.MayBlock(&tenant.Operation{Kind: migrate.Kind, Phase: "schema"}))
	require.False(t, migrate.MayBlock(nil))
}
