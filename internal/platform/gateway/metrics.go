package gateway

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what is counted. No label is a tenant's name: there may be thousands.
type metrics struct {
	requests *prometheus.CounterVec
	rejected *prometheus.CounterVec
	flying   *prometheus.GaugeVec
	hold     prometheus.Histogram
}

func newMetrics(registry prometheus.Registerer, g *Gateway) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_requests_total", Help: "Requests passed on, by where to: a service, legacy or upstream.",
		}, []string{"target"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_rejected_total", Help: "Requests that the gateway answered itself, or cut, by why.",
		}, []string{"reason"}),
		flying: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gateway_in_flight", Help: "Requests under way, by where to.",
		}, []string{"target"}),
		hold: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "gateway_hold_seconds", Help: "How long held requests waited.", Buckets: prometheus.ExponentialBuckets(0.005, 2, 14),
		}),
	}
	held := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gateway_held", Help: "Requests that wait while a route is hold.",
	}, func() float64 { return float64(g.buffer.held()) })
	epoch := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gateway_epoch", Help: "Up to which epoch the gateway has the routes.",
	}, func() float64 { return float64(g.Directory.Epoch()) })
	registry.MustRegister(m.requests, m.rejected, m.flying, m.hold, held, epoch)
	return m
}

// under counts a request while it is under way.
func (m *metrics) under(target string) (ended func()) {
	m.requests.WithLabelValues(target).Inc()
	gauge := m.flying.WithLabelValues(target)
	gauge.Inc()
	return gauge.Dec
}

func (m *metrics) waited(since time.Time) { m.hold.Observe(time.Since(since).Seconds()) }
