package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"tenantctl/internal/look"
	"tenantctl/internal/tenant"
)

// fleetPage lists the tenants, those that need somebody first.
type fleetPage struct {
	quiet
	app    *app
	filter filter
	sort   int // in fleetSorts
	down   bool
	first  int // of the optional columns
	marks  map[tenant.Name]bool

	seen    int         // the app's fleet that shown was made of
	counted int         // the one that sums was made of
	made    []int       // the rows that pass, in order, as indexes into the app's fleet
	at      int         // the cursor's row
	on      tenant.Name // the tenant there, which the cursor follows when rows move
	top     int         // the first row that shows
	sums    [2]line     // what stands above
}

// fleetSort is a way to order the fleet.
type fleetSort struct {
	name string
	less func(a, b *row) int
}

func fleetSorts() []fleetSort {
	return []fleetSort{
		{"need", func(a, b *row) int { return cmp.Compare(b.need, a.need) }},
		{"name", nil}, // as it comes
		{"state", func(a, b *row) int { return cmp.Compare(a.State, b.State) }},
		{"route", func(a, b *row) int { return cmp.Compare(a.Route, b.Route) }},
		{"ring", func(a, b *row) int { return cmp.Compare(a.Ring, b.Ring) }},
		{"versions", func(a, b *row) int { return cmp.Compare(a.versions, b.versions) }},
		{"changed", func(a, b *row) int { return b.Updated.Compare(a.Updated) }},
	}
}

func newFleetPage(a *app) *fleetPage {
	return &fleetPage{app: a, marks: map[tenant.Name]bool{}, seen: -1, counted: -1}
}

func (p *fleetPage) crumb() string { return "fleet" }

func (p *fleetPage) bindings() []binding {
	return append([]binding{
		{keys: "enter", does: "the tenant, and its move while one is under way", short: "open"},
		{keys: "/", does: "filter: words, !words, and " + strings.Join(filterKeys(), "=, ") + "=", short: "filter"},
		{keys: "space", does: "mark for an action on many", short: "mark"},
		{keys: "*", does: "mark all that pass the filter, or none"},
		{keys: "s", does: "sort by the next column", short: "sort"},
		{keys: "r", does: "turn the order around"},
		{keys: "c", does: "show the next optional column first"},
		{keys: "m", does: "the tenant's move"},
		{keys: "e", does: "the tenant's events"},
		{keys: "l", does: "what services write of the tenant"},
	}, moving()...)
}

func (p *fleetPage) sift(f filter) bool {
	p.filter, p.seen = f, -1
	return true
}

// refresh makes the rows anew when the fleet, the filter or the order changed; the cursor stays on its tenant.
func (p *fleetPage) refresh() {
	if p.seen == p.app.fleetEdition {
		return
	}
	p.seen = p.app.fleetEdition
	fleet := p.app.fleet
	p.made = p.made[:0]
	for i := range fleet {
		if len(p.filter.terms) == 0 || p.filter.keeps(fleet[i].search, fleet[i].values) {
			p.made = append(p.made, i)
		}
	}
	if less := fleetSorts()[p.sort].less; less != nil {
		slices.SortFunc(p.made, func(i, j int) int {
			if c := less(&fleet[i], &fleet[j]); c != 0 {
				return c
			}
			return i - j
		})
	}
	if p.down {
		slices.Reverse(p.made)
	}
	if p.on != "" {
		if i := slices.IndexFunc(p.made, func(i int) bool { return fleet[i].Name == p.on }); i >= 0 {
			p.at = i
		}
	}
	p.put(p.at)
	if p.counted != p.app.fleetEdition {
		p.counted = p.app.fleetEdition
		p.count()
	}
}

func (p *fleetPage) put(at int) {
	p.at = max(min(at, len(p.made)-1), 0)
	if len(p.made) > 0 {
		p.on = p.app.fleet[p.made[p.at]].Name
	}
}

