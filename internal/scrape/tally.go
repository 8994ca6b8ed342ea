package scrape

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Tally is requests that were answered: since their process began or, by Since, between two moments.
type Tally struct {
	All, Failed float64             // failed is 5xx
	Buckets     map[float64]float64 // how many took at most so many seconds
}

// Requests are those of a page by the label schema_version, of services as internal/platform/service counts them.
func (p Page) Requests() map[string]Tally {
	by := map[string]Tally{}
	for _, m := range p.Series("http_requests_total") {
		t, v := by[Label(m, "schema_version")], m.GetCounter().GetValue()
		t.All += v
		if strings.HasPrefix(Label(m, "code"), "5") {
			t.Failed += v
		}
		by[Label(m, "schema_version")] = t
	}
	for _, m := range p.Series("http_request_duration_seconds") {
		t := by[Label(m, "schema_version")]
		if t.Buckets == nil {
			t.Buckets = map[float64]float64{}
		}
		for _, b := range m.GetHistogram().GetBucket() {
			t.Buckets[b.GetUpperBound()] += float64(b.GetCumulativeCount())
		}
		by[Label(m, "schema_version")] = t
	}
	return by
}

// Add is both together.
func (t Tally) Add(other Tally) Tally {
	sum := Tally{All: t.All + other.All, Failed: t.Failed + other.Failed, Buckets: map[float64]float64{}}
	maps.Copy(sum.Buckets, t.Buckets)
	for bound, n := range other.Buckets {
		sum.Buckets[bound] += n
	}
	return sum
}

// Since is what came after an earlier tally of the same process.
func (t Tally) Since(before Tally) Tally {
	grown := Tally{All: t.All - before.All, Failed: t.Failed - before.Failed, Buckets: make(map[float64]float64, len(t.Buckets))}
	for bound, n := range t.Buckets {
		grown.Buckets[bound] = n - before.Buckets[bound]
	}
	return grown
}

// ErrorShare is which share of the requests failed; NaN where there were none.
func (t Tally) ErrorShare() float64 { return t.Failed / t.All }

// Quantile is how long the given share of requests took at most, as Prometheus reckons it: evenly spread within a bucket, and the
// highest bound where it lies beyond. 0 where there were none.
func (t Tally) Quantile(q float64) time.Duration {
	bounds := slices.Sorted(maps.Keys(t.Buckets))
	total := t.Buckets[math.Inf(1)]
	if total <= 0 {
		return 0
	}
	var below, counted float64
	for _, bound := range bounds {
		n := t.Buckets[bound]
		if n < q*total {
			below, counted = bound, n
			continue
		}
		if math.IsInf(bound, 1) {
			break
		}
		return time.Duration((below + (bound-below)*(q*total-counted)/(n-counted)) * float64(time.Second))
	}
	return time.Duration(below * float64(time.Second))
}
