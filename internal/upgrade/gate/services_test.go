package gate

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/registry"
	"tenantctl/internal/upgrade"
)

// process is one that runs, and what it has answered by version: how many, how many of them with 500, and how many late.
type process struct {
	registry.RunningService
	mu       sync.Mutex
	answered map[int][3]int
	away     bool
}

func (p *process) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	fmt.Fprintln(w, "# TYPE http_requests_total counter")
	for version, n := range p.answered {
		fmt.Fprintf(w, "http_requests_total{code=\"200\",schema_version=\"%d\"} %d\nhttp_requests_total{code=\"500\",schema_version=\"%d\"} %d\n", version, n[0]-n[1], version, n[1])
	}
	fmt.Fprintln(w, "# TYPE http_request_duration_seconds histogram")
	for version, n := range p.answered {
		for _, bucket := range []struct {
			le    string
			count int
		}{{"0.01", n[0] - n[2]}, {"1", n[0]}, {"+Inf", n[0]}} {
			fmt.Fprintf(w, "http_request_duration_seconds_bucket{schema_version=\"%d\",le=\"%s\"} %d\n", version, bucket.le, bucket.count)
		}
	}
}

func (p *process) answers(version, all, failed, late int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.answered[version]
	p.answered[version] = [3]int{n[0] + all, n[1] + failed, n[2] + late}
}

// platform is the processes that run.
type platform struct {
	t   *testing.T
	all []*process
}

func (p *platform) begin(service, id string) *process {
	made := &process{answered: map[int][3]int{}, RunningService: registry.RunningService{ID: id, Service: service, Started: time.Now()}}
	server := httptest.NewServer(made)
	p.t.Cleanup(server.Close)
	made.URL = server.URL
	p.all = append(p.all, made)
	return made
}

func (p *platform) running(context.Context) ([]registry.RunningService, error) {
	list := make([]registry.RunningService, len(p.all))
	for i, process := range p.all {
		list[i] = process.RunningService
	}
	return list, nil
}

func TestRunningServicesAreCompared(t *testing.T) {
	t.Parallel()
	const pass, fail, open = upgrade.Pass, upgrade.Fail, upgrade.Inconclusive
	// What core, and another process of it that begins later, answers before the wave and since, and what the gate says of that.
	for name, c := range map[string]struct {
		options string
		before  func(*platform, *process)
		since   func(*platform, *process)
		said    upgrade.Verdict // when it was asked of this wave before
		verdict upgrade.Verdict
		says    string
	}{
		"alike": {
			since:   func(_ *platform, core *process) { core.answers(11, 1000, 1, 1); core.answers(12, 200, 0, 0) },
			verdict: pass, says: "errors of core at version 12 (200 requests) is 0, against 0.001 of core at version 11 (1000 requests), not yet upgraded",
		},
		"errors": {
			since:   func(_ *platform, core *process) { core.answers(11, 1000, 1, 1); core.answers(12, 200, 50, 0) },
			verdict: fail, says: "errors of core at version 12 (200 requests) is 0.25, against 0.001 of core at version 11 (1000 requests), not yet upgraded",
		},
		"slow": {
			since:   func(_ *platform, core *process) { core.answers(11, 1000, 0, 1); core.answers(12, 200, 0, 180) },
			verdict: fail, says: "latency of core at version 12 (200 requests) is 0.989, against 0.009",
		},
		"what was before the wave doesn't count": {
			before:  func(_ *platform, core *process) { core.answers(11, 1000, 0, 0); core.answers(12, 200, 200, 0) },
			since:   func(_ *platform, core *process) { core.answers(11, 1000, 0, 0); core.answers(12, 200, 0, 0) },
			verdict: pass, says: "errors of core at version 12 (200 requests) is 0,",
		},
		"processes together": {
			since: func(p *platform, core *process) {
				core.answers(11, 1000, 0, 0)
				core.answers(12, 60, 0, 0)
				p.begin("core", "second").answers(12, 60, 12, 0)
			},
			verdict: fail, says: "errors of core at version 12 (120 requests) is 0.1,",
		},
		"nobody is left at the older version": {
			before:  func(_ *platform, core *process) { core.answers(11, 1000, 1, 0) },
			since:   func(_ *platform, core *process) { core.answers(12, 200, 50, 0) },
			verdict: fail, says: "against 0.001 of core at version 11 (1000 requests), before the wave, as too few are left now",
		},
		"too few": {
			since:   func(_ *platform, core *process) { core.answers(11, 1000, 0, 0); core.answers(12, 99, 99, 0) },
			verdict: pass, says: "core: of tenants at version 12 there are 99 requests, of which 100 are needed (minSamples)",
		},
		"too few, which is to pause": {
			options: "quiet: pause",
			since:   func(_ *platform, core *process) { core.answers(11, 1000, 0, 0); core.answers(12, 99, 99, 0) },
			verdict: open, says: "(minSamples) in the last 0s: wait for traffic or send some",
		},
		"fewer are needed": {
			options: "minSamples: 10",
			since:   func(_ *platform, core *process) { core.answers(11, 1000, 0, 0); core.answers(12, 99, 99, 0) },
			verdict: fail, says: "errors of core at version 12 (99 requests) is 1,",
		},
		"silence is no answer where it failed before": {
			said: fail, since: func(*platform, *process) {},
			verdict: open, says: "of tenants at version 12 there are no series",
		},
		"it doesn't answer": {
			since:   func(_ *platform, core *process) { core.away = true },
			verdict: fail, says: "core ran when the wave began, and no process of it answers now: see its log; core at http://127.0.0.1:",
		},
		"one of two doesn't answer": {
			since: func(p *platform, core *process) {
				core.answers(11, 1000, 0, 0)
				core.answers(12, 200, 0, 0)
				p.begin("core", "second").away = true
			},
			verdict: open, says: "doesn't tell what it answered: metrics: 502 Bad Gateway",
		},
		"it is gone": {
			since:   func(p *platform, _ *process) { p.all = nil },
			verdict: fail, says: "core ran when the wave began, and no process of it answers now",
		},
		"it didn't run": {
			before:  func(p *platform, core *process) { core.Service = "shop" },
			since:   func(*platform, *process) {},
			verdict: pass, says: "no process of core runs that could tell",
		},
		"it didn't answer when the wave began": {
			before: func(_ *platform, core *process) { core.answers(12, 500, 500, 0); core.away = true },
			since: func(_ *platform, core *process) {
				core.away = false
				core.answers(11, 1000, 0, 0)
			},
			verdict: pass, says: "of tenants at version 12 there are no series",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &platform{t: t}
			core := p.begin("core", "first")
			p.begin("users", "another").answers(12, 500, 500, 0)
			limits := gatesOf(t, "services: { "+c.options+" }").Services
			g := newServices(*limits, p.running, nil)
			if c.before != nil {
				c.before(p, core)
			}
			wave := passage()
			g.watch(t.Context(), wave.Targets)
			c.since(p, core)
			if c.said != "" {
				wave.Said = []upgrade.Judgement{{Gate: servicesGate, Verdict: c.said}, {Gate: "database", Verdict: pass}}
			}
			j, _, err := g.look(t.Context(), wave)
			require.NoError(t, err)
			require.Equal(t, c.verdict, j.Verdict, j.Message)
			require.Contains(t, j.Message, c.says)
		})
	}
}
