package tui

import (
	"context"
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"tenantctl/internal/look"
)

// servicesPage shows what runs of the platform: each process under its service, with what it answers.
type servicesPage struct {
	quiet
	app     *app
	all     []Service
	waiting []Queue
	why     string // the queues aren't known
	read    bool
	doc     document
}

func newServicesPage(a *app) *servicesPage { return &servicesPage{app: a} }

func (p *servicesPage) crumb() string { return "services" }

// platform is what the page asks for.
type platform struct {
	services []Service
	queues   []Queue
	why      string
}

func (p *servicesPage) ask(ctx context.Context, from Source) (any, error) {
	var said platform
	var err error
	if said.services, err = from.Services(ctx); err != nil {
		return nil, err
	}
	if said.queues, err = from.Queues(ctx); err != nil {
		said.why = err.Error()
	}
	return said, nil
}

func (p *servicesPage) take(answer any) {
	if said, ok := answer.(platform); ok {
		p.all, p.waiting, p.why, p.read = said.services, said.queues, said.why, true
	}
}

func (p *servicesPage) bindings() []binding {
	return append([]binding{{keys: "enter", does: "the tenant that waits", short: "tenant"}}, moving()...)
}

func (p *servicesPage) key(msg tea.KeyMsg) tea.Cmd {
	if msg.String() == "enter" {
		if r := p.doc.here(); r != nil && r.tenant != "" {
			return p.app.open(newTenantPage(p.app, r.tenant))
		}
	}
	p.doc.key(msg.String(), p.app.bodyHeight())
	return nil
}

func (p *servicesPage) copyText() string { return p.doc.copyText() }

func (p *servicesPage) lines(width, height int) []string {
	p.doc.reset()
	p.parked()
	switch {
	case !p.read:
		p.doc.add(text(dim, p.app.waiting("reading what runs …")))
	case len(p.all) == 0:
		p.doc.add(text(dim, "nothing of the platform runs; `tenantctl serve all` starts it"))
	default:
		p.doc.add(text(dim, "  "+fit("SERVICE", 15)+pad("RATE", 9)+pad("5XX", 8)+pad("P99", 9)+"  "+fit("SINCE", 7)+fit("SERVES", 18)+"ADDRESS"))
		for i, s := range p.all {
			if i == 0 || p.all[i-1].Service != s.Service {
				p.total(i)
			}
			p.process(s)
		}
	}
	if p.read {
		p.queues(width)
	}
	return p.doc.draw(&p.app.theme, width, height)
}

// total is a service's line over those of its processes.
func (p *servicesPage) total(first int) {
	n, rate, known := 0, 0.0, false
	for _, s := range p.all[first:] {
		if s.Service != p.all[first].Service {
			break
		}
		n++
		if s.Traffic != nil {
			rate, known = rate+s.Traffic.Rate, true
		}
	}
	each := "-"
	if known {
		each = fmt.Sprintf("%.1f/s", rate)
	}
	l := text(strong, fit(p.all[first].Service, 17)).with(plain, pad(each, 9)).with(dim, "   "+look.Plural(int64(n), "replica", "replicas"))
	if calls := p.all[first].Calls; len(calls) > 0 {
		l = l.with(dim, ", calls "+strings.Join(calls, ", "))
	}
	p.doc.add(l)
}

func (p *servicesPage) process(s Service) {
	l := text(dim, "  "+fit(s.ID, 14)+" ")
	if t := s.Traffic; t != nil {
		errors := good
		if t.Errors > 0 {
			errors = bad
		}
		p99 := "-"
		if t.P99 > 0 {
			p99 = look.Duration(t.P99)
		}
		l = l.with(plain, pad(fmt.Sprintf("%.1f/s", t.Rate), 9)).with(errors, pad(fmt.Sprintf("%.1f%%", 100*t.Errors), 8)).with(plain, pad(p99, 9))
	} else {
		l = l.with(dim, pad("-", 9)+pad("-", 8)+pad("-", 9))
	}
	l = l.with(dim, "  "+fit(ageOf(p.app.now(), s.Started), 7)).with(plain, fit(s.ServesText(), 17)+" ").with(accent, s.URL).with(dim, "  "+s.Build)
	if s.Why != "" {
		l = l.with(warn, "  "+s.Why)
	}
	p.doc.rows = append(p.doc.rows, docRow{line: l, copied: s.URL, stop: true})
}

func pad(s string, width int) string { return strings.Repeat(" ", max(width-len([]rune(s)), 0)) + s }
