package scope

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what is told of a service's connections. Labels are cells, of which there are few, never tenants.
type metrics struct {
	connections, limit *prometheus.Desc
	wait               *prometheus.HistogramVec // for a connection, until it came
	refused            *prometheus.CounterVec   // whose wait was in vain
	lost               *prometheus.CounterVec
}

// The reasons for which no connection was had.
const (
	refusedCell   = "cell"   // all of the cell's are in use
	refusedTenant = "tenant" // the tenant has its share
	refusedServer = "server" // it can't be reached
)

func newMetrics(service string) *metrics {
	labels, of := prometheus.Labels{"service": service}, []string{"instance", "cell"}
	return &metrics{
		connections: prometheus.NewDesc("db_pool_connections", "Connections of a cell's pool, by what they do.", append(of, "state"), labels),
		limit:       prometheus.NewDesc("db_pool_connections_max", "How many connections a cell's pool may have.", of, labels),
		wait: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "db_pool_acquire_seconds", Help: "How long requests waited for a connection that they got.",
			ConstLabels: labels, Buckets: prometheus.ExponentialBuckets(0.00001, 8, 7),
		}, of),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "db_pool_refused_total", Help: "Requests that got no connection, by why.", ConstLabels: labels,
		}, append(of, "reason")),
		lost: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "db_pool_lost_total", Help: "Connections that the server ended while they were lent.", ConstLabels: labels,
		}, of),
	}
}

// Describe implements prometheus.Collector.
func (p *Pools) Describe(to chan<- *prometheus.Desc) {
	to <- p.metrics.connections
	to <- p.metrics.limit
	p.metrics.wait.Describe(to)
	p.metrics.refused.Describe(to)
	p.metrics.lost.Describe(to)
}

// Collect implements prometheus.Collector.
func (p *Pools) Collect(to chan<- prometheus.Metric) {
	p.mu.Lock()
	for cell, pool := range p.pools {
		stat := pool.Stat()
		for state, n := range map[string]int32{"in_use": stat.AcquiredConns(), "idle": stat.IdleConns(), "opening": stat.ConstructingConns()} {
			to <- prometheus.MustNewConstMetric(p.metrics.connections, prometheus.GaugeValue, float64(n), cell.Instance, cell.Cell, state)
		}
		to <- prometheus.MustNewConstMetric(p.metrics.limit, prometheus.GaugeValue, float64(stat.MaxConns()), cell.Instance, cell.Cell)
	}
	p.mu.Unlock()
	p.metrics.wait.Collect(to)
	p.metrics.refused.Collect(to)
	p.metrics.lost.Collect(to)
}
