package progress

import (
	"strings"
	"time"

	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/look"
	"tenantctl/internal/migrate"
)

const (
	maxBars    = 6
	leastBar   = 6
	spareLines = 6 // of the terminal's height, for what stands above
)

// block is the lines that show the running step: a bar in total and one for each of the largest tables under way.
func (m *Move) block() []string {
	width, height := m.streams.Size()
	if m.rows == nil {
		return []string{look.Cut(look.SignRunning+" "+migrate.StepText(m.step, "started", m.standing()), max(width-1, 1))}
	}
	return drawn(width, m.rows.Gauges(width-1, &m.meter, min(maxBars, max(height-spareLines, 0)))...)
}

// drawn are gauges as lines that a terminal has room for.
func drawn(width int, gauges ...look.Gauge) []string {
	lines := make([]string, len(gauges))
	for i, g := range gauges {
		lines[i] = look.Cut(g.String(), max(width-1, 1))
	}
	return lines
}

// besideCount is the columns of what is said of tenants that are counted.
const besideCount = 30

// counting is the line that shows how many of some tenants are through.
func counting(streams *terminal.Streams, item look.Item) {
	width, _ := streams.Size()
	streams.Show(drawn(width, look.Gauges(look.Room{Width: width - 1, Beside: besideCount, Least: leastBar}, item)...)...)
}

// standing says in words how far the running step is.
func (m *Move) standing() string {
	if m.rows == nil {
		return look.Duration(m.now().Sub(m.began).Truncate(time.Second))
	}
	return strings.Join(m.rows.Said(&m.meter), "  ")
}
