package tui

import (
	"context"
	"fmt"
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"tenantctl/internal/tenant"
)

// Options are what a dashboard works with.
type Options struct {
	Source   Source
	Actions  Actions // nil: there is nothing to do, only to see
	ReadOnly bool
	Theme    Theme
	Now      func() time.Time  // nil: time.Now
	Every    time.Duration     // between two questions to the source; 0: every half second
	Copy     func(text string) // to the clipboard; nil: to the terminal's
	Start    string            // a command to begin with, such as "tenant client-x"; "": the fleet
	// Within bounds a question in time, and ends it with the dashboard.
	Within func(time.Duration) (context.Context, context.CancelFunc)
}

const everyDefault = 500 * time.Millisecond

// app is the dashboard. It owns what all pages show and hands keys to the page on top.
type app struct {
	Options
	theme         Theme
	width, height int

	pages []page
	link  link

	fleet        []row // by name
	fleetEdition int   // changes with the fleet
	read         bool  // the fleet was read once
	events       []tenant.Event
	lastEvent    int64

	input   *input  // `:` or `/` while it is typed
	filter  string  // of the page on top
	dialog  *dialog // an action that is being decided
	dialogs int     // that there were
	help    *helpPage
	tasks   []Task
	menu    *menu

	unable     string // why nothing can be done from here; "": something can
	askingAble bool
	askedAble  time.Time

	message string
	saidAt  time.Time
	leaving bool // asked once whether to leave with tasks under way
}

// New makes a dashboard as Bubble Tea runs it; Run is for who has a terminal.
func New(o Options) tea.Model { return newApp(o) }

// newApp makes a dashboard that shows the fleet.
func newApp(o Options) *app {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Every == 0 {
		o.Every = everyDefault
	}
	a := &app{Options: o, theme: o.Theme, lastEvent: -1, unable: notAsked}
	a.link.began = a.now()
	a.pages = []page{newFleetPage(a)}
	return a
}

func (a *app) now() time.Time { return a.Now() }

// Init implements tea.Model.
func (a *app) Init() tea.Cmd {
	begin := []tea.Cmd{a.poll(), a.able()}
	if a.Start != "" {
		begin = append(begin, a.command(a.Start))
	}
	return tea.Batch(begin...)
}

// Update implements tea.Model. It never waits.
func (a *app) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		a.width, a.height = msg.Width, msg.Height
	case tea.KeyMsg:
		return a, a.keys(msg)
	case polled:
		return a, tea.Batch(a.polled(msg), a.able())
	case askAgain:
		return a, a.again(msg)
	case notStopped:
		a.say("no shell could bring it back: it isn't suspended")
	case able:
		a.takeAble(msg)
	case planned:
		a.planned(msg)
	case began:
		a.began(msg)
	}
	return a, nil
}

func (a *app) top() page { return a.pages[len(a.pages)-1] }

// keys takes apart what arrives at once: over a slow line, keys that were pressed one after the other come as one. What was pasted
// is text; on a page, where each letter would be a key, it is nothing.
func (a *app) keys(msg tea.KeyMsg) tea.Cmd {
	typing := a.input != nil || a.dialog != nil && a.dialog.typed != nil
	switch {
	case msg.Paste && !typing:
		a.say("what is pasted is taken where something is typed: `:` or `/` begins that")
		return nil
	case msg.Paste || len(msg.Runes) < 2:
		return a.key(msg)
	}
	var all []tea.Cmd
	for _, r := range msg.Runes {
		all = append(all, a.key(tea.KeyMsg{Type: msg.Type, Runes: []rune{r}, Alt: msg.Alt}))
	}
	return tea.Batch(all...)
}

