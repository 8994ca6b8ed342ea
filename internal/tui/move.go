package tui

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"tenantctl/internal/look"
	"tenantctl/internal/migrate"
	"tenantctl/internal/tenant"
)

// movePage shows a tenant's move: where it stands, how fast it goes, what was proven, what comes next and who must bring it about.
type movePage struct {
	app    *app
	name   tenant.Name
	detail *Detail
	rows   *migrate.Progress // of the phase under way
	meter  look.Meter
	doc    document
}

func newMovePage(a *app, name tenant.Name) *movePage { return &movePage{app: a, name: name} }

func (p *movePage) crumb() string { return "move of " + string(p.name) }

func (p *movePage) ask(ctx context.Context, from Source) (any, error) {
	return from.Tenant(ctx, p.name)
}

func (p *movePage) take(answer any) {
	d, ok := answer.(Detail)
	if !ok {
		return
	}
	if p.detail == nil || p.op() == nil || d.Last == nil || p.op().ID != d.Last.ID || p.op().Phase != d.Last.Phase {
		p.meter = look.Meter{}
	}
	p.detail, p.rows = &d, nil
	op := p.op()
	if op == nil || len(op.Progress) == 0 {
		return
	}
	var rows migrate.Progress
	if json.Unmarshal(op.Progress, &rows) != nil || rows.Phase != op.Phase || op.State == tenant.OperationDone || op.State == tenant.OperationUndone {
		return
	}
	p.rows = &rows
	if op.Runner != "" {
		p.meter.Add(p.app.now(), rows.Share(), rows.Bytes)
	}
}

// op is the move; nil where there was none.
func (p *movePage) op() *tenant.Operation {
	if p.detail == nil || p.detail.Last == nil || p.detail.Last.Kind != migrate.Kind {
		return nil
	}
	return p.detail.Last
}

func (p *movePage) sift(filter) bool       { return false }
func (p *movePage) targets() []tenant.Name { return []tenant.Name{p.name} }

// copyText is what failed, else the command that moves it or goes on; the name alone where there is nothing to move.
func (p *movePage) copyText() string {
	if op := p.op(); op != nil && op.Error != "" {
		return op.Error
	}
	if p.op() == nil && p.detail != nil && !p.detail.Legacy {
		return string(p.name)
	}
	return "tenantctl migrate " + string(p.name)
}

func (p *movePage) bindings() []binding {
	return append([]binding{
		{keys: "t", does: "the tenant", short: "tenant"},
		{keys: "e", does: "its events", short: "events"},
	}, moving()...)
}

func (p *movePage) key(msg tea.KeyMsg) tea.Cmd {
	switch key := msg.String(); key {
	case "t":
		return p.app.open(newTenantPage(p.app, p.name))
	case "e":
		return p.app.open(newEventsPage(p.app, p.name))
	default:
		p.doc.key(key, p.app.bodyHeight())
	}
	return nil
}

// wide is from how many columns the tables stand beside the phases.
const wide = 120

func (p *movePage) lines(width, height int) []string {
	p.doc.reset()
	switch {
	case p.detail == nil:
		p.doc.add(text(dim, p.app.waiting("reading the move of "+string(p.name)+" …")))
	case p.op() == nil:
		p.never(width)
	default:
		p.head(width)
		p.next(width)
		beside := width >= wide
		room := width
		if beside {
			room -= phaseColumns
		}
		phases, tables := p.phases(), p.tables(room)
		if beside && len(tables) > 0 {
			p.beside(phases, tables)
		} else {
			for _, l := range append(tables, phases...) {
				p.doc.add(l)
			}
		}
		p.proof(width)
	}
	return p.doc.draw(&p.app.theme, width, height)
}

func (p *movePage) never(width int) {
	p.doc.add(text(plain, string(p.name)+" was never moved"))
	p.doc.blank()
	if !p.detail.Legacy {
		p.doc.paragraph(dim, "", "tenants.yaml declares no legacy database for it, so there is nothing to move.", width, 3)
		return
	}
	p.doc.paragraph(plain, "", "M moves its legacy database to the platform; first it shows the plan.", width, 3)
}

// head is what nobody should miss: the state, what failed, whose writes wait.
func (p *movePage) head(width int) {
	op := p.op()
	l := text(strong, "move ").with(operationLook(op), migrate.State(op))
	p.doc.add(l.with(plain, fmt.Sprintf(" by %s, begun %s ago", op.Actor, ageOf(p.app.now(), op.Started))).with(plain, reasonText(op.Reason)))
	if migrate.MayBlock(op) && op.State != tenant.OperationDone && op.State != tenant.OperationUndone {
		if b := migrate.FenceOf(op, p.detail.Steps); b != nil {
			p.doc.paragraph(needOf(&p.detail.Tenant).look(), "", b.Sentence(p.name, p.app.now()), width, 4)
		}
	}
	if op.Error != "" && op.State == tenant.OperationFailed {
		p.doc.paragraph(bad, "", op.Error, width, maxErrorLines)
	}
}

