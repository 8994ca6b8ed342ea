package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestWindowContains(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		window, at string // a time in UTC; 2026-03-07 is a Saturday
		want       bool
	}{
		{"Sat 02:00-05:00 UTC", "2026-03-07T02:00:00Z", true},
		{"Sat 02:00-05:00 UTC", "2026-03-07T04:59:59Z", true},
		{"Sat 02:00-05:00 UTC", "2026-03-07T05:00:00Z", false},
		{"Sat 02:00-05:00 UTC", "2026-03-07T01:59:59Z", false},
		{"Sat 02:00-05:00 UTC", "2026-03-08T03:00:00Z", false},
		{"Sat 02:00-05:00 Europe/Berlin", "2026-03-07T01:30:00Z", true},
		{"Sat 02:00-05:00 Europe/Berlin", "2026-03-07T04:30:00Z", false},
		{"Sat 22:00-04:00 UTC", "2026-03-07T23:00:00Z", true},
		{"Sat 22:00-04:00 UTC", "2026-03-08T03:59:00Z", true},
		{"Sat 22:00-04:00 UTC", "2026-03-08T04:00:00Z", false},
		{"Sat 22:00-04:00 UTC", "2026-03-07T03:00:00Z", false}, // belongs to Friday
		{"Sat 22:00-04:00 UTC", "2026-03-08T23:00:00Z", false},
		{"Mon-Fri 09:00-17:00 UTC", "2026-03-06T12:00:00Z", true},
		{"Mon-Fri 09:00-17:00 UTC", "2026-03-07T12:00:00Z", false},
		{"Fri-Mon 09:00-17:00 UTC", "2026-03-08T12:00:00Z", true},
		{"Fri-Mon 09:00-17:00 UTC", "2026-03-10T12:00:00Z", false},
		{"Sat,Tue-Wed 09:00-17:00 UTC", "2026-03-11T12:00:00Z", true},
		{"Sat,Tue-Wed 09:00-17:00 UTC", "2026-03-12T12:00:00Z", false},
		{"02:00-05:00 UTC", "2026-03-11T03:00:00Z", true},
		{"00:00-24:00 UTC", "2026-03-11T23:59:59Z", true},
		{"Sun 02:00-03:00 Europe/Berlin", "2026-03-29T00:59:59Z", false}, // 01:59:59; the clock then jumps to 03:00
		{"Sun 02:00-03:00 Europe/Berlin", "2026-03-29T01:00:00Z", false},
		{"Sun 02:00-03:00 Europe/Berlin", "2026-10-25T00:30:00Z", true}, // 02:30 comes twice
		{"Sun 02:00-03:00 Europe/Berlin", "2026-10-25T01:30:00Z", true},
	} {
		w, err := ParseWindow(c.window)
		require.NoError(t, err, c.window)
		at, err := time.Parse(time.RFC3339, c.at)
		require.NoError(t, err)
		require.Equal(t, c.want, w.Contains(at), "%s at %s", c.window, c.at)
		require.Equal(t, c.window, w.String())
	}
}

func TestWindowRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "Sat", "02:00-05:00", "Sat 2:00-5:00 UTC", "Sat 02:00-25:00 UTC", "Sat 24:00-02:00 UTC", "Sat 02:60-03:00 UTC", "sat 02:00-05:00 UTC",
		"Sat,02:00-05:00 UTC", "Sat 02:00 - 05:00 UTC", "Sat 02:00-05:00 Mars/Olympus", "Sat 02:00-05:00 ../../etc/passwd", "Sat 02:00-02:00 UTC",
		"Sat 02:00-05:00 Local", "Sat  02:00-05:00 UTC",
	} {
		_, err := ParseWindow(text)
		require.Error(t, err, text)
	}
}

func TestZeroWindowIsAlwaysOpen(t *testing.T) {
	t.Parallel()
	require.True(t, Window{}.Contains(time.Unix(0, 0)))
	require.True(t, Window{}.IsZero())
}

// A window and the one that begins where it ends cover the week between them, once.
func TestWindowAndItsComplement(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		clock := rapid.StringMatching(`([01][0-9]|2[0-3]):[0-5][0-9]`)
		from, to := clock.Draw(t, "from"), clock.Draw(t, "to")
		if from == to {
			t.Skip("not a window")
		}
		w, err := ParseWindow(from + "-" + to + " America/New_York")
		require.NoError(t, err)
		rest, err := ParseWindow(to + "-" + from + " America/New_York")
		require.NoError(t, err)
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), 0)
		require.NotEqual(t, w.Contains(at), rest.Contains(at))
	})
}

func TestDurationsReadWhatTheyWrite(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"30s": "30s", "90s": "1m30s", "2m": "2m", "1h": "1h", "1h30m": "1h30m", "0s": "0s", "100ms": "100ms", "10m": "10m", "20h0m10s": "20h0m10s"} {
		var d, again Duration
		require.NoError(t, d.parse(text, spot{}))
		require.Equal(t, want, d.String())
		require.NoError(t, again.parse(d.String(), spot{}))
		require.Equal(t, d, again)
	}
}
