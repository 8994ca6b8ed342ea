package tui

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/muesli/termenv"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/tenant"
)

// largeFleet is 10,000 tenants, a hundred of them on the move.
func largeFleet() []Tenant {
	pattern := aFleet()
	fleet := make([]Tenant, 10_000)
	for i := range fleet {
		fleet[i] = pattern[i%20]
		fleet[i].Name = tenant.Name(fmt.Sprintf("client-%05d", i))
		if i%100 == 0 {
			fleet[i].Operation = runningMove(fleet[i].Name, 0.5)
		}
	}
	return fleet
}

// BenchmarkFrame is a key or an answer, and the frame that comes of it, with 10,000 tenants on a screen of 200 x 60.
func BenchmarkFrame(b *testing.B) {
	s := &script{fleet: largeFleet(), events: someEvents("", 5000)}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	a := newApp(Options{
		Source: s, Theme: colored(termenv.ANSI256, true), Now: func() time.Time { return now },
		Within: func(d time.Duration) (context.Context, context.CancelFunc) {
			return context.WithTimeout(b.Context(), d)
		},
	})
	a.Update(tea.WindowSizeMsg{Width: 200, Height: 60})
	answer := func() tea.Msg {
		a.link.asking = false
		return a.poll()()
	}
	first := answer()
	require.NoError(b, first.(polled).err)
	a.Update(first)
	var took []time.Duration
	step := func(msg tea.Msg) {
		began := time.Now()
		a.Update(msg)
		_ = a.View()
		took = append(took, time.Since(began))
	}
	for b.Loop() {
		for _, k := range []string{"j", "G", "g", "ctrl+d", "s", "r", "/", "c", "l", "1", "enter", " ", "*", "esc", "esc", "4", "w", "k", " ", "esc", "x", "esc", "?", "esc"} {
			step(keyOf(k))
		}
		a.link.whole = time.Time{}
		step(answer()) // the whole fleet anew
		step(answer()) // and the hundred that are worked on
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms-most")
	var after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-min(before.HeapAlloc, after.HeapAlloc))/(1<<20), "MB-heap")
	runtime.KeepAlive(a)
}
