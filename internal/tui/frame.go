package tui

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// What the dashboard needs at least. More than the most is used for nothing but room.
const (
	minWidth  = 60
	minHeight = 16
	frameRows = 4 // header, where one is, message, keys
	sayFor    = 6 * time.Second
)

func (a *app) tooSmall() bool { return a.width < minWidth || a.height < minHeight }

func (a *app) bodyHeight() int { return max(a.height-frameRows, 1) }

// View implements tea.Model: always exactly as many lines as the terminal has, none wider.
func (a *app) View() string {
	if a.width <= 0 || a.height <= 0 {
		return ""
	}
	if a.tooSmall() {
		return a.sorry()
	}
	body := a.body()
	out := make([]string, 0, a.height)
	out = append(out, a.header(), a.crumbs())
	out = append(out, body[:min(len(body), a.bodyHeight())]...)
	for len(out) < a.height-2 {
		out = append(out, "")
	}
	return strings.Join(append(out, a.messageLine(), a.footer()), "\n")
}

func (a *app) body() []string {
	switch {
	case a.dialog != nil:
		return a.dialog.lines(a, a.width, a.bodyHeight())
	case a.menu != nil:
		return a.menu.lines(a, a.width)
	case a.help != nil:
		return a.help.lines(a.width, a.bodyHeight())
	}
	return a.top().lines(a.width, a.bodyHeight())
}

// sorry is what a terminal shows that is too small.
func (a *app) sorry() string {
	s := fmt.Sprintf("the dashboard needs %d columns and %d rows; this terminal has %d and %d", minWidth, minHeight, a.width, a.height)
	lines := wrap(s, a.width, a.height)
	for i, l := range lines {
		lines[i] = ansi.Truncate(l, a.width, "")
	}
	return strings.Join(lines, "\n")
}

func (a *app) header() string {
	left := text(strong, "tenantctl")
	if a.ReadOnly || a.unable != "" && a.unable != notAsked {
		left = left.with(warn, "  read only")
	}
	if n := a.underWay(); n > 0 {
		left = left.with(accent, fmt.Sprintf("  %d begun here under way", n))
	}
	return a.sides(left, a.link.standing(a.now(), a.Source.Name()))
}

func (a *app) underWay() int {
	n := 0
	for _, t := range a.tasks {
		if !t.Ended {
			n++
		}
	}
	return n
}

// sides puts one text at the left and one at the right.
func (a *app) sides(left, right line) string {
	gap := a.width - ansi.StringWidth(plainText(left)) - ansi.StringWidth(plainText(right))
	if gap < 1 {
		return a.theme.draw(left.with(plain, " ").with(plain, plainText(right)), a.width)
	}
	return a.theme.draw(append(left.with(plain, strings.Repeat(" ", gap)), right...), a.width)
}

func (a *app) crumbs() string {
	l := line{}
	for i, p := range a.pages {
		how := dim
		if i == len(a.pages)-1 {
			how = accent
		}
		if i > 0 {
			l = l.with(dim, " › ")
		}
		l = l.with(how, p.crumb())
	}
	for ansi.StringWidth(plainText(l)) > a.width && len(l) > 2 {
		l = append(line{{"…", dim}}, l[3:]...)
	}
	if a.filter != "" {
		l = l.with(warn, "  /"+a.filter)
	}
	if f, ok := a.top().(*fleetPage); ok && len(f.marks) > 0 {
		l = l.with(accent, fmt.Sprintf("  %d marked", len(f.marks)))
	}
	return a.theme.draw(l, a.width)
}

// messageLine is the line that is typed, else what is to be said.
func (a *app) messageLine() string {
	if i := a.input; i != nil {
		sign := map[inputKind]string{inputCommand: ":", inputFilter: "/"}[i.kind]
		l := text(accent, sign).with(strong, i.shown())
		if i.kind == inputCommand {
			offers := a.offers(i.field.Value())
			if i.offer != nil {
				offers = i.offer
			}
			l = l.with(dim, "  "+strings.Join(offers[:min(len(offers), maxShownOffers)], "  "))
		}
		return a.theme.draw(l, a.width)
	}
	if a.link.err != nil {
		return a.theme.draw(text(bad, firstLine(a.link.err.Error())), a.width)
	}
	if a.message != "" && a.now().Sub(a.saidAt) < sayFor {
		return a.theme.draw(text(warn, a.message), a.width)
	}
	return ""
}

const maxShownOffers = 12

// footer are the keys that matter most here; what doesn't fit is in the help.
func (a *app) footer() string {
	var l line
	add := func(keys, short string) {
		piece := ansi.StringWidth(keys) + ansi.StringWidth(short) + 3
		if short != "" && ansi.StringWidth(plainText(l))+piece <= a.width {
			l = l.with(accent, keys).with(dim, " "+short+"  ")
		}
	}
	if a.dialog != nil {
		return "" // its own last line tells the keys
	}
	if a.help != nil || a.menu != nil {
		add("esc", "back")
		return a.theme.draw(l, a.width)
	}
	add("?", "help")
	add("x", "do")
	for _, b := range a.top().bindings() {
		add(b.keys, b.short)
	}
	add(":", "command")
	if len(a.pages) > 1 {
		add("esc", "back")
	}
	add("q", "leave")
	return a.theme.draw(l, a.width)
}
