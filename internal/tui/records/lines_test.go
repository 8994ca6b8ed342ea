package records_test

import (
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/telemetry/logs"
	"tenantctl/internal/tenant"
	"tenantctl/internal/tui"
	"tenantctl/internal/tui/records"
)

// TestLinesAreFollowed reads what processes of this machine write, from one question to the next, and one query after another.
func TestLinesAreFollowed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, err := logs.Create(dir, "core", 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	out := slog.New(slog.NewJSONHandler(file, nil))
	s, err := records.New(records.Options{
		Declared: func() ([]tenant.Spec, error) { return nil, nil }, LogsDir: func() (string, error) { return dir, nil },
		Mask: func(s string) string { return strings.ReplaceAll(s, "hunter2", "***") },
	})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	var got []tui.LogLine
	follow := func(q tui.LogQuery, want ...string) (last tui.Logs) {
		got = nil
		require.Eventually(t, func() bool {
			var err error
			last, err = s.Logs(t.Context(), q)
			require.NoError(t, err)
			for _, l := range last.Lines {
				require.Equal(t, q.After+1, l.Number)
				q.After = l.Number
				got = append(got, l)
			}
			return len(got) >= len(want)
		}, 10*time.Second, 20*time.Millisecond)
		for i, text := range want {
			require.Contains(t, got[i].Text, text)
		}
		require.Len(t, got, len(want))
		return last
	}
	out.Info("order placed", "service", "core", "tenant", "acme", "trace", "4bf9", "order", 4711, "password", "hunter2")
	out.Warn("slow", "service", "core", "tenant", "beta", "text", strings.Repeat("x", 100_000))
	follow(tui.LogQuery{}, "order placed  order=4711  password=***", "slow  text=xxx")
	require.Equal(t, tui.LogLine{Number: 1, Time: got[0].Time, Service: "core", Tenant: "acme", Trace: "4bf9", Text: got[0].Text}, got[0])
	require.Len(t, got[1].Text, 4<<10, "as much as a screen shows")
	require.Equal(t, slog.LevelWarn, got[1].Level)
	out.Info("another", "service", "core")
	follow(tui.LogQuery{After: 2}, "another")
	follow(tui.LogQuery{Tenant: "acme"}, "order placed")
	follow(tui.LogQuery{Trace: "4b"}, "order placed")
	out.Info("one more", "service", "core")
	last := follow(tui.LogQuery{After: 3}, "one more")
	require.False(t, last.Anew, "who comes back soon goes on")
	for _, after := range []int64{4, 7} {
		s.Close()
		last = follow(tui.LogQuery{After: after}, "order placed", "slow", "another", "one more")
		require.True(t, last.Anew, "who comes back late is given all of it")
	}
	again, err := s.Logs(t.Context(), tui.LogQuery{After: 3})
	require.NoError(t, err)
	require.True(t, again.Anew && len(again.Lines) == 4, "so is one whose numbers are of a reader before")
	again, err = s.Logs(t.Context(), tui.LogQuery{After: 4711})
	require.NoError(t, err)
	require.True(t, again.Anew && len(again.Lines) == 4)
	for trace := range 12 {
		_, err := s.Logs(t.Context(), tui.LogQuery{Trace: strconv.Itoa(trace)})
		require.NoError(t, err, "there are bounds to what is followed, not to what may be asked")
	}

	s.LogsDir = func() (string, error) { return "", nil }
	none, err := s.Logs(t.Context(), tui.LogQuery{})
	require.NoError(t, err)
	require.Contains(t, none.Why, "platform.logs")
}
