package service

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// mostNamed is how many tenants have series of their own: those with the most requests of late.
	mostNamed = 20
	// rankEvery is how often they are chosen anew, at most.
	rankEvery = time.Minute
	// others is the tenant label of all that have none; no tenant can have this name.
	others = "_other"
)

// busiest counts requests by tenant, in few series however many tenants there are. A tenant that is no longer among the busiest is counted
// with the others from then on; its own series goes on where it was when it comes back. So no series ever falls.
type busiest struct {
	requests, failed, seconds *prometheus.Desc

	mutex  sync.Mutex
	now    func() time.Time
	ranked time.Time
	lately map[string]float64 // requests, those before the last choice counting half
	counts map[string]*counts // of all that ever were among the busiest, and the others'
	named  map[string]bool
}

type counts struct{ requests, failed, seconds float64 }

func newBusiest(service string) *busiest {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help+" Of the busiest tenants; the others are together.", []string{"tenant"}, prometheus.Labels{"service": service})
	}
	return &busiest{
		requests: describe("http_tenant_requests_total", "Requests answered."),
		failed:   describe("http_tenant_failures_total", "Requests answered with a status of 500 or more."),
		seconds:  describe("http_tenant_request_seconds_total", "How long they took."),
		now:      time.Now, lately: map[string]float64{}, counts: map[string]*counts{others: {}}, named: map[string]bool{},
	}
}

// count counts a request.
func (b *busiest) count(tenant string, failed bool, took time.Duration) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.lately[tenant]++
	if !b.named[tenant] && len(b.named) < mostNamed {
		b.name(tenant)
	}
	if !b.named[tenant] {
		tenant = others
	}
	c := b.counts[tenant]
	c.requests++
	c.seconds += took.Seconds()
	if failed {
		c.failed++
	}
}

// name gives a tenant series. The mutex is held.
func (b *busiest) name(tenant string) {
	b.named[tenant] = true
	if b.counts[tenant] == nil {
		b.counts[tenant] = &counts{}
	}
}

// choose finds the busiest anew. The mutex is held.
func (b *busiest) choose() {
	tenants := slices.SortedFunc(maps.Keys(b.lately), func(x, y string) int {
		return cmp.Or(cmp.Compare(b.lately[y], b.lately[x]), cmp.Compare(x, y))
	})
	clear(b.named)
	for _, tenant := range tenants[:min(mostNamed, len(tenants))] {
		b.name(tenant)
	}
	for tenant := range b.lately {
		if b.lately[tenant] /= 2; b.lately[tenant] < 0.5 {
			delete(b.lately, tenant)
		}
	}
}

// Describe implements prometheus.Collector.
func (b *busiest) Describe(to chan<- *prometheus.Desc) {
	to <- b.requests
	to <- b.failed
	to <- b.seconds
}

// Collect implements prometheus.Collector.
func (b *busiest) Collect(to chan<- prometheus.Metric) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for _, tenant := range append(slices.Collect(maps.Keys(b.named)), others) {
		c := b.counts[tenant]
		for desc, value := range map[*prometheus.Desc]float64{b.requests: c.requests, b.failed: c.failed, b.seconds: c.seconds} {
			to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, value, tenant)
		}
	}
	if now := b.now(); now.Sub(b.ranked) >= rankEvery { // afterwards: whoever has to go has been told of once more
		b.ranked = now
		b.choose()
	}
}
