package tui

import (
	"fmt"
	"slices"

	tea "github.com/charmbracelet/bubbletea"

	"tenantctl/internal/look"
)

// feed shows what grows at the bottom, line by line, and follows it. It can be paused, searched and scrolled.
type feed[T any] struct {
	app    *app
	of     string         // what it is of, such as "event"; its plural has an s
	known  func() []T     // everything, the oldest first
	text   func(T) string // in which is searched
	line   func(T) line
	id     func(T) int64 // rises
	filter filter
	wrap   bool
	frozen []T // what is shown while it is paused; nil: it follows
	at     int // the line that keys are about, counted from the newest; 0 while it follows
	back   int // how many of the newest are scrolled away
}

func (f *feed[T]) sift(by filter) bool {
	f.filter, f.at, f.back = by, 0, 0
	return true
}

func (f *feed[T]) bindings() []binding {
	pause := "pause: what comes meanwhile waits"
	if f.frozen != nil {
		pause = "go on following"
	}
	return append([]binding{
		{keys: "/", does: "search: words, !words", short: "search"},
		{keys: "space", does: pause, short: "pause"},
		{keys: "w", does: "wrap long lines, or cut them", short: "wrap"},
	}, moving()...)
}

func (f *feed[T]) key(msg tea.KeyMsg) tea.Cmd {
	switch key := msg.String(); key {
	case " ":
		if f.frozen != nil {
			f.frozen, f.at, f.back = nil, 0, 0
			return nil
		}
		f.freeze()
	case "w":
		f.wrap = !f.wrap
	default:
		f.scroll(key)
	}
	return nil
}

func (f *feed[T]) freeze() {
	if f.frozen = slices.Clone(f.known()); f.frozen == nil {
		f.frozen = []T{}
	}
}

// scroll goes through the lines, which grow at the bottom: to leave the bottom is to pause.
func (f *feed[T]) scroll(key string) {
	rows := len(f.shown())
	to, moved := move(key, rows-1-f.at, rows, f.app.bodyHeight())
	if !moved {
		return
	}
	f.at = rows - 1 - to
	if f.at > 0 && f.frozen == nil {
		f.freeze()
	}
}

// window keeps the line that keys are about on the screen: of wrapped lines, at its bottom.
func (f *feed[T]) window(height int) {
	if f.wrap {
		f.back = f.at
		return
	}
	f.back = max(min(f.back, f.at), f.at-height+1)
}

// since is how many came after it was paused.
func (f *feed[T]) since() int {
	n := 0
	for _, item := range slices.Backward(f.known()) {
		if len(f.frozen) > 0 && f.id(item) <= f.id(f.frozen[len(f.frozen)-1]) {
			break
		}
		n++
	}
	return n
}

func (f *feed[T]) shown() []T {
	from := f.known()
	if f.frozen != nil {
		from = f.frozen
	}
	if len(f.filter.terms) == 0 {
		return from
	}
	var shown []T
	for _, item := range from {
		if f.filter.keepsText(f.text(item)) {
			shown = append(shown, item)
		}
	}
	return shown
}

// here is the line that keys are about.
func (f *feed[T]) here() (item T, there bool) {
	all := f.shown()
	if i := len(all) - 1 - f.at; i >= 0 && i < len(all) {
		return all[i], true
	}
	return item, false
}

func (f *feed[T]) copyText() string {
	if item, there := f.here(); there {
		return plainText(f.line(item))
	}
	return ""
}

func (f *feed[T]) lines(width, height int, nothing string) []string {
	all := f.shown()
	th := &f.app.theme
	if len(all) == 0 {
		return []string{th.draw(text(dim, f.app.waiting(nothing)), width)}
	}
	var below []string
	if f.frozen != nil {
		came := look.Plural(int64(f.since()), f.of, f.of+"s")
		below = []string{th.draw(text(warn, fmt.Sprintf("paused; %s since, space goes on", came)), width)}
	}
	room := max(height-len(below), 1)
	f.window(room)
	var out []string
	for i := len(all) - 1 - f.back; i >= 0 && len(out) < room; i-- {
		parts := f.draw(all[i], f.frozen != nil && i == len(all)-1-f.at, width, room)
		slices.Reverse(parts)
		out = append(out, parts...)
	}
	out = out[:min(len(out), room)]
	slices.Reverse(out)
	return append(out, below...)
}

// draw is one line of it, which takes several of the screen where it is wrapped.
func (f *feed[T]) draw(item T, chosen bool, width, most int) []string {
	th, l := &f.app.theme, f.line(item)
	switch {
	case f.wrap && chosen:
		parts := wrap(plainText(l), width, most)
		for i, part := range parts {
			parts[i] = th.drawCursor(text(plain, part), width)
		}
		return parts
	case f.wrap:
		return wrap(plainText(l), width, most)
	case chosen:
		return []string{th.drawCursor(l, width)}
	}
	return []string{th.draw(l, width)}
}
