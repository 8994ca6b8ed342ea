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

// argument is what a command is about.
type argument int

const (
	ofNothing argument = iota
	ofTenant
	ofSort
)

// command is a line that can be typed after `:`.
type command struct {
	name string
	of   argument
	does string
	run  func(a *app, args []string) tea.Cmd
}

// commands are those that go to a page, and the verbs.
func commands() []command {
	all := []command{
		{"fleet", ofNothing, "the fleet", func(a *app, _ []string) tea.Cmd { return a.open(newFleetPage(a)) }},
		{"tenant", ofTenant, "a tenant", oneTenant(func(a *app, n tenant.Name) page { return newTenantPage(a, n) })},
		{"move", ofTenant, "a tenant's move", oneTenant(func(a *app, n tenant.Name) page { return newMovePage(a, n) })},
		{"rollouts", ofNothing, "the rollouts", func(a *app, _ []string) tea.Cmd { return a.open(newRolloutsPage(a)) }},
		{"rollout", ofNothing, "a rollout, such as r7", goRollout},
		{"services", ofNothing, "what runs of the platform", func(a *app, _ []string) tea.Cmd { return a.open(newServicesPage(a)) }},
		{"events", ofTenant, "what happens, to all or to a tenant", goEvents},
		{"logs", ofTenant, "what services write: of all, of a tenant, or trace=ID", goLogs},
		{"tasks", ofNothing, "what this dashboard began", func(a *app, _ []string) tea.Cmd { return a.open(newTasksPage(a)) }},
		{"sort", ofSort, "order the fleet by a column", sortFleet},
		{"help", ofNothing, "every key of this page", func(a *app, _ []string) tea.Cmd {
			a.help = newHelpPage(a)
			return nil
		}},
		{"quit", ofNothing, "leave", func(a *app, _ []string) tea.Cmd { return a.leave() }},
	}
	for _, v := range verbs() {
		all = append(all, command{v.name, ofTenant, v.does, func(a *app, args []string) tea.Cmd {
			names := make([]tenant.Name, len(args))
			for i, arg := range args {
				names[i] = tenant.Name(arg)
			}
			if len(names) == 0 {
				names = a.top().targets()
			}
			slices.Sort(names)
			return a.want(v, slices.Compact(names))
		}})
	}
	return all
}

// command runs a line. A word that is only begun is enough where it is the only one that begins so.
func (a *app) command(s string) tea.Cmd {
	words := strings.Fields(s)
	if len(words) == 0 {
		return nil
	}
	var found []command
	for _, c := range commands() {
		if c.name == words[0] {
			return c.run(a, words[1:])
		}
		if strings.HasPrefix(c.name, words[0]) {
			found = append(found, c)
		}
	}
	if len(found) == 1 {
		return found[0].run(a, words[1:])
	}
	names := make([]string, len(found))
	for i, c := range found {
		names[i] = c.name
	}
	if len(found) > 1 {
		a.say(words[0] + " may be " + strings.Join(names, ", "))
		return nil
	}
	a.say("no command is called " + words[0] + "; tab after : shows them")
	return nil
}

func oneTenant(make func(*app, tenant.Name) page) func(*app, []string) tea.Cmd {
	return func(a *app, args []string) tea.Cmd {
		names := a.top().targets()
		if len(args) > 0 {
			names = []tenant.Name{tenant.Name(args[0])}
		}
		if len(names) == 0 {
			a.say("which tenant? for example :tenant client-x")
			return nil
		}
		if a.read && a.tenant(names[0]) == nil {
			a.say("no tenant is called " + string(names[0]))
			return nil
		}
		return a.open(make(a, names[0]))
	}
}

func goRollout(a *app, args []string) tea.Cmd {
	if len(args) == 0 {
		return a.open(newRolloutsPage(a))
	}
	return a.open(newRolloutPage(a, args[0]))
}

func goEvents(a *app, args []string) tea.Cmd {
	if len(args) == 0 {
		return a.open(newEventsPage(a, ""))
	}
	return a.open(newEventsPage(a, tenant.Name(args[0])))
}

func goLogs(a *app, args []string) tea.Cmd {
	var q LogQuery
	for _, arg := range args {
		if trace, is := strings.CutPrefix(arg, "trace="); is {
			q.Trace = trace
		} else {
			q.Tenant = tenant.Name(arg)
		}
	}
	return a.open(newLogsPage(a, q))
}

func sortFleet(a *app, args []string) tea.Cmd {
	f, ok := a.top().(*fleetPage)
	if !ok || len(args) == 0 {
		a.say("sort orders the fleet, for example :sort name")
		return nil
	}
	i := slices.IndexFunc(fleetSorts(), func(s fleetSort) bool { return strings.HasPrefix(s.name, args[0]) })
	if i < 0 {
		a.say("the fleet can be sorted by " + strings.Join(a.namesOf(ofSort), ", "))
		return nil
	}
	f.sort, f.seen = i, -1
	return nil
}

