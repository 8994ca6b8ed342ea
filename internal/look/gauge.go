package look

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// The signs of work: each says with its word, and never only by its color, how it stands.
const (
	SignDone    = "✓"
	SignFailed  = "✗"
	SignRunning = ">"
	SignToCome  = "·"
	SignSkipped = "-"
)

// Item is work that a bar is drawn for.
type Item struct {
	Sign  string // before the name; empty where it has none
	Name  string // begins with spaces where it is a part of the item above
	Share float64
	Pace  []int64  // drawn instead of a bar, where given
	Said  []string // beside the bar
}

// Gauge is an item as it is drawn. Commands and the dashboard show the same ones; the dashboard paints their pieces.
type Gauge struct {
	Sign, Name, Bar string
	Said            []string
}

func (g Gauge) String() string {
	return strings.TrimRight(g.Sign+" "+g.Name+" "+g.Bar+" "+strings.Join(g.Said, "  "), " ")
}

// Room is what gauges are laid out in.
type Room struct {
	Width  int
	Beside int // columns that what is said takes, as a rule
	Least  int // of a bar
}

const (
	nameLeast = 22 // columns that the longest name may have in the narrowest terminal
	nameMost  = 34
)

// Gauges draws items so that their bars begin in one column and are as long. In a narrow terminal the bars give way first.
func Gauges(in Room, items ...Item) []Gauge {
	name := 0
	for _, item := range items {
		name = max(name, utf8.RuneCountInString(item.Name))
	}
	name = min(name, min(max(in.Width/3, nameLeast), nameMost))
	bar := min(max(in.Width-name-in.Beside-len("s  "), in.Least), BarWidth)
	made := make([]Gauge, len(items))
	for i, item := range items {
		g := Gauge{Sign: item.Sign, Name: filled(Cut(item.Name, name), name), Bar: Bar(item.Share, bar), Said: item.Said}
		if g.Sign == "" {
			g.Sign = " "
		}
		if item.Pace != nil {
			g.Bar = filled(Spark(item.Pace, bar), bar)
		}
		made[i] = g
	}
	return made
}

func filled(text string, width int) string {
	return text + strings.Repeat(" ", max(width-utf8.RuneCountInString(text), 0))
}

// Spark draws the newest of some figures, each against the largest.
func Spark(figures []int64, width int) string {
	figures = figures[max(len(figures)-width, 0):]
	levels := []rune("▁▂▃▄▅▆▇█")
	most := max(slices.Max(append([]int64{0}, figures...)), 1)
	var s strings.Builder
	for _, f := range figures {
		s.WriteRune(levels[int(max(f, 0)*int64(len(levels)-1)/most)])
	}
	return s.String()
}
