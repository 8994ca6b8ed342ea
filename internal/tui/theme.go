package tui

import (
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"tenantctl/internal/look"
)

// role is what a piece of text is, from which follows how it looks.
type role int

const (
	plain  role = iota
	dim         // of little weight
	strong      // titles, what is selected
	good
	warn
	bad
	accent // keys and names that lead somewhere
	cursor // the line that keys act on
	roles
)

// Theme is how roles look. State is never told by it alone: without any color the same words and signs stand there.
type Theme struct {
	before, after [roles]string
}

// NewTheme makes the colors for a terminal. The sixteen colors are the terminal's own, which its owner can read; where one of
// them is too pale on a light background, a darker one of the 256 stands in, which a terminal of sixteen brings back to its
// nearest. A renderer without colors gives Mono.
func NewTheme(r *lipgloss.Renderer) Theme {
	if r.ColorProfile() == noColors {
		return Mono()
	}
	color := func(light, dark string) lipgloss.Style {
		return r.NewStyle().Foreground(lipgloss.AdaptiveColor{Light: light, Dark: dark})
	}
	styles := [roles]lipgloss.Style{
		plain:  r.NewStyle(),
		dim:    color("242", "245"),
		strong: r.NewStyle().Bold(true),
		good:   color("28", "10"),
		warn:   color("130", "11"),
		bad:    color("160", "9").Bold(true),
		accent: color("25", "14"),
		cursor: r.NewStyle().Reverse(true),
	}
	var t Theme
	for i, style := range styles {
		t.before[i], t.after[i], _ = strings.Cut(style.Render("x"), "x")
	}
	return t
}

// Mono has no colors, only what a terminal without them has: bold, faint, reverse.
func Mono() Theme {
	var t Theme
	for i, code := range map[role]string{dim: "2", strong: "1", bad: "1", accent: "1", cursor: "7"} {
		t.before[i], t.after[i] = "\x1b["+code+"m", "\x1b[0m"
	}
	return t
}

func (t *Theme) paint(r role, text string) string {
	if text == "" || t.before[r] == "" {
		return text
	}
	return t.before[r] + text + t.after[r]
}

// span is a piece of a line.
type span struct {
	text string
	role role
}

// line is what stands in one row of the screen.
type line []span

func text(r role, s string) line { return line{{s, r}} }

func (l line) with(r role, s string) line { return append(l, span{s, r}) }

// maxShown is the most of a text that is looked at, in bytes: more than the widest screen shows.
const maxShown = 4 << 10

// clean makes a text of somebody else's fit for one line of the screen.
func clean(s string) string {
	if len(s) > maxShown {
		s = strings.ToValidUTF8(s[:maxShown], "") + "…"
	}
	return look.OneLine(s)
}

// fit cuts or fills a text to a width.
func fit(s string, width int) string {
	w := ansi.StringWidth(s)
	switch {
	case width <= 0:
		return ""
	case w > width:
		s = ansi.Truncate(s, width, "…")
		w = ansi.StringWidth(s)
	}
	return s + strings.Repeat(" ", max(width-w, 0))
}

// draw renders a line of exactly so many columns, or fewer where it is shorter and nothing follows it.
func (t *Theme) draw(l line, width int) string {
	var out strings.Builder
	room := width
	for _, s := range l {
		s.text = clean(s.text)
		w := ansi.StringWidth(s.text)
		if w > room {
			out.WriteString(t.paint(s.role, ansi.Truncate(s.text, room, "…")))
			break
		}
		out.WriteString(t.paint(s.role, s.text))
		room -= w
	}
	return out.String()
}

// drawCursor renders a line as the one that keys act on: whole, in one look.
func (t *Theme) drawCursor(l line, width int) string {
	var all strings.Builder
	for _, s := range l {
		all.WriteString(clean(s.text))
	}
	return t.paint(cursor, fit(all.String(), width))
}

// wrap breaks a text into lines of a width, at most so many; the last one tells when there was more.
func wrap(s string, width, most int) []string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) > maxShown {
		s = strings.ToValidUTF8(s[:maxShown], "") + "…"
	}
	var lines []string
	for part := range strings.SplitSeq(s, "\n") {
		part = look.OneLine(strings.ReplaceAll(part, "\t", "    "))
		for wrapped := range strings.SplitSeq(ansi.Wrap(part, max(width, 1), ""), "\n") {
			if len(lines) == most {
				lines[most-1] = fit(strings.TrimRight(lines[most-1], " ")+" …", max(width, 1))
				return lines
			}
			lines = append(lines, wrapped)
		}
	}
	return lines
}
