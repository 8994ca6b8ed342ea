package tui

import (
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

// ableEvery is how often it is asked whether anything can be done from here.
const ableEvery = 10 * time.Second

// able tells whether anything can be done from here.
type able struct{ why string }

// notAsked is the reason until the first answer.
const notAsked = "it isn't known yet whether anything can be done from here"

// able asks, beside the questions to the source: who can't be reached from here mustn't make the figures old.
func (a *app) able() tea.Cmd {
	if a.Actions == nil || a.ReadOnly || a.askingAble || a.now().Sub(a.askedAble) < ableEvery {
		return nil
	}
	a.askingAble, a.askedAble = true, a.now()
	actions, within := a.Actions, a.Within
	return func() tea.Msg {
		ctx, cancel := within(askTimeout)
		defer cancel()
		return able{actions.Unable(ctx)}
	}
}

func (a *app) takeAble(msg able) {
	if a.unable != notAsked && a.unable != "" && msg.why == "" {
		a.say("things can be done from here now")
	}
	a.unable, a.askingAble = msg.why, false
}
