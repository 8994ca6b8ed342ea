package tui

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"tenantctl/internal/look"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

// rolloutPage shows one rollout: its waves, what the gates said, and what went wrong, once for all whom it went wrong for.
type rolloutPage struct {
	app      *app
	id       string
	rollout  *Rollout
	filter   filter
	everyone bool // lists the tenants of whom there is nothing to tell, too
	doc      document
}

func newRolloutPage(a *app, id string) *rolloutPage { return &rolloutPage{app: a, id: id} }

func (p *rolloutPage) crumb() string { return "rollout " + p.id }

func (p *rolloutPage) ask(ctx context.Context, from Source) (any, error) {
	return from.Rollout(ctx, p.id)
}

func (p *rolloutPage) take(answer any) {
	if r, ok := answer.(Rollout); ok {
		p.rollout = &r
	}
}

func (p *rolloutPage) sift(f filter) bool {
	p.filter = f
	return true
}

func (p *rolloutPage) targets() []tenant.Name {
	if r := p.doc.here(); r != nil && r.tenant != "" {
		return []tenant.Name{r.tenant}
	}
	return nil
}

func (p *rolloutPage) copyText() string { return p.doc.copyText() }

func (p *rolloutPage) bindings() []binding {
	return append([]binding{
		{keys: "enter", does: "the tenant that the cursor is on", short: "tenant"},
		{keys: "a", does: "list every tenant, or only those of whom there is something to tell", short: "all"},
		{keys: "/", does: "filter the tenants: words, !words", short: "filter"},
	}, moving()...)
}

func (p *rolloutPage) key(msg tea.KeyMsg) tea.Cmd {
	switch key := msg.String(); key {
	case "enter":
		if names := p.targets(); len(names) > 0 {
			return p.app.open(newTenantPage(p.app, names[0]))
		}
	case "a":
		p.everyone = !p.everyone
	default:
		p.doc.key(key, p.app.bodyHeight())
	}
	return nil
}

func (p *rolloutPage) lines(width, height int) []string {
	p.doc.reset()
	if p.rollout == nil {
		p.doc.add(text(dim, p.app.waiting("reading rollout "+p.id+" …")))
		return p.doc.draw(&p.app.theme, width, height)
	}
	p.head(width)
	p.waves(width)
	p.gates(width)
	p.failures(width)
	p.tenants()
	return p.doc.draw(&p.app.theme, width, height)
}

func (p *rolloutPage) head(width int) {
	r := p.rollout.Rollout
	where := " to "
	if r.State == upgrade.RolledBack {
		where = " from "
	}
	l := text(strong, "rollout "+r.ID+" ").with(rolloutLook(r.State), string(r.State)).with(plain, where+upgrade.TargetsText(r.Targets))
	p.doc.add(l.with(dim, fmt.Sprintf("  by %s, begun %s ago%s", r.Actor, ageOf(p.app.now(), r.Started), reasonText(r.Reason))))
	if r.Error != "" {
		p.doc.paragraph(bad, "", r.Error, width, 4)
	}
	if r.State.Unfinished() && r.State != upgrade.Running || r.State == upgrade.Partial {
		p.doc.paragraph(plain, "", "next   a person decides: T goes on and tries again what failed, `tenantctl upgrade --rollback "+r.ID+"` goes back", width, 3)
	}
}

// waves are a bar a wave, with what of its budget is left.
func (p *rolloutPage) waves(width int) {
	r := p.rollout
	p.doc.blank()
	var items []look.Item
	var looks []role
	for _, w := range r.Rollout.Waves {
		done, failed := r.CountWave(w.Number)
		sign, how := p.standing(w, failed)
		items, looks = append(items, upgrade.WaveGauge(sign, w, len(r.Rollout.Waves), done+failed, failed, p.budget(w, failed)...)), append(looks, how)
	}
	for i, g := range look.Gauges(look.Room{Width: width, Beside: besideWave, Least: leastWave}, items...) {
		p.doc.add(gaugeLine(g, looks[i]))
	}
}

const (
	besideWave = 36 // columns of what is said of a wave
	leastWave  = 4
)

func (p *rolloutPage) standing(w upgrade.Wave, failed int) (string, role) {
	switch {
	case failed > 0:
		return look.SignFailed, bad
	case w.Passed:
		return look.SignDone, good
	case p.rollout.Rollout.Wave == w.Number:
		return look.SignRunning, accent
	}
	return look.SignToCome, dim
}

// budget is how many of a wave may fail still.
func (p *rolloutPage) budget(w upgrade.Wave, failed int) []string {
	if p.rollout.Budget == nil {
		return nil
	}
	left := upgrade.Allowed(*p.rollout.Budget, w.Size) - failed
	if left < 0 {
		return []string{"budget spent"}
	}
	return []string{fmt.Sprintf("%d more may fail", left)}
}