func (a *app) namesOf(of argument) []string {
	var names []string
	switch of {
	case ofTenant:
		for i := range a.fleet {
			names = append(names, string(a.fleet[i].Name))
		}
	case ofSort:
		for _, s := range fleetSorts() {
			names = append(names, s.name)
		}
	case ofNothing:
	}
	return names
}

// helpPage lists every key of the page below it.
type helpPage struct {
	doc document
	app *app
}

func newHelpPage(a *app) *helpPage { return &helpPage{app: a} }

func (h *helpPage) key(key string, height int) { h.doc.key(key, height) }

func (h *helpPage) lines(width, height int) []string {
	h.doc.reset()
	section := func(title string, bindings []binding) {
		h.doc.title(title)
		for _, b := range bindings {
			h.doc.add(text(accent, "  "+fit(b.keys, 14)+" ").with(plain, b.does))
		}
		h.doc.blank()
	}
	section(h.app.top().crumb(), h.app.top().bindings())
	section("everywhere", everywhere())
	h.doc.title("do something (x lists what can be done here, and why the rest can't)")
	for _, v := range verbs() {
		h.doc.add(text(accent, "  "+fit(v.key, 14)+" ").with(plain, fit(v.name, 10)+" "+v.does))
	}
	h.doc.blank()
	h.doc.title("commands, after :")
	for _, c := range commands() {
		h.doc.add(text(accent, "  "+fit(c.name, 14)+" ").with(plain, c.does))
	}
	h.doc.blank()
	h.doc.title("signs of the fleet")
	for n := needHaste; n > needNothing; n-- {
		h.doc.add(text(n.look(), "  "+fit(n.sign(), 14)+" ").with(plain, needText(n, 1)[2:]+" (need="+n.word()+")"))
	}
	return h.doc.draw(&h.app.theme, width, height)
}

// tasksPage shows what this dashboard began, and what it says.
type tasksPage struct {
	quiet
	app *app
	at  int
}

func newTasksPage(a *app) *tasksPage { return &tasksPage{app: a} }

func (p *tasksPage) crumb() string { return "tasks" }

func (p *tasksPage) bindings() []binding {
	return append([]binding{{keys: "s", does: "ask it to stop in good order", short: "stop"}}, moving()...)
}

func (p *tasksPage) key(msg tea.KeyMsg) tea.Cmd {
	if to, moved := move(msg.String(), p.at, len(p.app.tasks), p.app.bodyHeight()); moved {
		p.at = to
		return nil
	}
	if msg.String() == "s" && p.at < len(p.app.tasks) {
		t := p.app.tasks[p.at]
		switch {
		case t.Ended:
			p.app.say("it has ended")
		case p.app.ReadOnly:
			p.app.say("the dashboard was started with --readonly")
		default:
			if err := p.app.Actions.Stop(t.ID); err != nil {
				p.app.say(err.Error())
				return nil
			}
			p.app.say("asked " + t.Request.String() + " to stop in good order")
		}
	}
	return nil
}

func (p *tasksPage) copyText() string {
	if p.at < len(p.app.tasks) {
		return p.app.tasks[p.at].Log
	}
	return ""
}

func (p *tasksPage) lines(width, height int) []string {
	th := &p.app.theme
	tasks := p.app.tasks
	if len(tasks) == 0 {
		return []string{th.draw(text(dim, "this dashboard began nothing; x on a tenant shows what can be done"), width)}
	}
	p.at = max(min(p.at, len(tasks)-1), 0)
	listed := min(len(tasks), max(height/3, 1))
	from := window(0, p.at, len(tasks), listed)
	var out []string
	for i := from; i < from+listed; i++ {
		l := p.task(tasks[i], i == p.at)
		if i == p.at {
			out = append(out, th.drawCursor(l, width))
		} else {
			out = append(out, th.draw(l, width))
		}
	}
	out = append(out, "", th.draw(text(dim, "$ "+tasks[p.at].Command), width))
	said := tasks[p.at].Lines
	room := max(height-len(out)-1, 0)
	for _, s := range said[max(len(said)-room, 0):] {
		out = append(out, th.draw(text(plain, s), width))
	}
	return append(out, th.draw(text(dim, tasks[p.at].Log), width))
}

func (p *tasksPage) task(t Task, here bool) line {
	sign, how, word := look.SignRunning, accent, "under way for "+look.Age(p.app.now().Sub(t.Began))
	switch {
	case t.Ended && t.Code == 0:
		sign, how, word = look.SignDone, good, "done in "+look.Duration(t.Took)
	case t.Ended:
		sign, how, word = look.SignFailed, bad, t.ending()
	}
	return text(strong, cmp.Or(map[bool]string{true: "▸ "}[here], "  ")).with(how, sign+" ").with(plain, t.Request.String()+"  ").with(how, word)
}

// ending is how a task that failed came to its end.
func (t Task) ending() string {
	if t.Code < 0 {
		return "was killed after " + look.Duration(t.Took)
	}
	return fmt.Sprintf("ended with exit code %d", t.Code)
}
