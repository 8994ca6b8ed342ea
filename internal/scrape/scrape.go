// Package scrape reads what running services count: their /metrics, in Prometheus' text format. Gates and the dashboard ask the
// processes themselves by it, so that neither needs a Prometheus.
package scrape

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// maxPage is more than any service of ours tells, in bytes.
const maxPage = 8 << 20

// Reader asks processes.
type Reader struct {
	Client *http.Client
}

// NewReader makes a reader over a transport, which may believe authorities of the user's own; nil is the default one. Redirects aren't
// followed: a process tells its own counts.
func NewReader(transport http.RoundTripper, timeout time.Duration) *Reader {
	return &Reader{Client: &http.Client{
		Transport: transport, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Page is what a process tells at a moment.
type Page struct {
	At       time.Time
	families map[string]*dto.MetricFamily
}

// Read asks the process at an address.
func (r *Reader) Read(ctx context.Context, url string) (Page, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/metrics", http.NoBody)
	if err != nil {
		return Page{}, fmt.Errorf("metrics: %w", err)
	}
	response, err := r.Client.Do(request)
	if err != nil {
		return Page{}, fmt.Errorf("metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return Page{}, fmt.Errorf("metrics: %s", response.Status)
	}
	return Parse(io.LimitReader(response.Body, maxPage))
}

// Parse reads a page.
func Parse(from io.Reader) (Page, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(from)
	if err != nil {
		return Page{}, fmt.Errorf("metrics: %w", err)
	}
	return Page{At: time.Now(), families: families}, nil
}

// Label is the value of a series' label; empty where it has none of that name.
func Label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// Series are those of a name.
func (p Page) Series(name string) []*dto.Metric { return p.families[name].GetMetric() }
