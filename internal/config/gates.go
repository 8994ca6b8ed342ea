package config

import "time"

// Gates are what must hold after a wave before the next one begins.
type Gates struct {
	Attempts int           // a gate that doesn't pass is asked so often before its answer counts
	Interval time.Duration // between two attempts
	Database *DatabaseGate // nil where it is switched off
	Services *ServicesGate // nil where it is switched off
	Metrics  []MetricsGate
	HTTP     []HTTPGate
}

// DatabaseGate are the limits of what an instance may show after a wave.
type DatabaseGate struct {
	LockWaiters       int           // sessions that wait for longer than WaitedLongerThan
	WaitedLongerThan  time.Duration // for a lock
	ReplicationLag    time.Duration // of a standby's replay
	ReplicationBytes  Size          // the same in WAL
	SlotWAL           Size          // that a slot keeps on the server
	OldestTransaction time.Duration
	InvalidIndexes    int // of the wave's tenants on an instance
	Samples           int
}

// ServicesGate compares what running services answered to upgraded tenants and to the others, by what they tell of themselves.
type ServicesGate struct {
	MinSamples int     // requests that either side needs to be compared
	MaxRatio   float64 // the upgraded tenants are worse when this and the increase are passed
	// ErrorIncrease is of the share of 5xx, LatencyIncrease of the 99th percentile.
	ErrorIncrease   float64
	LatencyIncrease time.Duration
	Quiet           Quiet         // what too few requests come to
	Timeout         time.Duration // for one process to answer
}

// Quiet is what a gate says where there are too few requests to compare.
type Quiet string

// What too few requests come to.
const (
	QuietPass  Quiet = "pass"
	QuietPause Quiet = "pause"
)

// MetricsGate compares the requests of upgraded tenants with those of the others.
type MetricsGate struct {
	Name       string
	Prometheus Secret
	Headers    []Header
	Query      string // {service} and {window} are to be filled in
	Samples    string // the same for the number of requests
	Service    string // "" is each one that is upgraded
	MinSamples int
	// The upgraded tenants are worse when both of these are passed.
	MaxRatio, MaxIncrease float64
	Max                   *float64 // whatever the others show; nil is no bound
	Timeout               time.Duration
}

// HTTPGate asks a service of the user's own.
type HTTPGate struct {
	Name    string
	URL     Secret
	Headers []Header
	Timeout time.Duration
}

// Header is sent with a request.
type Header struct {
	Name  string
	Value Secret
}

// Placeholders of the metrics gate's queries.
const (
	PlaceService = "{service}"
	PlaceWindow  = "{window}"
)

// requestCount is the number of requests for each version of a service.
const requestCount = `sum by (schema_version) (increase(http_requests_total{service="{service}"}[{window}]))`

// knownCheck is what a metrics check is that has a name we know.
type knownCheck struct {
	query       string
	maxIncrease float64
}

func knownChecks() map[string]knownCheck {
	const all = `sum by (schema_version) (rate(http_requests_total{service="{service}"}[{window}]))`
	return map[string]knownCheck{
		// A version without any 5xx has no series of them: its share is 0, not unknown.
		"errors": {`(sum by (schema_version) (rate(http_requests_total{service="{service}",code=~"5.."}[{window}])) or 0 * ` + all + `) / ` + all, errorIncrease},
		"latency": {
			`histogram_quantile(0.99, sum by (schema_version, le) (rate(http_request_duration_seconds_bucket{service="{service}"}[{window}])))`, latencyIncrease.Seconds(),
		},
	}
}

const (
	defaultAttempts   = 3
	defaultInterval   = 10 * time.Second
	defaultMinSamples = 100
	defaultMaxRatio   = 1.5
	errorIncrease     = 0.01
	latencyIncrease   = 100 * time.Millisecond
)

func (f *File) gates() Gates {
	declared := &f.doc.Rollout.Gates
	made := Gates{
		Attempts: first(declared.Attempts, defaultAttempts), Interval: first(time.Duration(declared.Interval), defaultInterval),
		Database: declared.Database.gate(), Services: declared.Services.gate(),
	}
	for i := range declared.Metrics {
		made.Metrics = append(made.Metrics, declared.Metrics[i].gate())
	}
	for _, g := range declared.HTTP {
		made.HTTP = append(made.HTTP, HTTPGate{
			Name: g.Name, URL: g.URL.Secret, Headers: headers(&g.Headers), Timeout: first(time.Duration(g.Timeout), 30*time.Second),
		})
	}
	return made
}

func (g *databaseGate) gate() *DatabaseGate {
	if g.Off {
		return nil
	}
	return &DatabaseGate{
		LockWaiters: given(g.LockWaiters, 5), WaitedLongerThan: first(time.Duration(g.WaitedLongerThan), time.Second),
		ReplicationLag:    first(time.Duration(g.ReplicationLag), 30*time.Second),
		ReplicationBytes:  first(g.ReplicationBytes, 1<<30),
		SlotWAL:           first(g.SlotWAL, 10<<30),
		OldestTransaction: first(time.Duration(g.OldestTransaction), 10*time.Minute),
		InvalidIndexes:    given(g.InvalidIndexes, 0), Samples: first(g.Samples, 3),
	}
}

func (g *servicesGate) gate() *ServicesGate {
	if g.Off {
		return nil
	}
	return &ServicesGate{
		MinSamples: given(g.MinSamples, defaultMinSamples), MaxRatio: given(g.MaxRatio, defaultMaxRatio),
		ErrorIncrease: given(g.ErrorIncrease, errorIncrease), LatencyIncrease: first(time.Duration(g.LatencyIncrease), latencyIncrease),
		Quiet: first(g.Quiet, QuietPass), Timeout: first(time.Duration(g.Timeout), 3*time.Second),
	}
}

func (g *metricsGate) gate() MetricsGate {
	known := knownChecks()[g.Name]
	return MetricsGate{
		Name: g.Name, Prometheus: g.Prometheus.Secret, Headers: headers(&g.Headers),
		Query: first(g.Query, known.query), Samples: first(g.Samples, requestCount), Service: g.Service,
		MinSamples: given(g.MinSamples, defaultMinSamples),
		MaxRatio:   given(g.MaxRatio, defaultMaxRatio), MaxIncrease: given(g.MaxIncrease, known.maxIncrease),
		Max: g.Max, Timeout: first(time.Duration(g.Timeout), 10*time.Second),
	}
}

func headers(declared *ordered[headerText]) []Header {
	var made []Header
	for _, e := range declared.entries {
		made = append(made, Header{Name: e.Name, Value: e.Value.Secret})
	}
	return made
}

// given is a value that may be zero, or what holds without it.
func given[T any](value *T, without T) T {
	if value == nil {
		return without
	}
	return *value
}
