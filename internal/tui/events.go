package tui

import (
	"strings"
	"time"

	"tenantctl/internal/look"
	"tenantctl/internal/tenant"
)

// eventsPage follows what happens: of the fleet, or of one tenant.
type eventsPage struct {
	quiet
	feed[tenant.Event]
	tenant tenant.Name // "": all
}

func newEventsPage(a *app, name tenant.Name) *eventsPage {
	p := &eventsPage{tenant: name}
	p.feed = feed[tenant.Event]{
		app: a, of: "event", known: p.events, id: func(e tenant.Event) int64 { return e.ID },
		text: func(e tenant.Event) string { return string(e.Tenant) + " " + e.Type + " " + e.Message + " " + e.Actor },
		line: func(e tenant.Event) line { return eventLine(e, a.now(), true) },
	}
	return p
}

func (p *eventsPage) crumb() string {
	if p.tenant == "" {
		return "events"
	}
	return "events of " + string(p.tenant)
}

func (p *eventsPage) targets() []tenant.Name { return tenantOf(p.tenant) }

// tenantOf are the tenants that a page is about which is about one, or about all.
func tenantOf(name tenant.Name) []tenant.Name {
	if name == "" {
		return nil
	}
	return []tenant.Name{name}
}

// events are those of the page's tenant.
func (p *eventsPage) events() []tenant.Event {
	if p.tenant == "" {
		return p.app.events
	}
	var its []tenant.Event
	for _, e := range p.app.events {
		if e.Tenant == p.tenant {
			its = append(its, e)
		}
	}
	return its
}

func (p *eventsPage) bindings() []binding { return p.feed.bindings() }

func (p *eventsPage) sift(f filter) bool { return p.feed.sift(f) }

func (p *eventsPage) lines(width, height int) []string {
	return p.feed.lines(width, height, "no events yet")
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
