package upgrade

import (
	"context"
	"log/slog"
	"time"

	"tenantctl/internal/config"
	"tenantctl/internal/registry"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// Config is what an Upgrader works with.
type Config struct {
	Registry *registry.Registry
	Store    *Store
	// Streams are those of scope tenant, in dependency order.
	Streams []*stream.Stream
	// Targets are what to bring the fleet to, in the same order.
	Targets []Target
	// Members is the fleet as it is now.
	Members func(ctx context.Context) ([]Member, error)
	// Instance opens what is known of an instance.
	Instance func(ctx context.Context, name string) (Instance, error)
	Rollout  config.Rollout
	Gates    []Gate
	// AcceptGate, unless empty, is why a person lets the next wave begin once although a gate says otherwise.
	AcceptGate string
	Patience   Patience
	Observer   Observer
	Actor      string
	// Drain, once closed, lets the tenants that are under way end and begins no other; nil never does.
	Drain <-chan struct{}
	Log   *slog.Logger
}

// Patience is how long a tenant may keep a rollout waiting.
type Patience struct {
	// FirstLock is the first lock timeout of a file; each further attempt doubles it, up to LongestLock.
	FirstLock, LongestLock time.Duration
	// Attempts is how often a tenant is tried before it is deferred to the end of its wave, and there once more.
	Attempts int
	// Pause is the first pause between attempts, which doubles, too, up to LongestPause. Each is spread by chance.
	Pause, LongestPause time.Duration
	// Statement bounds each statement of a file that runs in a transaction.
	Statement time.Duration
	// Concurrent bounds each wait of a statement that runs outside one.
	Concurrent time.Duration
}

// DefaultPatience is what a fleet that serves traffic can bear.
func DefaultPatience() Patience {
	return Patience{
		FirstLock: 100 * time.Millisecond, LongestLock: 2 * time.Second, Attempts: 6,
		Pause: 50 * time.Millisecond, LongestPause: 2 * time.Second,
		Statement: 10 * time.Minute, Concurrent: 5 * time.Minute,
	}
}

// Observer is told how a rollout goes, from several goroutines.
type Observer interface {
	WaveBegan(wave Wave, waves int)
	TenantEnded(outcome Outcome)
	WaveEnded(wave Wave)
	Baking(wave Wave, until time.Time)
	Judged(wave Wave, judgement Judgement)
}

// Upgrader rolls versions out.
type Upgrader struct {
	Config
	streams map[string]*stream.Stream
}

// New makes an Upgrader.
func New(c Config) *Upgrader {
	u := &Upgrader{Config: c, streams: map[string]*stream.Stream{}}
	if u.Log == nil {
		u.Log = slog.New(slog.DiscardHandler)
	}
	for _, s := range c.Streams {
		u.streams[s.Service] = s
	}
	return u
}

// leaseName is the lease under which any rollout of a control database runs.
const leaseName = "rollout"

func (u *Upgrader) draining() bool {
	select {
	case <-u.Drain:
		return true
	default:
		return false
	}
}

func (u *Upgrader) publish(ctx context.Context, kind, message string) error {
	return u.Registry.Publish(ctx, tenant.Event{Type: kind, Actor: u.Actor, Message: message})
}