// gates are the newest that each gate said of each wave, with the figures.
func (p *rolloutPage) gates(width int) {
	type key struct {
		wave int
		gate string
	}
	newest := map[key]upgrade.WaveJudgement{}
	var order []key
	for _, j := range p.rollout.Judgements {
		k := key{j.Wave, j.Gate}
		if _, seen := newest[k]; !seen {
			order = append(order, k)
		}
		newest[k] = j
	}
	for i, k := range order {
		if i == 0 {
			p.doc.blank()
		}
		j := newest[k]
		look := map[upgrade.Verdict]role{upgrade.Pass: good, upgrade.Fail: bad}[j.Verdict]
		if look == plain {
			look = warn
		}
		p.doc.paragraph(look, "", j.Line(j.Wave), width, 3)
		for _, f := range j.Figures {
			p.doc.add(text(plain, fmt.Sprintf("    %s %s, may be %s", fit(f.Name, 28), figure(f.Value, f.Unit), figure(f.Limit, f.Unit))))
		}
	}
}

func figure(v float64, unit string) string {
	s := strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", v), "0"), ".")
	if unit != "" {
		s += " " + unit
	}
	return s
}

// group is tenants that failed the same way.
type group struct {
	failure upgrade.Failure
	tenants []upgrade.Outcome
}

// groups puts what failed together by where and how: the tenants' own names don't count.
func groups(outcomes []upgrade.Outcome) []*group {
	var all []*group
	known := map[string]*group{}
	for _, o := range outcomes {
		if o.Failure == nil || o.Result != upgrade.Failed && o.Result != upgrade.Deferred {
			continue
		}
		f := *o.Failure
		message := strings.NewReplacer(o.Schema, "SCHEMA", string(o.Tenant), "NAME").Replace(f.Message)
		k := fmt.Sprintf("%s %s %d %s %s", f.Service, f.File, f.Line, f.Code, message)
		if known[k] == nil {
			known[k] = &group{failure: f}
			all = append(all, known[k])
		}
		known[k].tenants = append(known[k].tenants, o)
	}
	slices.SortStableFunc(all, func(a, b *group) int { return cmp.Compare(len(b.tenants), len(a.tenants)) })
	return all
}

func (p *rolloutPage) failures(width int) {
	for _, g := range groups(p.rollout.Tenants) {
		p.doc.blank()
		f := g.failure
		p.doc.paragraph(bad, "", fmt.Sprintf(look.SignFailed+" %s: %s", look.Plural(int64(len(g.tenants)), "tenant", "tenants"), f.String()), width, 4)
		if f.Statement != "" {
			p.doc.paragraph(plain, "    ", f.Statement, width, 6)
		}
		for _, o := range g.tenants {
			if p.passes(o) {
				p.tenant(o)
			}
		}
	}
}

func (p *rolloutPage) passes(o upgrade.Outcome) bool {
	return len(p.filter.terms) == 0 || p.filter.keepsText(string(o.Tenant)+" "+o.Ring+" "+string(o.Result)+" "+o.Note)
}

func (p *rolloutPage) tenant(o upgrade.Outcome) {
	l := text(plain, "    "+fit(string(o.Tenant), 24)+" ").with(resultLook(o.Result), fit(string(o.Result), 10)).with(dim, fmt.Sprintf("wave %d", o.Wave))
	if o.Attempts > 1 {
		l = l.with(dim, fmt.Sprintf(", %d tries", o.Attempts))
	}
	if o.Note != "" {
		l = l.with(plain, "  "+o.Note)
	}
	copied := string(o.Tenant)
	if o.Failure != nil {
		copied += ": " + o.Failure.String()
	}
	p.doc.rows = append(p.doc.rows, docRow{line: l, tenant: o.Tenant, copied: copied, stop: true})
}

// tenants lists those that no group has: the ones of whom there is something to tell, or all.
func (p *rolloutPage) tenants() {
	counts := map[upgrade.Result]int64{}
	for _, o := range p.rollout.Tenants {
		counts[o.Result]++
	}
	p.doc.blank()
	l := text(strong, "tenants")
	for _, r := range []upgrade.Result{upgrade.Upgraded, upgrade.Unchanged, upgrade.Reverted, upgrade.Failed, upgrade.Deferred, upgrade.Pending, upgrade.Skipped} {
		if counts[r] > 0 {
			l = l.with(plain, "  ").with(resultLook(r), look.Count(counts[r])+" "+string(r))
		}
	}
	p.doc.add(l)
	for _, o := range p.rollout.Tenants {
		if o.Failure == nil && (p.everyone || o.Note != "" || len(p.filter.terms) > 0) && p.passes(o) {
			p.tenant(o)
		}
	}
}

func resultLook(r upgrade.Result) role {
	switch r {
	case upgrade.Upgraded, upgrade.Unchanged, upgrade.Reverted:
		return good
	case upgrade.Failed:
		return bad
	case upgrade.Deferred, upgrade.Skipped:
		return warn
	case upgrade.Pending:
	}
	return dim
}
