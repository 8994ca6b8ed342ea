package bus

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics count what relays and consumers of a process do. They are a prometheus.Collector. A nil one counts nothing.
type Metrics struct {
	relayed *prometheus.HistogramVec
	done    *prometheus.HistogramVec
	dwell   *prometheus.HistogramVec
	looked  *prometheus.GaugeVec
	taking  *prometheus.GaugeVec
}

// NewMetrics makes them.
func NewMetrics() *Metrics {
	histogram := func(name, help string, longest int, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(0.001, 4, longest)}, labels)
	}
	return &Metrics{
		relayed: histogram("bus_outbox_age_seconds", "How old events are when the broker has confirmed them.", 10, "instance"),
		done:    histogram("bus_handling_seconds", "How long consumers take for a message, by what became of it.", 8, "consumer", "type", "outcome"),
		dwell:   histogram("bus_dwell_seconds", "From when an event was published to when a consumer has done with it.", 10, "consumer"),
		looked: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bus_relay_seen_timestamp_seconds", Help: "When a relay last looked into an instance's outbox and could have sent what was there, in seconds since 1970.",
		}, []string{"instance"}),
		taking: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bus_consuming", Help: "Whether a consumer of this process is given what is in its queue: 1, or 0 while it tries to.",
		}, []string{"consumer"}),
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	m.relayed.Describe(ch)
	m.done.Describe(ch)
	m.dwell.Describe(ch)
	m.looked.Describe(ch)
	m.taking.Describe(ch)
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.relayed.Collect(ch)
	m.done.Collect(ch)
	m.dwell.Collect(ch)
	m.looked.Collect(ch)
	m.taking.Collect(ch)
}

func (m *Metrics) seen(instance string) {
	if m != nil {
		m.looked.WithLabelValues(instance).SetToCurrentTime()
	}
}

// consuming notes whether a consumer is given what comes.
func (m *Metrics) consuming(consumer string, is float64) {
	if m != nil {
		m.taking.WithLabelValues(consumer).Set(is)
	}
}

func (m *Metrics) sent(instance string, age time.Duration) {
	if m != nil {
		m.relayed.WithLabelValues(instance).Observe(age.Seconds())
	}
}

func (m *Metrics) handled(consumer, kind, outcome string, took, dwell time.Duration) {
	if m == nil {
		return
	}
	if outcome == outcomeParked {
		kind = "" // it may be anything
	}
	m.done.WithLabelValues(consumer, kind, outcome).Observe(took.Seconds())
	if outcome == outcomeDone {
		m.dwell.WithLabelValues(consumer).Observe(dwell.Seconds())
	}
}
