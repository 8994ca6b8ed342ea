// Package look is how figures look to people, in the commands' output and in the dashboard alike: sizes, counts, times, bars.
package look

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const kilo = 1024

// Bytes is a size for people: 1.4 GB. Units are powers of 1,024, as PostgreSQL writes them.
func Bytes(n int64) string {
	if n < kilo {
		return strconv.FormatInt(n, 10) + " B"
	}
	value, unit := float64(n), 0
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	for value >= 999.5 && unit < len(units)-1 {
		value /= kilo
		unit++
	}
	if value < 10 {
		return fmt.Sprintf("%.1f %s", value, units[unit])
	}
	return fmt.Sprintf("%.0f %s", value, units[unit])
}

// Count is a number with separators: 1,234,567.
func Count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	var parts []string
	for len(digits) > 3 {
		parts = append([]string{digits[len(digits)-3:]}, parts...)
		digits = digits[:len(digits)-3]
	}
	return sign + strings.Join(append([]string{digits}, parts...), ",")
}

// Plural is a count with its noun: 1 table, 2 tables.
func Plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

const day = 24 * time.Hour

// Duration is a length of time for people, in one or two units: 12 s, 3 min 5 s, 2 h 10 min, 4 d 6 h.
func Duration(d time.Duration) string {
	switch {
	case d <= 0:
		return "0 s"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second && d%time.Second != 0:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return two(d, time.Minute, "min", time.Second, "s")
	case d < day:
		return two(d, time.Hour, "h", time.Minute, "min")
	}
	return two(d, day, "d", time.Hour, "h")
}

func two(d, large time.Duration, largeUnit string, small time.Duration, smallUnit string) string {
	first, rest := d/large, d%large/small
	if rest == 0 {
		return fmt.Sprintf("%d %s", first, largeUnit)
	}
	return fmt.Sprintf("%d %s %d %s", first, largeUnit, rest, smallUnit)
}

// Age is how long ago something was, in one unit: 5s, 12m, 3h, 9d.
func Age(since time.Duration) string {
	switch {
	case since < 0:
		return "0s"
	case since < time.Minute:
		return fmt.Sprintf("%ds", since/time.Second)
	case since < time.Hour:
		return fmt.Sprintf("%dm", since/time.Minute)
	case since < 2*day:
		return fmt.Sprintf("%dh", since/time.Hour)
	}
	return fmt.Sprintf("%dd", since/day)
}

// Cut shortens text to a number of characters.
func Cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	runes := []rune(text)
	return string(runes[:max(width-1, 0)]) + "…"
}

// OneLine keeps a message with line breaks or control characters from breaking the table or the terminal.
func OneLine(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}

// Clock is a time of day, with the date where it wasn't today.
func Clock(at, now time.Time) string {
	at, now = at.Local(), now.Local()
	if at.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return at.Format("15:04")
	}
	return at.Format("2006-01-02 15:04")
}
