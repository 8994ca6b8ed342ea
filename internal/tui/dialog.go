package tui

import (
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"tenantctl/internal/tenant"
)

// dialog is an action that is being decided: its plan first, then the word of whoever decides.
type dialog struct {
	verb    verb
	request Request
	number  int // of the question for the plan; the answer to another is dropped
	plan    *Plan
	err     error
	doc     document
	typed   *input // where a name must be typed; nil before that
}

// planned is a plan.
type planned struct {
	number int
	plan   Plan
	err    error
}

// began tells that an action is under way, or that it couldn't begin.
type began struct {
	task Task
	err  error
}

// want opens the dialog of an action, or says why there is none.
func (a *app) want(v verb, names []tenant.Name) tea.Cmd {
	request := a.request(v, names)
	if why := a.refusal(v, request.Tenants); why != "" {
		a.say(v.name + ": " + why)
		return nil
	}
	a.dialogs++
	d := &dialog{verb: v, request: request, number: a.dialogs}
	a.dialog = d
	actions, within := a.Actions, a.Within
	return func() tea.Msg {
		ctx, cancel := within(planTimeout)
		defer cancel()
		plan, err := actions.Plan(ctx, request)
		return planned{d.number, plan, err}
	}
}

func (a *app) planned(msg planned) {
	if a.dialog == nil || a.dialog.number != msg.number {
		return
	}
	a.dialog.plan, a.dialog.err = &msg.plan, msg.err
}

// decide handles a key while a dialog is open. Nothing is agreed to before the plan was seen.
func (a *app) decide(msg tea.KeyMsg) tea.Cmd {
	d := a.dialog
	key := msg.String()
	switch {
	case key == "esc", key == "n" && d.typed == nil:
		a.dialog = nil
		a.say(d.request.Verb + ": nothing was done")
		return nil
	case d.typed != nil:
		return a.typeName(msg)
	case d.plan == nil || d.err != nil:
		d.doc.key(key, a.dialogHeight())
	case key == "y" && d.verb.typed:
		d.typed = newInput(inputName, "")
	case key == "y":
		return a.begin()
	default:
		d.doc.key(key, a.dialogHeight())
	}
	return nil
}

func (a *app) typeName(msg tea.KeyMsg) tea.Cmd {
	d := a.dialog
	if msg.String() != "enter" {
		d.typed.update(msg)
		return nil
	}
	if d.typed.value() != d.request.toType() {
		a.say(fmt.Sprintf("that isn't %q: nothing was done", d.request.toType()))
		d.typed = nil
		return nil
	}
	return a.begin()
}

func (a *app) begin() tea.Cmd {
	request, actions := a.dialog.request, a.Actions
	a.dialog = nil
	a.say(request.String() + " begins …")
	if f, ok := a.top().(*fleetPage); ok {
		clear(f.marks)
	}
	return func() tea.Msg {
		task, err := actions.Do(request)
		return began{task, err}
	}
}

func (a *app) began(msg began) {
	if msg.err != nil {
		a.say(msg.err.Error())
		return
	}
	a.tasks = append([]Task{msg.task}, a.tasks...)
	a.say(msg.task.Request.String() + " is under way; 5 shows what it says")
}

func (a *app) dialogHeight() int { return max(a.bodyHeight()-2, 1) }

func (d *dialog) lines(a *app, width, height int) []string {
	d.doc.reset()
	d.doc.title(fmt.Sprintf("%s %s?", d.verb.name, joinNames(d.request.Tenants, 5)))
	d.doc.paragraph(plain, "  ", d.verb.effect+".", width, 4)
	d.doc.blank()
	switch {
	case d.plan == nil:
		d.doc.add(text(dim, "asking what it would do …"))
	case d.err != nil:
		d.doc.paragraph(bad, "", d.err.Error(), width, 12)
		if hints := tenant.Hints(d.err); len(hints) > 0 {
			d.doc.paragraph(plain, "", strings.Join(hints, "; "), width, 4)
		}
	default:
		for _, c := range d.plan.Commands {
			d.doc.paragraph(accent, "  ", "$ "+c, width, 3)
		}
		if d.plan.Text != "" {
			d.doc.blank()
			d.doc.paragraph(plain, "", strings.TrimRight(d.plan.Text, "\n"), width, maxPlanLines)
		}
	}
	out := d.doc.draw(&a.theme, width, height-2)
	for len(out) < height-1 {
		out = append(out, "")
	}
	return append(out, d.prompt(a, width))
}

const (
	maxPlanLines = 400
	planTimeout  = 2 * time.Minute // it looks at every row of a legacy database
)

// prompt is the last line: what the next key does.
func (d *dialog) prompt(a *app, width int) string {
	th := &a.theme
	switch {
	case d.typed != nil:
		return th.draw(text(bad, "type ").with(strong, d.request.toType()).with(bad, " and enter: ").with(plain, d.typed.shown()), width)
	case d.plan == nil:
		return th.draw(text(dim, "esc leaves it"), width)
	case d.err != nil:
		return th.draw(text(bad, "it can't be done").with(dim, "   esc leaves it"), width)
	case d.verb.typed:
		return th.draw(text(bad, "this can't be taken back  ").with(accent, "y").with(plain, " go on   ").with(accent, "esc").with(plain, " leave it"), width)
	}
	return th.draw(text(accent, "y").with(plain, " do it   ").with(accent, "esc").with(plain, " leave it   ").with(accent, "j k").with(plain, " scroll"), width)
}

// menu is what can be done where the cursor is, and why the rest can't.
type menu struct{ targets []tenant.Name }

func (a *app) openMenu() { a.menu = &menu{targets: a.top().targets()} }

func (a *app) choose(key string) tea.Cmd {
	m := a.menu
	if v, found := a.verbOf(key); found {
		a.menu = nil
		return a.want(v, m.targets)
	}
	if key == "esc" || key == "q" || key == "x" {
		a.menu = nil
	}
	return nil
}

func (m *menu) lines(a *app, width int) []string {
	about := joinNames(m.targets, 5)
	if about == "" {
		about = "what the cursor is on"
	}
	out := []string{a.theme.draw(text(strong, "do something with "+about), width)}
	for _, v := range verbs() {
		why := a.refusal(v, m.targets)
		if why != "" {
			out = append(out, a.theme.draw(text(dim, "  "+v.key+"  "+fit(v.name, 10)+" not now: "+why), width))
			continue
		}
		l := text(accent, "  "+v.key+"  ").with(plain, fit(v.name, 10)+" "+v.does)
		if v.typed {
			l = l.with(warn, "  (asks for the name)")
		}
		out = append(out, a.theme.draw(l, width))
	}
	return out
}
