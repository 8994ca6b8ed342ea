package progress

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"tenantctl/internal/look"
	"tenantctl/internal/migrate"
)

const (
	stepWidth  = 10
	maxBars    = 6
	spareLines = 6 // of the terminal's height, for what stands above
)

// block is the lines that show the running step: a bar in total and one for each of the largest tables under way.
func (m *Move) block() []string {
	width, height := m.streams.Size()
	lines := []string{fmt.Sprintf("  %-*s %s", stepWidth, m.step, m.standing())}
	if m.rows != nil {
		lines[0] = fmt.Sprintf("  %-*s %s %s", stepWidth, m.step, look.Bar(m.rows.Share(), look.BarWidth), m.standing())
		lines = append(lines, tableBars(*m.rows, min(maxBars, max(height-spareLines, 0)))...)
	}
	for i, line := range lines {
		lines[i] = look.Cut(line, max(width-1, 1))
	}
	return lines
}

func tableBars(p migrate.Progress, room int) []string {
	tables := p.UnderWay()
	shown := tables[:min(len(tables), room)]
	name := 0
	for _, t := range shown {
		name = max(name, utf8.RuneCountInString(t.Name))
	}
	name = min(name, maxName)
	var lines []string
	for _, t := range shown {
		label := look.Cut(t.Name, name)
		label += strings.Repeat(" ", name-utf8.RuneCountInString(label))
		lines = append(lines, fmt.Sprintf("    %s %s %3.0f%%  %s", label, look.Bar(t.Share(), look.BarWidth), 100*t.Share(), look.Plural(t.Rows, "row", "rows")))
	}
	if more := len(tables) - len(shown); more > 0 && room > 0 {
		lines = append(lines, fmt.Sprintf("    and %s under way", look.Plural(int64(more), "more table", "more tables")))
	}
	return lines
}

const maxName = 32

// standing says in words how far the running step is.
func (m *Move) standing() string {
	elapsed := m.now().Sub(m.began)
	if m.rows == nil {
		return look.Duration(elapsed)
	}
	p := *m.rows
	parts := []string{
		fmt.Sprintf("%3.0f%%", 100*p.Share()),
		look.Plural(p.Rows, "row", "rows") + ", " + look.Bytes(p.Bytes),
	}
	if rate := m.meter.Rate(); rate > 0 {
		parts = append(parts, look.Bytes(rate)+"/s")
	}
	if left, known := m.meter.Left(); known && p.Share() < 1 {
		parts = append(parts, look.Remaining(left))
	}
	if len(p.Tables) > 1 {
		parts = append(parts, fmt.Sprintf("%d of %d tables", p.TablesDone(), len(p.Tables)))
	}
	return strings.Join(parts, "  ")
}
