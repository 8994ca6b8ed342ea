package gate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"tenantctl/internal/config"
	"tenantctl/internal/registry"
	"tenantctl/internal/scrape"
	"tenantctl/internal/upgrade"
)

const servicesGate = "services"

// services asks the processes that serve tenants what they answered: errors and latency of upgraded tenants' requests, since the wave
// began, are compared with those of tenants that aren't upgraded yet. It needs no Prometheus, and remembers nothing beyond a process's life.
type services struct {
	limits  config.ServicesGate
	running func(context.Context) ([]registry.RunningService, error)
	reader  *scrape.Reader

	before count // when the wave began
	now    count
}

// count is what processes had answered at a moment, by their id and then by version.
type count struct {
	at        time.Time
	processes map[string]registry.RunningService
	requests  map[string]map[string]scrape.Tally
}

func newCount() count {
	return count{at: time.Now(), processes: map[string]registry.RunningService{}, requests: map[string]map[string]scrape.Tally{}}
}

func newServices(limits config.ServicesGate, running func(context.Context) ([]registry.RunningService, error), transport http.RoundTripper) *services {
	return &services{limits: limits, running: running, reader: scrape.NewReader(transport, limits.Timeout), before: newCount()}
}

// watch remembers what was counted before the wave. Who doesn't answer now is compared from its first answer on.
func (g *services) watch(ctx context.Context, targets []upgrade.Target) {
	g.before, _ = g.read(ctx, targets)
}

const processesAtOnce = 8

// read asks the processes of the services that are upgraded. The error names those that didn't answer; what others did is there.
func (g *services) read(ctx context.Context, targets []upgrade.Target) (count, error) {
	c := newCount()
	running, err := g.running(ctx)
	if err != nil {
		return c, err
	}
	running = slices.DeleteFunc(running, func(s registry.RunningService) bool {
		return !slices.ContainsFunc(targets, func(t upgrade.Target) bool { return t.Service == s.Service })
	})
	pages, failures := make([]scrape.Page, len(running)), make([]error, len(running))
	var group errgroup.Group
	group.SetLimit(processesAtOnce)
	for i, process := range running {
		group.Go(func() error {
			page, err := g.reader.Read(ctx, process.URL)
			if err != nil {
				failures[i] = fmt.Errorf("%s at %s doesn't tell what it answered: %w", process.Service, process.URL, err)
			}
			pages[i] = page
			return nil
		})
	}
	_ = group.Wait() // errors are in failures
	for i, process := range running {
		if failures[i] == nil {
			c.processes[process.ID], c.requests[process.ID] = process, pages[i].Requests()
		}
	}
	return c, errors.Join(failures...)
}

func (g *services) look(ctx context.Context, p upgrade.Passage) (upgrade.Judgement, bool, error) {
	var f findings
	var err error
	if g.now, err = g.read(ctx, p.Targets); err != nil {
		f.doubt("%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	g.adopt()
	for _, target := range p.Brought() {
		g.judge(ctx, &f, target, p)
	}
	if len(f.failures)+len(f.doubts)+len(f.fine) == 0 {
		f.pass("nothing to compare: no tenant was brought to another version")
	}
	j, again := f.judgement()
	return j, again, nil
}

// adopt takes processes that didn't answer when the wave began from now on: what they count is of an unknown time. One that began
// since has counted nothing else.
func (g *services) adopt() {
	for id, process := range g.now.processes {
		if _, known := g.before.requests[id]; !known && process.Started.Before(g.before.at) {
			g.before.requests[id] = g.now.requests[id]
		}
	}
}

func (g *services) judge(ctx context.Context, f *findings, target upgrade.Target, p upgrade.Passage) {
	quiet, advice := f.pass, ", too few to tell"
	if g.limits.Quiet == config.QuietPause || stoppedBefore(p) {
		quiet, advice = f.doubt, waitForTraffic
	}
	switch runs, ran := g.now.runs(target.Service), g.before.runs(target.Service); {
	case !runs && ran:
		f.fail("%s ran when the wave began, and no process of it answers now: see its log", target.Service)
		return
	case !runs:
		quiet("no process of %s runs that could tell", target.Service)
		return
	}
	for _, check := range []config.MetricsGate{
		{Name: checkErrors, MaxIncrease: g.limits.ErrorIncrease},
		{Name: checkLatency, MaxIncrease: g.limits.LatencyIncrease.Seconds()},
	} {
		check.MinSamples, check.MaxRatio = g.limits.MinSamples, g.limits.MaxRatio
		c := &comparison{
			findings: f, check: check, source: g, target: target, window: g.now.at.Sub(g.before.at).Round(time.Second), began: p.Began,
			quiet: quiet, advice: advice,
		}
		if !c.judge(ctx) {
			return // of the same requests the next check can't tell either
		}
	}
}

const checkErrors, checkLatency = "errors", "latency"

// stoppedBefore tells that this gate didn't let the wave pass when it was asked before. Whoever resumes then has to show that it is
// well now: no requests are no answer.
func stoppedBefore(p upgrade.Passage) bool {
	for _, j := range slices.Backward(p.Said) {
		if j.Gate == servicesGate {
			return j.Verdict == upgrade.Fail || j.Verdict == upgrade.Inconclusive
		}
	}
	return false
}

func (c count) runs(service string) bool {
	for _, process := range c.processes {
		if process.Service == service {
			return true
		}
	}
	return false
}

// String implements source.
func (g *services) String() string { return "the running services" }

func (g *services) alone(string) string { return "" }

// ask implements source: of all processes of the service together, since the wave began or, for the time before, since they began.
func (g *services) ask(_ context.Context, c *comparison, before bool) (values, counts byVersion, err error) {
	all := map[uint64]scrape.Tally{}
	for id, process := range g.now.processes {
		if process.Service != c.target.Service {
			continue
		}
		for label, now := range g.now.requests[id] {
			version, err := strconv.ParseUint(label, 10, 64)
			if err != nil {
				continue // requests without a tenant
			}
			then := g.before.requests[id][label]
			if before {
				all[version] = all[version].Add(then)
			} else {
				all[version] = all[version].Add(now.Since(then))
			}
		}
	}
	values, counts = byVersion{}, byVersion{}
	for version, t := range all {
		if t.All <= 0 {
			continue
		}
		counts[version], values[version] = t.All, t.ErrorShare()
		if c.check.Name == checkLatency {
			values[version] = t.Quantile(quantileCompared).Seconds()
		}
	}
	return values, counts, nil
}

// quantileCompared is the one by which latency is judged.
const quantileCompared = 0.99
