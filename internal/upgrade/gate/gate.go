package gate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"tenantctl/internal/config"
	"tenantctl/internal/registry"
	"tenantctl/internal/upgrade"
)

// Options are what gates need of the program.
type Options struct {
	// Resolve gives the value of an address or header.
	Resolve func(config.Secret) (string, error)
	// Client asks Prometheus and services; nil is one of the gates' own. It isn't made to follow redirects.
	Client *http.Client
	// Running lists the processes of the platform; nil where none are known.
	Running func(context.Context) ([]registry.RunningService, error)
	// Platform is how they are reached; nil is the default.
	Platform http.RoundTripper
}

// All makes the gates of a rollout, in the order in which they are asked: the instances, then running services, metrics, and services of the user's own. Secrets
// are resolved here, so that what is missing shows before the first wave.
func All(rollout config.Rollout, opts Options) ([]upgrade.Gate, error) {
	declared := rollout.Gates
	web := newAsker(opts.Client)
	var all []upgrade.Gate
	add := func(name string, look look) {
		all = append(all, &patient{name: name, look: look, attempts: declared.Attempts, interval: declared.Interval})
	}
	if declared.Database != nil {
		add("database", (&database{limits: *declared.Database, every: time.Second}).look)
	}
	if declared.Services != nil && opts.Running != nil {
		g := newServices(*declared.Services, opts.Running, opts.Platform)
		all = append(all, &patient{name: servicesGate, look: g.look, watch: g.watch, attempts: declared.Attempts, interval: declared.Interval})
	}
	for _, check := range declared.Metrics {
		source, err := newPrometheus(check, opts.Resolve, web)
		if err != nil {
			return nil, err
		}
		add("metrics/"+check.Name, (&metrics{check: check, source: source}).look)
	}
	for _, check := range declared.HTTP {
		hook, err := newHook(check, opts.Resolve, web)
		if err != nil {
			return nil, err
		}
		add("http/"+check.Name, hook.look)
	}
	return all, nil
}

// look judges a wave once. It tells whether looking again a moment later may show something else.
type look func(ctx context.Context, p upgrade.Passage) (j upgrade.Judgement, again bool, err error)

// patient is a gate that looks again before it says anything but pass. It implements upgrade.Gate.
type patient struct {
	name     string
	look     look
	watch    func(ctx context.Context, targets []upgrade.Target) // nil: there is nothing to see before a wave
	attempts int
	interval time.Duration
}

// Name is the gate's kind and, where there may be several, the name of its check.
func (g *patient) Name() string { return g.name }

// Watch implements upgrade.Watcher.
func (g *patient) Watch(ctx context.Context, targets []upgrade.Target) {
	if g.watch != nil {
		g.watch(ctx, targets)
	}
}

// Judge gives the first pass, or the last of all answers.
func (g *patient) Judge(ctx context.Context, p upgrade.Passage) (upgrade.Judgement, error) {
	for attempt := 1; ; attempt++ {
		j, again, err := g.look(ctx, p)
		if ctx.Err() != nil {
			return upgrade.Judgement{}, context.Cause(ctx)
		}
		if err != nil {
			return upgrade.Judgement{}, err
		}
		if j.Verdict == upgrade.Pass || !again || attempt >= g.attempts {
			if attempt > 1 && j.Verdict != upgrade.Pass {
				j.Message += fmt.Sprintf(" (looked %d times)", attempt)
			}
			j.Gate, j.At = g.name, time.Now()
			return j, nil
		}
		if err := wait(ctx, g.interval/2+rand.N(g.interval+1)); err != nil {
			return upgrade.Judgement{}, err
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
