package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/aymanbagabas/go-osc52/v2"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
)

const noColors = termenv.Ascii

// Terminal is where a dashboard is shown.
type Terminal struct {
	In      *os.File
	Out     *os.File
	NoColor bool
	Environ []string
}

// Run shows a dashboard until it is left, or ctx ends. The terminal is as it was before, however that comes about.
func Run(ctx context.Context, o Options, t Terminal) error {
	o.Theme = t.theme()
	if o.Copy == nil {
		o.Copy = func(text string) { _, _ = osc52.New(text).WriteTo(t.Out) } // a terminal that can't has no clipboard
	}
	o.Within = func(d time.Duration) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, d) }
	stops := &suspension{}
	program := tea.NewProgram(newApp(o), tea.WithContext(ctx), tea.WithInput(t.In), tea.WithOutput(t.Out), tea.WithEnvironment(t.Environ),
		tea.WithAltScreen(), tea.WithoutSignalHandler(), tea.WithFPS(framesPerSecond), tea.WithFilter(stops.filter))
	defer stops.follow(program)()
	_, err := program.Run()
	switch {
	case errors.Is(err, tea.ErrProgramPanic):
		return fmt.Errorf("the dashboard failed, this is a mistake of the program; nothing that it began was ended by that: %w", err)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("show the dashboard: %w", err)
	}
	return nil
}

// framesPerSecond bounds how often the screen is written to: enough for keys to be felt at once.
const framesPerSecond = 30

// theme asks the terminal what it can and how light it is, before anything else reads from it.
func (t Terminal) theme() Theme {
	if t.NoColor {
		return Mono()
	}
	return NewTheme(lipgloss.NewRenderer(io.Writer(t.Out), termenv.WithEnvironment(environment(t.Environ))))
}

// environment is a list of NAME=value as termenv wants it.
type environment []string

func (e environment) Environ() []string { return e }

func (e environment) Getenv(name string) string {
	for i := len(e) - 1; i >= 0; i-- {
		if len(e[i]) > len(name) && e[i][:len(name)] == name && e[i][len(name)] == '=' {
			return e[i][len(name)+1:]
		}
	}
	return ""
}
