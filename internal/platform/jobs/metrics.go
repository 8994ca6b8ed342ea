package jobs

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are what workers tell of their jobs. Labels are queues and kinds, never tenants.
type Metrics struct {
	dwell, took *prometheus.HistogramVec
	outcomes    *prometheus.CounterVec
}

// NewMetrics makes metrics; they are registered by whoever serves them.
func NewMetrics() *Metrics {
	labels := []string{"queue", "kind"}
	buckets := prometheus.ExponentialBuckets(0.005, 3, 12)
	return &Metrics{
		dwell:    prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "job_dwell_seconds", Help: "How long jobs waited before an attempt began.", Buckets: buckets}, labels),
		took:     prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "job_attempt_seconds", Help: "How long attempts took.", Buckets: buckets}, labels),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "job_attempts_total", Help: "Attempts, by what came of them."}, append(labels, "outcome")),
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	m.dwell.Describe(to)
	m.took.Describe(to)
	m.outcomes.Describe(to)
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	m.dwell.Collect(to)
	m.took.Collect(to)
	m.outcomes.Collect(to)
}

func (m *Metrics) began(queue string, c claimed) {
	m.dwell.WithLabelValues(queue, c.Kind).Observe(c.Dwell)
}

func (m *Metrics) ended(queue string, c claimed, outcome string, took time.Duration) {
	m.took.WithLabelValues(queue, c.Kind).Observe(took.Seconds())
	m.outcomes.WithLabelValues(queue, c.Kind, outcome).Inc()
}
