package records

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sync/errgroup"

	"tenantctl/internal/registry"
	"tenantctl/internal/tui"
)

// traffic asks services' /metrics and remembers what each said before, since counters only tell by how much they grew.
type traffic struct {
	client *http.Client
	before map[string]counts // by the process' id
	shown  map[string]tui.Traffic
}

// counts are a process' counters at a moment.
type counts struct {
	at      time.Time
	all     float64
	failed  float64
	buckets map[float64]float64 // how many took at most so many seconds
}

const (
	metricsTimeout = 2 * time.Second
	metricsEvery   = 2 * time.Second
	maxMetrics     = 8 << 20
	metricsAtOnce  = 8
)

func newTraffic() traffic {
	return traffic{client: &http.Client{Timeout: metricsTimeout}, before: map[string]counts{}, shown: map[string]tui.Traffic{}}
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
		s.traffic.add(&services[i], read[i])
	}
	return services, nil
}

func (t *traffic) ask(ctx context.Context, process registry.RunningService) (counts, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(process.URL, "/")+"/metrics", nil)
	if err != nil {
		return counts{}, fmt.Errorf("metrics: %w", err)
	}
	response, err := t.client.Do(request)
	if err != nil {
		return counts{}, fmt.Errorf("metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return counts{}, fmt.Errorf("metrics: %s", response.Status)
	}
	return readCounts(io.LimitReader(response.Body, maxMetrics))
}

// readCounts adds up requests, those that failed, and how long they took, over all routes and versions.
func readCounts(from io.Reader) (counts, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(from)
	if err != nil {
		return counts{}, fmt.Errorf("metrics: %w", err)
	}
	c := counts{at: time.Now(), buckets: map[float64]float64{}}
	for _, name := range []string{"http_requests_total", "gateway_requests_total", "gateway_rejected_total"} {
		for _, m := range families[name].GetMetric() {
			v := m.GetCounter().GetValue()
			c.all += v
			if strings.HasPrefix(label(m, "code"), "5") {
				c.failed += v
			}
		}
	}
	for _, m := range families["http_request_duration_seconds"].GetMetric() {
		for _, b := range m.GetHistogram().GetBucket() {
			c.buckets[b.GetUpperBound()] += float64(b.GetCumulativeCount())
		}
	}
	return c, nil
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// add shows a process' traffic since it was asked before; between two questions, what was shown last.
func (t *traffic) add(s *tui.Service, now counts) {
	if !now.at.IsZero() {
		before, there := t.before[s.ID]
		t.before[s.ID] = now
		if there && now.all >= before.all {
			t.shown[s.ID] = between(before, now)
		}
	}
	if shown, there := t.shown[s.ID]; there && s.Why == "" {
		s.Traffic = &shown
	}
}

func between(before, now counts) tui.Traffic {
	span := now.at.Sub(before.at)
	made := tui.Traffic{Span: span}
	n := now.all - before.all
	if span > 0 {
		made.Rate = n / span.Seconds()
	}
	if n > 0 {
		made.Errors = (now.failed - before.failed) / n
	}
	made.P99 = quantile(before.buckets, now.buckets)
	return made
}

// quantile is the upper bound under which 99 % of what came in between lie: the histogram doesn't know it closer.
func quantile(before, now map[float64]float64) time.Duration {
	total := now[math.Inf(1)] - before[math.Inf(1)]
	if total <= 0 {
		return 0
	}
	least := math.Inf(1)
	for bound, count := range now {
		if count-before[bound] >= 0.99*total {
			least = min(least, bound)
		}
	}
	if math.IsInf(least, 1) {
		return 0
	}
	return time.Duration(least * float64(time.Second))
}
