package tui

import (
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"
)

// inputKind is what a line is typed for.
type inputKind int

const (
	inputCommand inputKind = iota
	inputFilter
	inputName
)

// input is a line that is being typed.
type input struct {
	kind  inputKind
	field textinput.Model
	offer []string // what tab offers
	next  int
}

func newInput(kind inputKind, value string) *input {
	field := textinput.New()
	field.Prompt = ""
	field.CharLimit = 200
	field.SetValue(value)
	field.CursorEnd()
	field.Focus()
	return &input{kind: kind, field: field}
}

func (i *input) value() string { return strings.TrimSpace(i.field.Value()) }

func (i *input) update(msg tea.KeyMsg) {
	i.field, _ = i.field.Update(msg) // what it would have done later is to blink
	i.offer = nil
}

// shown is the line with a bar where the next letter goes.
func (i *input) shown() string {
	value := []rune(i.field.Value())
	at := min(i.field.Position(), len(value))
	return string(value[:at]) + "▏" + string(value[at:])
}

// typed handles a key while a line is typed. A filter acts while it is typed.
func (a *app) typed(msg tea.KeyMsg) tea.Cmd {
	i := a.input
	switch msg.String() {
	case "esc":
		a.input = nil
		if i.kind == inputFilter {
			a.setFilter("")
		}
		return nil
	case "enter":
		a.input = nil
		if i.kind == inputCommand {
			return a.command(i.value())
		}
		return nil
	case "tab":
		if i.kind == inputCommand {
			a.complete()
		}
		return nil
	}
	i.update(msg)
	if i.kind == inputFilter {
		a.setFilter(i.field.Value())
	}
	return nil
}

// complete puts the next of what the line may go on with in its place.
func (a *app) complete() {
	i := a.input
	if i.offer == nil {
		i.offer, i.next = a.offers(i.field.Value()), 0
	} else {
		i.next++
	}
	if len(i.offer) == 0 {
		return
	}
	i.field.SetValue(i.offer[i.next%len(i.offer)])
	i.field.CursorEnd()
}

const maxOffers = 50

// offers are the lines that a command may be completed to.
func (a *app) offers(value string) []string {
	word, rest, more := strings.Cut(value, " ")
	if !more {
		var names []string
		for _, c := range commands() {
			if strings.HasPrefix(c.name, word) {
				names = append(names, c.name)
			}
		}
		return names
	}
	i := slices.IndexFunc(commands(), func(c command) bool { return c.name == word })
	if i < 0 || commands()[i].of == ofNothing {
		return nil
	}
	before, last := "", rest
	if k := strings.LastIndex(rest, " "); k >= 0 {
		before, last = rest[:k+1], rest[k+1:]
	}
	var lines []string
	for _, name := range a.namesOf(commands()[i].of) {
		if strings.HasPrefix(name, last) && len(lines) < maxOffers {
			lines = append(lines, word+" "+before+name)
		}
	}
	return lines
}