// count makes the two lines above the rows: the needs and states of all tenants, and the spread of versions.
func (p *fleetPage) count() {
	states, needs, same := map[tenant.State]int{}, [needHaste + 1]int{}, map[string]*sameVersions{}
	last := &sameVersions{} // most tenants are where the one before them is
	lastText := "\x00"
	for i := range p.app.fleet {
		r := &p.app.fleet[i]
		states[r.State]++
		needs[r.need]++
		if r.versions != lastText {
			lastText = r.versions
			if last = same[lastText]; last == nil {
				last = &sameVersions{versions: r.Versions}
				same[lastText] = last
			}
		}
		last.tenants++
	}
	l := text(strong, look.Plural(int64(len(p.app.fleet)), "tenant", "tenants"))
	for _, n := range []need{needHaste, needHelp, needDecision, needPatience} {
		if needs[n] > 0 {
			l = l.with(plain, "  ").with(n.look(), fmt.Sprintf("%s %s", n.sign(), needText(n, needs[n])))
		}
	}
	for _, s := range []tenant.State{tenant.Active, tenant.Suspended, tenant.Archived, tenant.Deleted, Absent} {
		if states[s] > 0 {
			l = l.with(plain, "  ").with(stateLook(s), look.Count(int64(states[s]))+" "+string(s))
		}
	}
	p.sums = [2]line{l, spreadLine(same)}
}

// sameVersions is how many tenants are at the same versions.
type sameVersions struct {
	versions map[string]tenant.Version
	tenants  int
}

func needText(n need, count int) string {
	return look.Count(int64(count)) + " " + [...]string{"", "under way", "to decide", "in trouble", "can't write"}[n]
}

// spreadLine is how many tenants are at which version: core 6 ×480, 5 ×20.
func spreadLine(same map[string]*sameVersions) line {
	spread := map[string]map[uint64]int{}
	for _, s := range same {
		for service, v := range s.versions {
			if spread[service] == nil {
				spread[service] = map[uint64]int{}
			}
			spread[service][v.Number] += s.tenants
		}
	}
	services := make([]string, 0, len(spread))
	for service := range spread {
		services = append(services, service)
	}
	slices.Sort(services)
	l := text(dim, "versions")
	for _, service := range services {
		versions := make([]uint64, 0, len(spread[service]))
		for v := range spread[service] {
			versions = append(versions, v)
		}
		slices.SortFunc(versions, func(a, b uint64) int { return cmp.Compare(b, a) })
		l = l.with(plain, "  ").with(accent, service)
		for i, v := range versions {
			sep := " "
			if i > 0 {
				sep = ", "
			}
			l = l.with(plain, fmt.Sprintf("%s%d ×%s", sep, v, look.Count(int64(spread[service][v]))))
		}
	}
	if len(services) == 0 {
		l = l.with(dim, "  none yet")
	}
	return l
}

// column is a column of the fleet.
type column struct {
	title string
	width int
	cell  func(r *row) (string, role)
}

// columns are what fits: name, state and route always, the optional ones from the first that was chosen, what goes on last.
func (p *fleetPage) columns(width int) []column {
	name := 12
	for _, i := range p.made {
		name = max(name, len(p.app.fleet[i].Name))
	}
	cols := []column{
		{"NAME", min(name, max(width/3, 16)), func(r *row) (string, role) { return string(r.Name), plain }},
		{"STATE", 9, func(r *row) (string, role) { return string(r.State), stateLook(r.State) }},
		{"ROUTE", 8, func(r *row) (string, role) { return string(r.Route), routeLook(r.Route) }},
	}
	last := column{"GOES ON", 0, func(r *row) (string, role) { return standing(&r.Tenant, p.app.now()), r.need.look() }}
	optional := []column{
		{"RING", 9, func(r *row) (string, role) { return r.Ring, plain }},
		{"VERSIONS", 24, func(r *row) (string, role) { return r.versions, plain }},
		{"CELL", 5, func(r *row) (string, role) { return r.Cell, plain }},
		{"INSTANCE", 10, func(r *row) (string, role) { return r.Instance, plain }},
		{"CHANGED", 7, func(r *row) (string, role) { return ageOf(p.app.now(), r.Updated), dim }},
		{"SCHEMA", 20, func(r *row) (string, role) { return r.Schema, dim }},
	}
	least := max(lastWidth, width/4)
	left := width - signWidth - least
	for _, c := range cols {
		left -= c.width + 1
	}
	for i := range optional {
		c := optional[(p.first+i)%len(optional)]
		if left < c.width+1 {
			break
		}
		left -= c.width + 1
		cols = append(cols, c)
	}
	last.width = least + left
	return append(cols, last)
}

const (
	lastWidth = 18 // what the last column has at least
	signWidth = 4  // cursor, mark and sign of need
)

