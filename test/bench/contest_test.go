package bench_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// laps are how long the parts of a turn took, by name, without preparation.
type laps map[string]time.Duration

// bar is what our time may be as a part of a peer's; 0: the ratio is only shown.
type bar struct {
	peer  string // name of a lap, or of several joined by + whose times add up
	value float64
}

// compete lets the sides take turns, in the other order in every second round, and prints the median of our lap as a part of
// that of each peer.
func compete(b *testing.B, ours string, sides []func() laps, bars ...bar) {
	b.Helper()
	times := map[string][]time.Duration{}
	for round := range rounds(b) {
		turns := slices.Clone(sides)
		if round%2 == 1 {
			slices.Reverse(turns)
		}
		for _, turn := range turns {
			for name, elapsed := range turn() {
				times[name] = append(times[name], elapsed)
			}
		}
	}
	fmt.Println()
	for _, name := range slices.Sorted(maps.Keys(times)) {
		fmt.Printf("  %s: %s s\n", name, seconds(times[name]))
	}
	for _, bar := range bars {
		theirs := make([]time.Duration, len(times[ours]))
		for name := range strings.SplitSeq(bar.peer, "+") {
			for i, t := range times[name] {
				theirs[i] += t
			}
		}
		announce(b, ours+"/"+bar.peer, median(times[ours]).Seconds()/median(theirs).Seconds(), bar.value)
	}
}

func seconds(times []time.Duration) string {
	list := make([]string, len(times))
	for i, t := range times {
		list[i] = fmt.Sprintf("%.2f", t.Seconds())
	}
	return strings.Join(list, " ")
}

// announce prints a ratio and its bar, and says so where the bar is missed.
func announce(b *testing.B, name string, ratio, bar float64) {
	b.Helper()
	b.ReportMetric(ratio, name)
	switch {
	case bar == 0:
		fmt.Printf("%s %.2f (no bar)\n", name, ratio)
	case ratio > bar:
		fmt.Printf("%s %.2f (bar %.2f) MISSED\n", name, ratio, bar)
	default:
		fmt.Printf("%s %.2f (bar %.2f)\n", name, ratio, bar)
	}
}

func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
