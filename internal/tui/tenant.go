package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"tenantctl/internal/look"
	"tenantctl/internal/migrate"
	"tenantctl/internal/tenant"
)

// tenantPage shows everything that is known of one tenant.
type tenantPage struct {
	app    *app
	name   tenant.Name
	detail *Detail
	doc    document
}

func newTenantPage(a *app, name tenant.Name) *tenantPage { return &tenantPage{app: a, name: name} }

func (p *tenantPage) crumb() string { return string(p.name) }

func (p *tenantPage) ask(ctx context.Context, from Source) (any, error) {
	return from.Tenant(ctx, p.name)
}

func (p *tenantPage) take(answer any) {
	if d, ok := answer.(Detail); ok {
		p.detail = &d
	}
}

func (p *tenantPage) sift(filter) bool       { return false }
func (p *tenantPage) targets() []tenant.Name { return []tenant.Name{p.name} }
func (p *tenantPage) copyText() string       { return string(p.name) }

func (p *tenantPage) bindings() []binding {
	return append([]binding{
		{keys: "m", does: "its move: phases, tables, proof", short: "move"},
		{keys: "e", does: "its events", short: "events"},
		{keys: "l", does: "what services write of it", short: "logs"},
	}, moving()...)
}

func (p *tenantPage) key(msg tea.KeyMsg) tea.Cmd {
	switch key := msg.String(); key {
	case "m", "enter":
		return p.app.open(newMovePage(p.app, p.name))
	case "e":
		return p.app.open(newEventsPage(p.app, p.name))
	case "l":
		return p.app.open(newLogsPage(p.app, LogQuery{Tenant: p.name}))
	default:
		p.doc.key(key, p.app.bodyHeight())
	}
	return nil
}

func (p *tenantPage) lines(width, height int) []string {
	p.doc.reset()
	if p.detail == nil {
		p.doc.add(text(dim, p.app.waiting("reading "+string(p.name)+" …")))
		return p.doc.draw(&p.app.theme, width, height)
	}
	d := p.detail
	p.trouble(width)
	p.facts()
	p.operation(width)
	if len(d.Events) > 0 {
		p.doc.blank()
		p.doc.title("events")
		for _, e := range slices.Backward(d.Events) {
			p.doc.add(eventLine(e, p.app.now(), false))
		}
	}
	return p.doc.draw(&p.app.theme, width, height)
}

// trouble says what nobody should miss, before everything else.
func (p *tenantPage) trouble(width int) {
	d := p.detail
	if migrate.MayBlock(d.Operation) {
		if b := migrate.FenceOf(d.Operation, d.Steps); b != nil {
			p.doc.paragraph(bad, "", "X "+b.Sentence(p.name, p.app.now()), width, 3)
			p.doc.blank()
		}
	}
	if n := needOf(&d.Tenant); n == needHelp {
		p.doc.paragraph(bad, "", "! "+standing(&d.Tenant, p.app.now()), width, 3)
		p.doc.blank()
	}
}