// key hands a key to whatever is open, from the top down.
func (a *app) key(msg tea.KeyMsg) tea.Cmd {
	key := msg.String()
	if key != "q" && key != "ctrl+c" {
		a.leaving = false
	}
	switch {
	case key == "ctrl+c":
		return a.leave()
	case key == "ctrl+z":
		return tea.Suspend
	case key == "ctrl+l":
		return tea.ClearScreen
	case a.tooSmall():
		if key == "q" {
			return a.leave()
		}
		return nil
	case a.input != nil:
		return a.typed(msg)
	case a.dialog != nil:
		return a.decide(msg)
	case a.menu != nil:
		return a.choose(key)
	case a.help != nil:
		a.help.key(key, a.bodyHeight())
		if key == "esc" || key == "?" || key == "q" {
			a.help = nil
		}
		return nil
	}
	return a.global(msg)
}

// global are the keys that work on every page; what isn't one of them is the page's.
func (a *app) global(msg tea.KeyMsg) tea.Cmd {
	switch key := msg.String(); key {
	case "?":
		a.help = newHelpPage(a)
	case ":":
		a.input = newInput(inputCommand, "")
	case "/":
		if a.top().sift(parseFilter(a.filter)) {
			a.input = newInput(inputFilter, a.filter)
		} else {
			a.say("there is nothing to filter on this page")
		}
	case "esc":
		return a.back()
	case "q":
		return a.leave()
	case "y":
		a.copy()
	case "x":
		a.openMenu()
	case "1", "2", "3", "4", "5", "6":
		return a.command([]string{"fleet", "rollouts", "services", "events", "tasks", "logs"}[key[0]-'1'])
	default:
		if verb, found := a.verbOf(key); found {
			return a.want(verb, a.top().targets())
		}
		return a.top().key(msg)
	}
	return nil
}

// back leaves what is open, one thing at a time: the filter, the marks, the page.
func (a *app) back() tea.Cmd {
	if a.filter != "" {
		a.setFilter("")
		return nil
	}
	if f, ok := a.top().(*fleetPage); ok && len(f.marks) > 0 {
		clear(f.marks)
		return nil
	}
	if len(a.pages) == 1 {
		a.say("q leaves the dashboard")
		return nil
	}
	a.pages = a.pages[:len(a.pages)-1]
	a.arrived()
	return a.poll()
}

func (a *app) setFilter(s string) {
	a.filter = s
	a.top().sift(parseFilter(s))
}

// maxDepth is how many pages are kept to go back to.
const maxDepth = 20

// open goes to a page.
func (a *app) open(p page) tea.Cmd {
	if slices.ContainsFunc(a.pages, func(q page) bool { return q.crumb() == p.crumb() }) {
		a.pages = a.pages[:1+slices.IndexFunc(a.pages, func(q page) bool { return q.crumb() == p.crumb() })]
	} else if len(a.pages) < maxDepth {
		a.pages = append(a.pages, p)
	}
	a.arrived()
	return a.poll()
}

// arrived forgets what was the last page's.
func (a *app) arrived() {
	a.filter, a.message = "", ""
	a.top().sift(filter{})
	a.link.page++
}

// openTenant goes to a tenant, or to its move where one needs looking at.
func (a *app) openTenant(name tenant.Name) tea.Cmd {
	if t := a.tenant(name); t != nil && t.Operation != nil && t.Operation.Kind == moveKind {
		return a.open(newMovePage(a, name))
	}
	return a.open(newTenantPage(a, name))
}

// tenant is a line of the fleet; nil where there is none of that name.
func (a *app) tenant(name tenant.Name) *Tenant {
	i, found := slices.BinarySearchFunc(a.fleet, name, byName)
	if !found {
		return nil
	}
	return &a.fleet[i].Tenant
}

// leave ends the dashboard; where tasks are under way it asks first, since they go on.
func (a *app) leave() tea.Cmd {
	running := 0
	for _, t := range a.tasks {
		if !t.Ended {
			running++
		}
	}
	if running > 0 && !a.leaving {
		a.leaving = true
		a.say(fmt.Sprintf("%d under way go on without the dashboard; once more leaves", running))
		return nil
	}
	return tea.Quit
}

func (a *app) copy() {
	s := a.top().copyText()
	if s == "" || a.Copy == nil {
		a.say("there is nothing to copy here")
		return
	}
	a.Copy(s)
	a.say("copied: " + s)
}

// say shows a line for a while.
func (a *app) say(s string) { a.message, a.saidAt = s, a.now() }
