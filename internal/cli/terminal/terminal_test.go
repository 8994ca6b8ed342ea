package terminal

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/tenant"
)

func TestWithoutATerminalNobodyIsAsked(t *testing.T) {
	t.Parallel()
	var errs strings.Builder
	s := New(strings.NewReader("yes\n"), &strings.Builder{}, &errs, func(string) (string, bool) { return "", false })
	require.False(t, s.CanAsk())
	_, err := s.Confirm(t.Context(), "Go ahead?")
	require.ErrorIs(t, err, ErrNobody)
	require.ErrorIs(t, err, tenant.ErrInvalid)
	require.Empty(t, errs.String())
	require.Equal(t, "red", s.PaintErr(Red, "red"), "no color where nobody looks")
	require.Zero(t, s.OutWidth())
	s.Show("bars")
	require.Empty(t, errs.String())
}

func TestLinesAboveTheBlock(t *testing.T) {
	t.Parallel()
	var screen strings.Builder
	b := &block{out: &screen}
	write := func(text string) {
		n, err := b.Write([]byte(text))
		require.NoError(t, err)
		require.Equal(t, len(text), n)
	}
	write("before\n")
	b.show([]string{"one", "two"})
	b.show([]string{"one", "two"}) // the same isn't drawn again
	write("between\n")
	b.show(nil)
	write("after\n")
	up := "\x1b[2A\r\x1b[J"
	require.Equal(t, "before\n"+"one\ntwo\n"+up+"between\n"+"one\ntwo\n"+up+"after\n", screen.String())
}

func TestQuestionsInOrder(t *testing.T) {
	t.Parallel()
	var errs strings.Builder
	s := &Streams{In: strings.NewReader("\nno\nY\n"), Err: &errs, InTerminal: true, ErrTerminal: true}
	answer, err := s.Ask(t.Context(), "Name", "core")
	require.NoError(t, err)
	require.Equal(t, "core", answer)
	yes, err := s.Confirm(t.Context(), "Sure?")
	require.NoError(t, err)
	require.False(t, yes)
	yes, err = s.Confirm(t.Context(), "Sure?")
	require.NoError(t, err)
	require.True(t, yes)
	_, err = s.Ask(t.Context(), "More", "")
	require.ErrorIs(t, err, ErrNobody, "the input ended")
	require.Equal(t, "Name [core]: Sure? (yes/no): Sure? (yes/no): More: ", errs.String())
}
