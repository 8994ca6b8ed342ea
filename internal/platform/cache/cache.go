// Package cache remembers answers for tenants: in the process, or in Redis for several processes. What is kept belongs to one
// tenant, at its place in the fleet, and there is no way to ask for anything without saying whose it is.
//
// A value is valid for the generation under which it was read. To forget is to begin a new generation, so that a reader that
// was slow can't put back what a writer has just made old. Forgetting comes after the commit: until a write is answered, others
// may still be shown what was before it. Where Redis was away at that moment, they may be until the value's time is over.
package cache

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tenantctl/internal/platform/scope"
)

// Cache is a cache of one service. It is a prometheus.Collector. A nil one remembers nothing.
type Cache struct {
	service string
	store   store
	log     *slog.Logger
	asked   *prometheus.CounterVec
}

// store is where values are kept, with the generation under which each was read.
type store interface {
	// get is a value that is valid in its space, and the generation of the space; nil where there is none.
	get(ctx context.Context, space, key string) (generation string, value []byte, err error)
	set(ctx context.Context, key, generation string, value []byte) error
	// renew begins a generation of a space.
	renew(ctx context.Context, space, generation string) error
	close() error
}

// Options say what is kept, and for how long.
type Options struct {
	Service string
	Life    time.Duration // of a value; 0 means 30 s
	Bytes   uint64        // at most, in the process; 0 means 32 MB
	Log     *slog.Logger
}

const (
	defaultLife  = 30 * time.Second
	defaultBytes = 32 << 20
)

func (o Options) cache(s store) *Cache {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Cache{service: o.Service, store: s, log: o.Log, asked: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cache_requests_total", Help: "Values asked for, by how that ended.", ConstLabels: prometheus.Labels{"service": o.Service},
	}, []string{"kind", "result"})}
}

func (o Options) withDefaults() Options {
	if o.Life == 0 {
		o.Life = defaultLife
	}
	if o.Bytes == 0 {
		o.Bytes = defaultBytes
	}
	return o
}

// Describe implements prometheus.Collector.
func (c *Cache) Describe(to chan<- *prometheus.Desc) { c.asked.Describe(to) }

// Collect implements prometheus.Collector.
func (c *Cache) Collect(to chan<- prometheus.Metric) { c.asked.Collect(to) }

// Close ends what the cache runs.
func (c *Cache) Close() error {
	if c == nil {
		return nil
	}
	return c.store.close()
}

// Get is the value of a tenant's thing of a kind, loaded where it isn't remembered. A store that is away is a miss, never an error.
func (c *Cache) Get(ctx context.Context, of scope.Tenant, kind, id string, load func(context.Context) ([]byte, error)) ([]byte, error) {
	if c == nil || of.Name == "" {
		return load(ctx)
	}
	space := c.space(of, kind)
	key := space + ":" + id
	generation, value, err := c.store.get(ctx, space, key)
	switch {
	case err != nil:
		c.asked.WithLabelValues(kind, "unavailable").Inc()
		return load(ctx)
	case value != nil:
		c.asked.WithLabelValues(kind, "hit").Inc()
		return value, nil
	}
	c.asked.WithLabelValues(kind, "miss").Inc()
	value, err = load(ctx)
	if err == nil && c.store.set(ctx, key, generation, value) != nil {
		c.asked.WithLabelValues(kind, "unavailable").Inc()
	}
	return value, err
}

// Forget makes a tenant's things of a kind unknown.
func (c *Cache) Forget(ctx context.Context, of scope.Tenant, kind string) {
	if c == nil || of.Name == "" {
		return
	}
	if err := c.store.renew(context.WithoutCancel(ctx), c.space(of, kind), rand.Text()); err != nil {
		c.log.WarnContext(ctx, "cache can't be told; what it holds may be shown until its time is over", "tenant", of.Name, "kind", kind, "error", err)
	}
}

// space is what is forgotten together. No part but the last may hold a colon, so that no two spaces are one. A tenant that moves
// begins with nothing.
func (c *Cache) space(of scope.Tenant, kind string) string {
	return fmt.Sprintf("%s:%s:%s:%s", c.service, of.Name, strconv.FormatInt(of.Epoch, 10), kind)
}
