// Package limit keeps one tenant from using up what all share: a rate of requests and a number of requests at a time, for each
// tenant its own. It only counts; the caller refuses, and tells the client how long to wait.
package limit

import (
	"container/list"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"tenantctl/internal/tenant"
)

// RateOptions configure a Rate.
type RateOptions struct {
	// Tenants is how many tenants are remembered; 0 means 50,000. Whoever asked longest ago is forgotten first, and has its
	// whole burst again when it is back.
	Tenants int
	// Burst is for how long a tenant that was silent may save up; 0 means 1 s.
	Burst time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Rate has a token bucket for each tenant. It is safe for concurrent use.
type Rate struct {
	opts RateOptions

	mutex   sync.Mutex
	sharers float64
	buckets map[tenant.Name]*list.Element
	recent  list.List // of *bucket, the newest in front
}

type bucket struct {
	tenant    tenant.Name
	perSecond float64 // what limiter was made for
	limiter   *rate.Limiter
}

// NewRate begins with full buckets.
func NewRate(opts RateOptions) *Rate {
	if opts.Tenants <= 0 {
		opts.Tenants = 50_000
	}
	if opts.Burst <= 0 {
		opts.Burst = time.Second
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Rate{opts: opts, sharers: 1, buckets: map[tenant.Name]*list.Element{}}
}

// Share divides what each tenant may by the number of processes that its requests are spread over; fewer than one is one.
func (r *Rate) Share(processes int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.sharers = float64(max(processes, 1))
}

// Allow takes one request of a tenant that may make so many in a second; none or fewer means any number. Where it may not now,
// wait is when it may. A limit that differs from the last one holds from this request on.
func (r *Rate) Allow(name tenant.Name, perSecond int) (wait time.Duration, ok bool) {
	if perSecond <= 0 {
		return 0, true
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	now := r.opts.Now()
	b := r.bucket(name, now, float64(perSecond)/r.sharers)
	if b.limiter.AllowN(now, 1) {
		return 0, true
	}
	missing := 1 - b.limiter.TokensAt(now)
	return time.Duration(math.Ceil(missing / b.perSecond * float64(time.Second))), false
}

// bucket finds a tenant's bucket and fits it to a limit. The mutex is held.
func (r *Rate) bucket(name tenant.Name, now time.Time, perSecond float64) *bucket {
	if element, known := r.buckets[name]; known {
		r.recent.MoveToFront(element)
		b := element.Value.(*bucket)
		if b.perSecond != perSecond {
			b.perSecond = perSecond
			b.limiter.SetLimitAt(now, rate.Limit(perSecond))
			b.limiter.SetBurstAt(now, r.burst(perSecond))
		}
		return b
	}
	if len(r.buckets) >= r.opts.Tenants {
		delete(r.buckets, r.recent.Remove(r.recent.Back()).(*bucket).tenant)
	}
	b := &bucket{tenant: name, perSecond: perSecond, limiter: rate.NewLimiter(rate.Limit(perSecond), r.burst(perSecond))}
	r.buckets[name] = r.recent.PushFront(b)
	return b
}

func (r *Rate) burst(perSecond float64) int {
	return max(int(math.Ceil(perSecond*r.opts.Burst.Seconds())), 1)
}
