package migrate

import (
	"fmt"

	"tenantctl/internal/look"
)

// StepText is a step where a move's steps are listed: its name, how it stands, and how long that took.
func StepText(step, state, took string) string {
	return fmt.Sprintf("%-10s %-8s %s", step, state, took)
}

const (
	besideRows = 44 // columns of what is said of rows
	leastBar   = 8
)

// Gauges show how the rows go, to who typed the command and in the dashboard alike: the phase, how fast it goes, and the largest tables
// under way, at most so many.
func (p Progress) Gauges(width int, pace *look.Meter, most int) []look.Gauge {
	items := []look.Item{{Name: p.Phase, Share: p.Share(), Said: p.said()}}
	if rates := pace.Rates(); len(rates) > 0 {
		rate := look.Item{Name: "rate", Pace: rates, Said: []string{look.Bytes(pace.Rate()) + "/s"}}
		if left, known := pace.Left(); known && p.Share() < 1 {
			rate.Said = append(rate.Said, look.Remaining(left))
		}
		items = append(items, rate)
	}
	first := len(items)
	under := p.UnderWay()
	shown := under[:min(len(under), most)]
	for _, t := range shown {
		items = append(items, look.Item{Name: "  " + t.Name, Share: t.Share(), Said: []string{percent(t.Share()), look.Plural(t.Rows, "row", "rows")}})
	}
	for _, t := range p.Tables { // those that aren't shown keep the bars where they are, too
		items = append(items, look.Item{Name: "  " + t.Name})
	}
	gauges := look.Gauges(look.Room{Width: width, Beside: besideRows, Least: leastBar}, items...)[:first+len(shown)]
	if more := len(under) - len(shown); more > 0 && most > 0 {
		gauges = append(gauges, look.Gauge{Sign: " ", Name: "  and " + look.Plural(int64(more), "more table", "more tables") + " under way"})
	}
	return gauges
}

// said is how far the rows are, in words.
func (p Progress) said() []string {
	parts := []string{percent(p.Share()), look.Plural(p.Rows, "row", "rows") + ", " + look.Bytes(p.Bytes)}
	if len(p.Tables) > 1 {
		parts = append(parts, fmt.Sprintf("%d of %d tables", p.TablesDone(), len(p.Tables)))
	}
	return parts
}

// Said is how far the rows are and how fast they go, for one line.
func (p Progress) Said(pace *look.Meter) []string {
	parts := p.said()
	if rate := pace.Rate(); rate > 0 {
		parts = append(parts, look.Bytes(rate)+"/s")
	}
	if left, known := pace.Left(); known && p.Share() < 1 {
		parts = append(parts, look.Remaining(left))
	}
	return parts
}

func percent(share float64) string { return fmt.Sprintf("%3.0f%%", 100*share) }
