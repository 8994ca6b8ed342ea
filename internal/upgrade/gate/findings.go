package gate

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"tenantctl/internal/upgrade"
)

// findings are what a look has shown: what is wrong, what can't be told, and what was fine.
type findings struct {
	failures, doubts, fine []string
	lasting                int // of the failures and doubts: looking again shows the same
	figures                []upgrade.Figure
}

func (f *findings) fail(format string, args ...any) {
	f.failures = append(f.failures, fmt.Sprintf(format, args...))
}

func (f *findings) doubt(format string, args ...any) {
	f.doubts = append(f.doubts, fmt.Sprintf(format, args...))
}

// lastingDoubt is one that only a person can lift.
func (f *findings) lastingDoubt(format string, args ...any) {
	f.doubt(format, args...)
	f.lasting++
}

func (f *findings) pass(format string, args ...any) {
	f.fine = append(f.fine, fmt.Sprintf(format, args...))
}

func (f *findings) figure(name string, value, limit float64, unit string) {
	f.figures = append(f.figures, upgrade.Figure{Name: name, Value: value, Limit: limit, Unit: unit})
}

func (f *findings) add(other *findings) {
	f.failures = append(f.failures, other.failures...)
	f.doubts = append(f.doubts, other.doubts...)
	f.fine = append(f.fine, other.fine...)
	f.figures = append(f.figures, other.figures...)
	f.lasting += other.lasting
}

// judgement is the verdict: what is wrong outweighs what can't be told, and the message has both. again is false where every
// one of them would only be found again.
func (f *findings) judgement() (j upgrade.Judgement, again bool) {
	j = upgrade.Judgement{Verdict: upgrade.Pass, Message: strings.Join(f.fine, "; "), Figures: f.figures}
	switch {
	case len(f.failures) > 0:
		j.Verdict = upgrade.Fail
	case len(f.doubts) > 0:
		j.Verdict = upgrade.Inconclusive
	default:
		return j, false
	}
	j.Message = strings.Join(append(append([]string{}, f.failures...), f.doubts...), "; ")
	return j, f.lasting < len(f.failures)+len(f.doubts)
}

// seconds writes a span as people say it: 0.4s, 12s, 3m20s.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return span(d.Round(time.Second))
}

// span writes a duration without the units that are zero: 10m, not 10m0s.
func span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// size writes bytes as people say them: 512 MB.
func size(bytes float64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	unit := 0
	for bytes >= 1024 && unit+1 < len(units) {
		bytes, unit = bytes/1024, unit+1
	}
	return strconv.FormatFloat(bytes, 'f', min(unit, 1), 64) + " " + units[unit]
}

// short writes a number with at most four digits that matter.
func short(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