func reasonText(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// phaseColumns is how wide the column of phases is where the tables stand beside it.
const phaseColumns = 48

// phases are those that were, the one that is, those to come.
func (p *movePage) phases() []line {
	newest := map[string]tenant.StepRecord{}
	for _, s := range p.detail.Steps {
		newest[s.Step] = s
	}
	var lines []line
	known := migrate.Phases()
	for _, phase := range known {
		s, begun := newest[phase]
		if !begun || s.State == "voided" {
			lines = append(lines, text(dim, look.SignToCome+" "+fit(phase, stepWidth)+" "+migrate.Describe(phase)))
			continue
		}
		lines = append(lines, p.phaseLine(s))
	}
	for _, s := range p.detail.Steps { // what this program doesn't know the order of stands last
		if !slices.Contains(known, s.Step) && newest[s.Step] == s && s.State != "voided" {
			lines = append(lines, p.phaseLine(s))
		}
	}
	return lines
}

func (p *movePage) phaseLine(s tenant.StepRecord) line {
	l := stepLine(tenant.StepRecord{Step: s.Step, State: s.State, Attempt: s.Attempt, Started: s.Started, Ended: s.Ended})
	if s.State == "started" {
		if p.op().Runner == "" && p.op().State == tenant.OperationRunning {
			return diedLine(s)
		}
		l = l.with(plain, look.Duration(p.app.now().Sub(s.Started).Truncate(time.Second)))
	}
	return l
}

// tables are the bars of the phase and of the tables under way, as the command shows them.
func (p *movePage) tables(width int) []line {
	if p.rows == nil {
		return nil
	}
	pace := &p.meter
	if p.op().Runner == "" {
		pace = &look.Meter{}
	}
	var lines []line
	for _, g := range p.rows.Gauges(width, pace, maxTables) {
		lines = append(lines, gaugeLine(g, good))
	}
	return lines
}

// gaugeLine draws a gauge: its sign and its bar in one look, what is said of it plainly.
func gaugeLine(g look.Gauge, how role) line {
	return text(how, g.Sign+" ").with(plain, g.Name+" ").with(how, g.Bar).with(plain, " "+strings.Join(g.Said, "  "))
}

const maxTables = 8

// beside puts two columns side by side.
func (p *movePage) beside(left, right []line) {
	for i := range max(len(left), len(right)) {
		var l line
		if i < len(left) {
			l = left[i]
		}
		gap := phaseColumns - len([]rune(plainText(l)))
		if gap < 0 {
			l = text(dim, fit(plainText(l), phaseColumns-1))
			gap = 1
		}
		l = l.with(plain, strings.Repeat(" ", gap))
		if i < len(right) {
			l = append(l, right[i]...)
		}
		p.doc.add(l)
	}
}

func (p *movePage) proof(width int) {
	r := p.detail.Proof
	if r == nil {
		return
	}
	p.doc.blank()
	if !r.Equal {
		p.doc.add(text(bad, "proof  DIFFERENT: what arrived isn't what was sent"))
		for _, t := range r.Tables {
			if !t.Equal {
				p.doc.add(text(bad, fmt.Sprintf("  ✗ %s: %s sent, %s read", t.Target.Name, look.Plural(t.Source.Rows, "row", "rows"), look.Plural(t.Read.Rows, "row", "rows"))))
			}
		}
		return
	}
	p.doc.paragraph(good, "", fmt.Sprintf("proof  equal: every row arrived as it was sent: %s in %s, %s", look.Plural(r.Rows, "row", "rows"),
		look.Plural(int64(len(r.Tables)), "table", "tables"), look.Bytes(r.Bytes)), width, 2)
	if n := len(r.Ignored) + len(r.Filtered) + len(r.LeftBehind); n > 0 {
		p.doc.paragraph(plain, "       ", look.Plural(int64(n), "thing", "things")+" stayed behind on purpose: `tenantctl verify "+string(p.name)+"` names them", width, 2)
	}
}

// next says what is to come and who must bring it about.
func (p *movePage) next(width int) {
	op := p.op()
	say := func(s string) { p.doc.paragraph(plain, "", s, width, 4) }
	switch {
	case op.State == tenant.OperationRunning && op.Runner != "":
		say("next   it goes on by itself to the end of cutover, run by " + op.Runner + "; nobody has to press anything")
	case op.State == tenant.OperationDone && migrate.MayGoBack(op, p.detail.Steps):
		say("next   a person decides: B gives the client its legacy database back, C ends the move for good")
	case op.State == tenant.OperationDone:
		say("next   nothing: the move is complete, there is no way back")
	case op.State == tenant.OperationUndone:
		say("next   nothing: the client is on its legacy database; M moves it anew")
	default:
		say("next   a person decides: M goes on where it stands, B gives the client its legacy database back")
	}
	p.doc.blank()
}
