package tui

import (
	"context"

	tea "github.com/charmbracelet/bubbletea"

	"tenantctl/internal/tenant"
)

// page is one screen of the dashboard. It is changed in place, by the app only.
type page interface {
	// crumb is the page in the line of where one is.
	crumb() string
	// ask is the page's own question to the source, which is asked again and again; nil: it shows what the app knows.
	ask(ctx context.Context, from Source) (any, error)
	// take is given what ask brought.
	take(answer any)
	// key handles a key that isn't the app's.
	key(msg tea.KeyMsg) tea.Cmd
	// lines are what it shows, at most height of them.
	lines(width, height int) []string
	// bindings are its own keys.
	bindings() []binding
	// sift has it show only what matches, where it can.
	sift(f filter) bool
	// targets are the tenants that an action is meant for.
	targets() []tenant.Name
	// copyText is what `y` copies.
	copyText() string
}

// quiet is a page that asks nothing, can't be filtered and is about no tenant.
type quiet struct{}

func (quiet) ask(context.Context, Source) (any, error) { return nil, nil }
func (quiet) take(any)                                 {}
func (quiet) sift(filter) bool                         { return false }
func (quiet) targets() []tenant.Name                   { return nil }
