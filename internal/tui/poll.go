package tui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"tenantctl/internal/look"
	"tenantctl/internal/tenant"
)

// link is how the dashboard stands with its source.
type link struct {
	began    time.Time
	asking   bool      // a question is under way
	pending  bool      // another one is to follow at once
	sequence int       // of the timers: one that was overtaken is dropped
	page     int       // changes with the page on top, so that an answer for another one is dropped
	answered time.Time // when the source last did
	whole    time.Time // when the whole fleet was last read
	err      error     // nil: it answers
	failures int       // in a row
}

const (
	askTimeout = 10 * time.Second
	// wholeEvery is how often the whole fleet is read; meanwhile only tenants of which something was told, or that are worked on.
	wholeEvery   = 10 * time.Second
	eventPage    = 1000
	firstEvents  = 500
	maxEvents    = 5000
	maxNamed     = 500 // tenants asked for by name; more are asked for as all
	slowestRetry = 5 * time.Second
)

// polled is an answer of the source: all that changed since the one before.
type polled struct {
	page   int
	fleet  []row
	whole  bool
	asked  []tenant.Name // where not the whole fleet was
	events []tenant.Event
	answer any   // to the page's own question
	refuse error // the page's question was answered by this
	tasks  []Task
	err    error
}

// askAgain is a timer.
type askAgain struct{ sequence int }

func (a *app) again(msg askAgain) tea.Cmd {
	if msg.sequence != a.link.sequence {
		return nil
	}
	return a.poll()
}

// poll asks the source; while it is being asked, once more afterwards.
func (a *app) poll() tea.Cmd {
	if a.link.asking {
		a.link.pending = true
		return nil
	}
	a.link.asking, a.link.pending = true, false
	q := question{
		source: a.Source, actions: a.Actions, page: a.link.page, ask: a.top().ask, after: a.lastEvent,
		whole: !a.read || a.now().Sub(a.link.whole) >= wholeEvery, busy: a.busy(),
	}
	within := a.Within
	return func() tea.Msg {
		ctx, cancel := within(askTimeout)
		defer cancel()
		return q.put(ctx)
	}
}

// busy are the tenants whose lines change without an event.
func (a *app) busy() []tenant.Name {
	var names []tenant.Name
	for i := range a.fleet {
		if op := a.fleet[i].Operation; op != nil && op.State == tenant.OperationRunning {
			names = append(names, a.fleet[i].Name)
		}
	}
	return names
}

// question is what is asked of the source at once, away from the app.
type question struct {
	source  Source
	actions Actions
	page    int
	ask     func(context.Context, Source) (any, error)
	after   int64
	whole   bool
	busy    []tenant.Name
}

func (q question) put(ctx context.Context) polled {
	a := polled{page: q.page, whole: q.whole, asked: q.busy}
	if q.actions != nil {
		a.tasks = q.actions.Tasks()
	}
	limit := eventPage
	if q.after < 0 {
		limit = firstEvents
	}
	if a.events, a.err = q.source.Events(ctx, q.after, limit); a.err != nil {
		return a
	}
	for _, e := range a.events {
		if e.Tenant != "" {
			a.asked = append(a.asked, e.Tenant)
		}
	}
	slices.Sort(a.asked)
	a.asked = slices.Compact(a.asked)
	a.whole = a.whole || len(a.asked) > maxNamed
	if a.whole {
		a.asked = nil
	}
	if a.whole || len(a.asked) > 0 {
		var fleet []Tenant
		if fleet, a.err = q.source.Fleet(ctx, a.asked...); a.err != nil {
			return a
		}
		a.fleet = rowsOf(fleet)
	}
	a.answer, a.refuse = q.ask(ctx, q.source)
	if a.refuse != nil && !errors.Is(a.refuse, tenant.ErrNotFound) {
		a.err, a.refuse = a.refuse, nil
	}
	return a
}

// polled takes an answer in and sets the timer for the next question.
func (a *app) polled(msg polled) tea.Cmd {
	a.link.asking = false
	a.tellFailed(msg.tasks)
	a.tasks = msg.tasks
	a.takeEvents(msg.events)
	if msg.err != nil {
		a.link.err = msg.err
		a.link.failures++
		return a.askIn(min(a.Every<<min(a.link.failures, 8), slowestRetry))
	}
	if a.link.failures > 0 && !a.link.answered.IsZero() {
		a.say("the " + a.Source.Name() + " answers again")
	}
	a.link.err, a.link.failures, a.link.answered = nil, 0, a.now()
	a.takeFleet(msg)
	if msg.page == a.link.page {
		if msg.refuse != nil {
			a.say(msg.refuse.Error())
		} else {
			a.top().take(msg.answer)
		}
	}
	if a.link.pending {
		return a.poll()
	}
	return a.askIn(a.Every)
}

// tellFailed tells, on whatever page, of a task that failed since the last answer.
func (a *app) tellFailed(tasks []Task) {
	for _, t := range tasks {
		known := slices.IndexFunc(a.tasks, func(was Task) bool { return was.ID == t.ID })
		if !t.Ended || t.Code == 0 || known < 0 || a.tasks[known].Ended {
			continue
		}
		why := t.ending()
		if i := slices.IndexFunc(t.Lines, func(l string) bool { return strings.HasPrefix(l, "error: ") }); i >= 0 {
			why = t.Lines[i]
		}
		a.say(t.Request.String() + ", 5 tells more: " + why)
	}
}

func (a *app) askIn(d time.Duration) tea.Cmd {
	a.link.sequence++
	sequence := a.link.sequence
	return tea.Tick(d, func(time.Time) tea.Msg { return askAgain{sequence} })
}

func (a *app) takeEvents(events []tenant.Event) {
	if len(events) == 0 {
		a.lastEvent = max(a.lastEvent, 0)
		return
	}
	a.lastEvent = events[len(events)-1].ID
	a.events = append(a.events, events...)
	if over := len(a.events) - maxEvents; over > 0 {
		a.events = slices.Clone(a.events[over:])
	}
}

// takeFleet puts what was read in the place of what was known.
func (a *app) takeFleet(msg polled) {
	switch {
	case msg.whole:
		a.fleet, a.read, a.link.whole = msg.fleet, true, a.now()
	case len(msg.asked) == 0:
		return
	default:
		a.fleet = merge(a.fleet, msg.asked, msg.fleet)
	}
	a.fleetEdition++
}

// standing tells how the link is, for the header.
func (l *link) standing(now time.Time, name string) line {
	switch {
	case l.err != nil && l.answered.IsZero():
		return text(bad, fmt.Sprintf("! %s is away: trying again", name))
	case l.err != nil:
		return text(bad, fmt.Sprintf("! %s is away for %s: trying again", name, look.Age(now.Sub(l.answered))))
	case l.answered.IsZero():
		return text(dim, "… asking the "+name)
	}
	return text(good, "● live").with(dim, " "+name)
}

// waiting is what stands where nothing was read yet.
func (a *app) waiting(otherwise string) string {
	if a.link.err != nil {
		return firstLine(a.link.err.Error())
	}
	return otherwise
}
