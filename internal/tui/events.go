package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"tenantctl/internal/look"
	"tenantctl/internal/tenant"
)

// eventsPage follows what happens: of the fleet, or of one tenant.
type eventsPage struct {
	quiet
	app    *app
	tenant tenant.Name // "": all
	filter filter
	wrap   bool
	frozen []tenant.Event // what is shown while it is paused; nil: it follows
	back   int            // how many of the newest are scrolled away
}

func newEventsPage(a *app, name tenant.Name) *eventsPage { return &eventsPage{app: a, tenant: name} }

func (p *eventsPage) crumb() string {
	if p.tenant == "" {
		return "events"
	}
	return "events of " + string(p.tenant)
}

func (p *eventsPage) sift(f filter) bool {
	p.filter, p.back = f, 0
	return true
}

func (p *eventsPage) targets() []tenant.Name {
	if p.tenant == "" {
		return nil
	}
	return []tenant.Name{p.tenant}
}

func (p *eventsPage) bindings() []binding {
	pause := "pause: what comes meanwhile waits"
	if p.frozen != nil {
		pause = "go on following"
	}
	return append([]binding{
		{keys: "/", does: "search: words, !words", short: "search"},
		{keys: "space", does: pause, short: "pause"},
		{keys: "w", does: "wrap long lines, or cut them", short: "wrap"},
	}, moving()...)
}

func (p *eventsPage) key(msg tea.KeyMsg) tea.Cmd {
	switch key := msg.String(); key {
	case " ":
		if p.frozen != nil {
			p.frozen, p.back = nil, 0
			return nil
		}
		p.frozen = slices.Clone(p.app.events)
	case "w":
		p.wrap = !p.wrap
	default:
		p.scroll(key)
	}
	return nil
}

// scroll goes through the lines, which grow at the bottom: to leave the bottom is to pause.
func (p *eventsPage) scroll(key string) {
	rows := len(p.shown())
	page := p.app.bodyHeight()
	to, moved := move(key, rows-1-p.back, rows, page)
	if !moved {
		return
	}
	if to < min(page, rows)-1 {
		to = min(page, rows) - 1
	}
	p.back = rows - 1 - to
	if p.back > 0 && p.frozen == nil {
		p.frozen = slices.Clone(p.app.events)
	}
}

func (p *eventsPage) shown() []tenant.Event {
	from := p.app.events
	if p.frozen != nil {
		from = p.frozen
	}
	if p.tenant == "" && len(p.filter.terms) == 0 {
		return from
	}
	var shown []tenant.Event
	for _, e := range from {
		if (p.tenant == "" || e.Tenant == p.tenant) && p.filter.keepsText(string(e.Tenant)+" "+e.Type+" "+e.Message+" "+e.Actor) {
			shown = append(shown, e)
		}
	}
	return shown
}

func (p *eventsPage) lines(width, height int) []string {
	events := p.shown()
	th := &p.app.theme
	if len(events) == 0 {
		return []string{th.draw(text(dim, p.app.waiting("no events yet")), width)}
	}
	var out []string
	for _, e := range slices.Backward(events[:max(len(events)-p.back, 0)]) {
		if len(out) >= height {
			break
		}
		l := eventLine(e, p.app.now(), true)
		if !p.wrap {
			out = append(out, th.draw(l, width))
			continue
		}
		parts := wrap(plainText(l), width, height)
		slices.Reverse(parts)
		out = append(out, parts...)
	}
	out = out[:min(len(out), height)]
	slices.Reverse(out)
	if p.frozen != nil {
		waiting := p.app.eventCount - p.app.countAt(p.frozen)
		out[len(out)-1] = th.draw(text(warn, fmt.Sprintf("paused; %s since, space goes on", look.Plural(int64(waiting), "event", "events"))), width)
	}
	return out
}

func (p *eventsPage) copyText() string {
	events := p.shown()
	if i := len(events) - 1 - p.back; i >= 0 && i < len(events) {
		return plainText(eventLine(events[i], p.app.now(), true))
	}
	return ""
}

func plainText(l line) string {
	var s strings.Builder
	for _, part := range l {
		s.WriteString(part.text)
	}
	return s.String()
}

// eventLine is an event in a line; its tenant is left out on a page that is about the tenant.
func eventLine(e tenant.Event, now time.Time, named bool) line {
	l := text(dim, eventTime(e.Time, now)+"  ")
	if named {
		l = l.with(accent, fit(string(e.Tenant), eventTenant)+" ")
	}
	l = l.with(eventLook(e.Type), e.Message)
	if e.Actor != "" {
		l = l.with(dim, "  "+e.Actor)
	}
	return l
}

const eventTenant = 16

func eventTime(at, now time.Time) string {
	at, now = at.In(now.Location()), now.In(now.Location())
	if at.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return at.Format("15:04:05")
	}
	return at.Format("01-02 15:04")
}

func eventLook(kind string) role {
	switch {
	case strings.HasSuffix(kind, "failed"):
		return bad
	case strings.HasSuffix(kind, "stopped"), strings.HasSuffix(kind, "overridden"), strings.HasSuffix(kind, "taken_over"):
		return warn
	case strings.HasSuffix(kind, ".done"), strings.HasSuffix(kind, "_done"):
		return good
	}
	return plain
}

func ageOf(now, at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return look.Age(now.Sub(at))
}