func (p *tenantPage) facts() {
	d := p.detail
	p.doc.fact("state", text(stateLook(d.State), string(d.State)).with(plain, undeclared(d.Declared)))
	p.doc.fact("route", text(routeLook(d.Route), routeText(d.Route)).with(dim, epochText(d)))
	p.doc.fact("home", text(plain, homeText(d)))
	p.doc.fact("ring", text(plain, d.Ring))
	p.doc.fact("services", text(plain, strings.Join(d.Services, ", ")))
	if halfDone(&d.Tenant) {
		p.doc.fact("versions", text(bad, tenant.VersionsText(d.Versions)))
	} else {
		p.doc.fact("versions", text(plain, tenant.VersionsText(d.Versions)))
	}
	p.doc.fact("path", text(plain, strings.Join(d.SearchPath, ", ")))
	p.doc.fact("limits", text(plain, LimitsText(d.Limits)))
	switch {
	case d.Size != nil:
		p.doc.fact("size", text(plain, look.Bytes(d.Size.Bytes)+" in "+look.Plural(int64(d.Size.Tables), "table", "tables")))
	case d.SizeWhy != "":
		p.doc.fact("size", text(dim, "not known: "+d.SizeWhy))
	}
	p.doc.fact("upstream", text(plain, d.Upstream))
	for _, o := range d.Differs {
		p.doc.fact("differs", text(warn, o.What+" "+orNone(o.Recorded)).with(plain, ", declared "+orNone(o.Declared)))
	}
	for _, o := range d.Overrides {
		by := fmt.Sprintf(" by %s, %s ago", o.Actor, ageOf(p.app.now(), o.At))
		if o.Reason != "" {
			by += ": " + o.Reason
		}
		p.doc.fact("by hand", text(warn, o.Kind+"="+o.Value).with(plain, by))
	}
	if !d.Updated.IsZero() {
		p.doc.fact("changed", text(dim, ageOf(p.app.now(), d.Updated)+" ago"))
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func undeclared(declared bool) string {
	if declared {
		return ""
	}
	return ", no longer declared in tenants.yaml"
}

func routeText(r tenant.Route) string {
	return map[tenant.Route]string{
		tenant.RouteLegacy:   "legacy: its traffic goes to the legacy application",
		tenant.RouteHold:     "hold: its traffic waits at the gateway",
		tenant.RoutePlatform: "platform: its traffic goes to the platform",
	}[r]
}

func epochText(d *Detail) string {
	if d.Route == "" {
		return ""
	}
	return fmt.Sprintf(" (epoch %d)", d.Epoch)
}

func homeText(d *Detail) string {
	s := fmt.Sprintf("instance %s, schema %s", d.Instance, d.Schema)
	if d.Cell != "" {
		s += ", cell " + d.Cell
	}
	return s
}

// LimitsText is what a tenant may use, for people.
func LimitsText(l tenant.Limits) string {
	if l == (tenant.Limits{}) {
		return ""
	}
	return fmt.Sprintf("statements %s, %s, %s at once, weight %d", l.StatementTimeout,
		look.Plural(int64(l.RequestsPerSecond), "request/s", "requests/s"), look.Plural(int64(l.Jobs), "job", "jobs"), l.Weight)
}

// operation tells of the newest operation and its steps.
func (p *tenantPage) operation(width int) {
	op := p.detail.Last
	if op == nil {
		return
	}
	p.doc.blank()
	head := text(strong, op.Kind+" ").with(operationLook(op), migrate.State(op))
	head = head.with(plain, fmt.Sprintf(" by %s, begun %s ago", op.Actor, ageOf(p.app.now(), op.Started)))
	if op.Reason != "" {
		head = head.with(plain, ": "+op.Reason)
	}
	p.doc.add(head)
	if op.Error != "" && op.State == tenant.OperationFailed {
		p.doc.paragraph(bad, "  ", op.Error, width, maxErrorLines)
	}
	for i, s := range p.detail.Steps {
		if s.State == "started" && (op.Runner == "" || i < len(p.detail.Steps)-1) {
			p.doc.add(diedLine(s)) // nobody told how it ended
			continue
		}
		p.doc.add(stepLine(s))
	}
}

// diedLine is an attempt at a step whose process ended without a word.
func diedLine(s tenant.StepRecord) line {
	return text(bad, look.SignFailed+" ").with(plain, fit(s.Step, stepWidth)+" ").with(bad, "died")
}

const maxErrorLines = 6

func operationLook(op *tenant.Operation) role {
	switch op.State {
	case tenant.OperationDone:
		return good
	case tenant.OperationFailed:
		return bad
	case tenant.OperationStopped:
		return warn
	case tenant.OperationRunning:
		if op.Runner == "" {
			return bad
		}
		return accent
	case tenant.OperationUndone:
	}
	return plain
}

// stepLine is an attempt at a step.
func stepLine(s tenant.StepRecord) line {
	sign, how := stepSign(s.State)
	l := text(how, sign+" ").with(plain, fit(s.Step, stepWidth)+" ").with(how, fit(s.State, 9)).with(plain, tookText(s))
	if s.Attempt > 1 {
		l = l.with(dim, fmt.Sprintf("  try %d", s.Attempt))
	}
	if s.Error != "" {
		l = l.with(bad, "  "+firstLine(s.Error))
	}
	return l
}

const stepWidth = 10

func stepSign(state string) (string, role) {
	switch state {
	case "done":
		return look.SignDone, good
	case "failed":
		return look.SignFailed, bad
	case "started":
		return look.SignRunning, accent
	}
	return look.SignSkipped, dim
}

func tookText(s tenant.StepRecord) string {
	if s.Ended.IsZero() {
		return ""
	}
	return look.Duration(s.Ended.Sub(s.Started))
}
