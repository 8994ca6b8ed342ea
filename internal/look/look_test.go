package look_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/look"
)

func TestUnits(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 kB", 10 << 10: "10 kB", 1 << 20: "1.0 MB", 1023 << 10: "1.0 MB", 650 << 20: "650 MB", 5 << 40: "5.0 TB"} {
		require.Equal(t, want, look.Bytes(n))
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234"} {
		require.Equal(t, want, look.Count(n))
	}
	for d, want := range map[time.Duration]string{
		-1: "0 s", 0: "0 s", 12 * time.Millisecond: "12 ms", 1500 * time.Millisecond: "1.5 s", 3 * time.Second: "3 s", 45 * time.Second: "45 s",
		3*time.Minute + 5*time.Second: "3 min 5 s", time.Hour: "1 h", 26 * time.Hour: "1 d 2 h",
	} {
		require.Equal(t, want, look.Duration(d))
	}
	for d, want := range map[time.Duration]string{-1: "0s", 59 * time.Second: "59s", 12 * time.Minute: "12m", 47 * time.Hour: "47h", 72 * time.Hour: "3d"} {
		require.Equal(t, want, look.Age(d))
	}
	require.Equal(t, "1 table", look.Plural(1, "table", "tables"))
	require.Equal(t, "1,000 tables", look.Plural(1000, "table", "tables"))
	require.Equal(t, "ab…", look.Cut("abcdef", 3))
}

func TestMeterTellsPaceOfTheLastSeconds(t *testing.T) {
	t.Parallel()
	var m look.Meter
	_, known := m.Left()
	require.False(t, known)
	at := time.Unix(0, 0)
	for i := range 60 {
		m.Add(at.Add(time.Duration(i)*time.Second), float64(i)/120, int64(i)<<20)
	}
	require.EqualValues(t, 1<<20, m.Rate())
	left, known := m.Left()
	require.True(t, known)
	require.InDelta(t, 61, left.Seconds(), 0.1)
}

func TestBarStaysWithinItsWidth(t *testing.T) {
	t.Parallel()
	require.Equal(t, "████", look.Bar(1.5, 4))
	require.Equal(t, "░░░░", look.Bar(-1, 4))
	require.Equal(t, "██░░", look.Bar(0.5, 4))
}

// TestGaugesLineUp lays out work where there is room and where there isn't: bars begin in one column and are as long, and give way first.
func TestGaugesLineUp(t *testing.T) {
	t.Parallel()
	items := []look.Item{
		{Name: "copy", Share: 0.5, Said: []string{" 50%", "2 of 5 tables"}},
		{Name: "rate", Pace: []int64{0, 5, 10}, Said: []string{"10 MB/s"}},
		{Sign: look.SignFailed, Name: "  a name that is longer than any other", Share: 1, Said: []string{"100%"}},
	}
	for width, want := range map[int]string{
		100: `
  copy                              ████████████░░░░░░░░░░░░  50%  2 of 5 tables
  rate                              ▁▄█                      10 MB/s
✗   a name that is longer than any… ████████████████████████ 100%`,
		40: `
  copy                   ██░░  50%  2 of 5 tables
  rate                   ▁▄█  10 MB/s
✗   a name that is long… ████ 100%`,
	} {
		var lines string
		for _, g := range look.Gauges(look.Room{Width: width, Beside: 30, Least: 4}, items...) {
			lines += "\n" + g.String()
		}
		require.Equal(t, want, lines, width)
	}
	require.Empty(t, look.Spark(nil, 5))
	require.Equal(t, "▁▁", look.Spark([]int64{9, 0, 0}, 2), "only what is shown counts")
}
