package operator

import (
	"context"
	"sync"
	"time"

	"tenantctl/internal/config"
	"tenantctl/internal/provision"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

// Workshop is a content of tenants.yaml with everything that its work needs, opened when it is first needed. The command plugs
// it together, as it does for its other commands.
type Workshop interface {
	// Home provisions an instance's tenants.
	Home(ctx context.Context, instance string) (*provision.Provisioner, error)
	// Targets are the versions that services are to have.
	Targets(ctx context.Context) ([]upgrade.Target, error)
	// Move goes on with a tenant's move until it stops before a phase, "" for none. It ends early, in good order, when drained.
	Move(ctx context.Context, name tenant.Name, stopBefore string, drain <-chan struct{}) error
	// Complete ends a move for good.
	Complete(ctx context.Context, name tenant.Name) error
	// Rollout brings the fleet's versions to the targets, or on from where a rollout stands. Tenants that are paused are left out.
	Rollout(ctx context.Context, paused func(tenant.Name) bool, drain <-chan struct{}) error
	// Close closes what was opened.
	Close(ctx context.Context)
}

// loaded is a content of tenants.yaml in use.
type loaded struct {
	file *config.File
	hash string
	Workshop
	users sync.WaitGroup

	mu    sync.Mutex
	away  map[string]unreachable // instances that couldn't be opened a moment ago
	homes map[string]*provision.Provisioner
}

type unreachable struct {
	err   error
	since time.Time
}

// awayPause is how long an instance that couldn't be reached isn't asked again: its tenants fail at once meanwhile, so that
// they don't keep the workers from the others'.
const awayPause = 3 * time.Second

func newLoaded(file *config.File, w Workshop) *loaded {
	return &loaded{file: file, hash: file.Hash(), Workshop: w, away: map[string]unreachable{}, homes: map[string]*provision.Provisioner{}}
}

// home opens an instance once.
func (l *loaded) home(ctx context.Context, instance string) (*provision.Provisioner, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.homes[instance]; p != nil {
		return p, nil
	}
	if gone, is := l.away[instance]; is && time.Since(gone.since) < awayPause {
		return nil, gone.err
	}
	p, err := l.Home(ctx, instance)
	if err != nil {
		l.away[instance] = unreachable{err, time.Now()}
		return nil, err
	}
	delete(l.away, instance)
	l.homes[instance] = p
	return p, nil
}

// renew forgets the homes, because what new tenants get has changed. They stay open until the workshop closes.
func (l *loaded) renew() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.homes)
}
