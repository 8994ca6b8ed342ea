package records

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"tenantctl/internal/registry"
	"tenantctl/internal/scrape"
	"tenantctl/internal/tui"
)

// traffic asks services' /metrics and remembers what each said before, since counters only tell by how much they grew.
type traffic struct {
	reader *scrape.Reader
	before map[string]counts // by the process' id
	shown  map[string]tui.Traffic
	silent map[string]silence
}

// silence is a process that didn't tell. It is asked again after a while: what it declines stands in its log.
type silence struct {
	until time.Time
	why   string
}

// counts are a process' counters at a moment.
type counts struct {
	at time.Time
	scrape.Tally
}

const (
	metricsTimeout = 2 * time.Second
	metricsEvery   = 2 * time.Second
	silentFor      = 20 * time.Second
	metricsAtOnce  = 8
)

func newTraffic(transport http.RoundTripper) traffic {
	return traffic{reader: scrape.NewReader(transport, metricsTimeout), before: map[string]counts{}, shown: map[string]tui.Traffic{}, silent: map[string]silence{}}
}

// Services implements tui.Source.
func (s *Source) Services(ctx context.Context) ([]tui.Service, error) {
	r, err := s.open(ctx)
	if err != nil || r == nil {
		return nil, err
	}
	running, err := r.Running(ctx)
	if err != nil {
		return nil, s.masked(err)
	}
	services := make([]tui.Service, len(running))
	read := make([]counts, len(running))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(metricsAtOnce)
	for i, process := range running {
		services[i].RunningService = process
		if quiet := s.traffic.silent[process.ID]; time.Now().Before(quiet.until) {
			services[i].Why = quiet.why
			continue
		}
		if time.Since(s.traffic.before[process.ID].at) < metricsEvery {
			continue
		}
		group.Go(func() error {
			var err error
			if read[i], err = s.traffic.ask(gctx, process); err != nil {
				services[i].Why = s.Mask(err.Error())
			}
			return nil // of one that doesn't answer, the others are still to be shown
		})
	}
	_ = group.Wait() // none gives an error
	for i := range services {
		if id, why := services[i].ID, services[i].Why; why != "" && time.Now().After(s.traffic.silent[id].until) {
			s.traffic.silent[id] = silence{time.Now().Add(silentFor), why}
		}
		s.traffic.add(&services[i], read[i])
	}
	return services, nil
}

func (t *traffic) ask(ctx context.Context, process registry.RunningService) (counts, error) {
	page, err := t.reader.Read(ctx, process.URL)
	if err != nil {
		return counts{}, err
	}
	c := counts{at: page.At}
	for _, requests := range page.Requests() { // at all versions of tenants' schemas
		c.Tally = c.Add(requests)
	}
	for _, name := range []string{"gateway_requests_total", "gateway_rejected_total"} {
		for _, m := range page.Series(name) {
			c.All += m.GetCounter().GetValue()
		}
	}
	return c, nil
}

// add shows a process' traffic since it was asked before; between two questions, what was shown last.
func (t *traffic) add(s *tui.Service, now counts) {
	if !now.at.IsZero() {
		before, there := t.before[s.ID]
		t.before[s.ID] = now
		if there && now.All >= before.All {
			t.shown[s.ID] = between(before, now)
		}
	}
	if shown, there := t.shown[s.ID]; there && s.Why == "" {
		s.Traffic = &shown
	}
}

func between(before, now counts) tui.Traffic {
	span, grown := now.at.Sub(before.at), now.Since(before.Tally)
	made := tui.Traffic{Span: span, P99: grown.Quantile(0.99)}
	if span > 0 {
		made.Rate = grown.All / span.Seconds()
	}
	if grown.All > 0 {
		made.Errors = grown.ErrorShare()
	}
	return made
}
