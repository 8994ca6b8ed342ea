package operator

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are what a replica tells of itself.
type Metrics struct {
	done       *prometheus.CounterVec
	took       *prometheus.HistogramVec
	scan       prometheus.Histogram
	records    *prometheus.GaugeVec
	broken     prometheus.Gauge
	differs    prometheus.Gauge
	held       prometheus.Gauge
	generation prometheus.Gauge
	leads      prometheus.Gauge
	sink       *prometheus.GaugeVec
}

func newMetrics() *Metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "tenantctl_operator_" + name, Help: help})
	}
	return &Metrics{
		done: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tenantctl_operator_jobs_total", Help: "Jobs done by this replica, by what came of them."}, []string{"task", "result"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tenantctl_operator_job_duration_seconds", Help: "How long jobs took.", Buckets: prometheus.ExponentialBuckets(0.005, 4, 10),
		}, []string{"task"}),
		scan: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tenantctl_operator_scan_duration_seconds", Help: "How long the leader compared the fleet's declarations and records.", Buckets: prometheus.ExponentialBuckets(0.005, 2, 12),
		}),
		records:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tenantctl_operator_tenants", Help: "Tenants as the leader sees them: as declared, to be worked on, failed, refused, waiting, paused."}, []string{"state"}),
		sink:       prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tenantctl_operator_sink_failing", Help: "1 while a sink takes no events."}, []string{"sink"}),
		broken:     gauge("file_broken", "1 while the tenants' file can't be read and an earlier one stays in force."),
		differs:    gauge("file_differs", "1 while this replica's file isn't the one that the fleet follows."),
		held:       gauge("held", "1 while a change waits to be accepted."),
		generation: gauge("generation", "Of the tenants' file that the fleet follows."),
		leads:      gauge("leads", "1 where this replica leads."),
	}
}

// Register adds the metrics to those that are served.
func (m *Metrics) Register(r prometheus.Registerer) {
	r.MustRegister(m.done, m.took, m.scan, m.records, m.broken, m.differs, m.held, m.generation, m.leads, m.sink)
}

func (m *Metrics) job(task Task, result string, took time.Duration) {
	m.done.WithLabelValues(string(task), result).Inc()
	m.took.WithLabelValues(string(task)).Observe(took.Seconds())
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