func (p *fleetPage) lines(width, height int) []string {
	p.refresh()
	th := &p.app.theme
	out := []string{th.draw(p.sums[0], width), th.draw(p.sums[1], width)}
	cols := p.columns(width)
	head := strings.Repeat(" ", signWidth)
	for _, c := range cols {
		title := c.title
		if strings.EqualFold(title, fleetSorts()[p.sort].name) {
			title += map[bool]string{false: "↓", true: "↑"}[p.down]
		}
		head += fit(title, c.width) + " "
	}
	out = append(out, th.draw(text(dim, strings.TrimRight(head, " ")), width))
	rows := height - len(out)
	p.top = window(p.top, p.at, len(p.made), rows)
	for r := p.top; r < min(p.top+rows, len(p.made)); r++ {
		out = append(out, p.row(&p.app.fleet[p.made[r]], cols, r == p.at, width))
	}
	if len(p.made) == 0 {
		out = append(out, th.draw(text(dim, "   "+p.nothing()), width))
	}
	return out
}

func (p *fleetPage) nothing() string {
	switch {
	case !p.app.read:
		return "reading the fleet …"
	case len(p.app.fleet) == 0:
		return "no tenants yet; add them to tenants.yaml under tenants:"
	}
	return "no tenant passes the filter " + p.filter.text + "; esc takes it away"
}

func (p *fleetPage) row(t *row, cols []column, here bool, width int) string {
	n := t.need
	mark := " "
	if p.marks[t.Name] {
		mark = "*"
	}
	l := text(plain, map[bool]string{true: "▸", false: " "}[here]).with(plain, mark).with(n.look(), n.sign()).with(plain, " ")
	for i, c := range cols {
		if i > 0 {
			l = l.with(plain, " ")
		}
		s, look := c.cell(t)
		l = l.with(look, fit(clean(s), c.width))
	}
	if here {
		return p.app.theme.drawCursor(l, width)
	}
	return p.app.theme.draw(l, width)
}

// window is the first row to show so that the cursor is among the rows that do.
func window(top, at, rows, page int) int {
	if at < top {
		top = at
	}
	if at >= top+page {
		top = at - page + 1
	}
	return max(min(top, rows-page), 0)
}

func (p *fleetPage) key(msg tea.KeyMsg) tea.Cmd {
	p.refresh()
	key := msg.String()
	if to, moved := move(key, p.at, len(p.made), p.app.bodyHeight()-3); moved {
		p.put(to)
		return nil
	}
	switch key {
	case "s":
		p.sort, p.seen, p.on, p.at = (p.sort+1)%len(fleetSorts()), -1, "", 0
		p.app.say("sorted by " + fleetSorts()[p.sort].name)
	case "r":
		p.down, p.seen = !p.down, -1
	case "c":
		p.first++
	case " ":
		if p.on != "" {
			p.mark(p.on, !p.marks[p.on])
			p.put(p.at + 1)
		}
	case "*":
		p.markAll()
	case "enter":
		if p.on != "" {
			return p.app.openTenant(p.on)
		}
	case "m":
		if p.on != "" {
			return p.app.open(newMovePage(p.app, p.on))
		}
	case "e":
		if p.on != "" {
			return p.app.open(newEventsPage(p.app, p.on))
		}
	case "l":
		if p.on != "" {
			return p.app.open(newLogsPage(p.app, LogQuery{Tenant: p.on}))
		}
	}
	return nil
}

func (p *fleetPage) mark(name tenant.Name, on bool) {
	if on {
		p.marks[name] = true
	} else {
		delete(p.marks, name)
	}
}

// markAll marks what passes the filter; where all of it is marked, it takes every mark away.
func (p *fleetPage) markAll() {
	all := true
	for _, i := range p.made {
		all = all && p.marks[p.app.fleet[i].Name]
	}
	if all {
		clear(p.marks)
		return
	}
	for _, i := range p.made {
		p.marks[p.app.fleet[i].Name] = true
	}
}

func (p *fleetPage) targets() []tenant.Name {
	p.refresh()
	if len(p.marks) == 0 {
		if p.on == "" || len(p.made) == 0 {
			return nil
		}
		return []tenant.Name{p.on}
	}
	names := make([]tenant.Name, 0, len(p.marks))
	for name := range p.marks {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (p *fleetPage) copyText() string {
	names := p.targets()
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = string(name)
	}
	return strings.Join(parts, " ")
}
