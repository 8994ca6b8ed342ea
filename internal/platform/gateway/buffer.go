package gateway

import (
	"sync"
	"time"

	"tenantctl/internal/tenant"
)

// HoldLimits bound what waits while routes are hold. What is zero has the default named beside it.
type HoldLimits struct {
	Requests    int           // of one tenant: 1,000
	RequestsAll int           // 10,000
	Body        int64         // bytes of one request's body that are read while it waits: 1 MiB. The rest stays with the client.
	Bytes       int64         // of one tenant's bodies: 32 MiB
	BytesAll    int64         // 256 MiB
	Wait        time.Duration // of one request: 30 s
}

func (l *HoldLimits) defaults() {
	for _, limit := range []struct {
		is        *int64
		otherwise int64
	}{{&l.Body, 1 << 20}, {&l.Bytes, 32 << 20}, {&l.BytesAll, 256 << 20}} {
		if *limit.is <= 0 {
			*limit.is = limit.otherwise
		}
	}
	if l.Requests <= 0 {
		l.Requests = 1000
	}
	if l.RequestsAll <= 0 {
		l.RequestsAll = 10_000
	}
	if l.Wait <= 0 {
		l.Wait = 30 * time.Second
	}
}

// buffer is the room for what waits.
type buffer struct {
	limits HoldLimits

	mutex   sync.Mutex
	all     usage
	tenants map[tenant.Name]*usage
}

type usage struct {
	requests int
	bytes    int64
}

func newBuffer(limits HoldLimits) *buffer {
	return &buffer{limits: limits, tenants: map[tenant.Name]*usage{}}
}

// enter takes a place for a request; nil where there is none.
func (b *buffer) enter(name tenant.Name) *place {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	of := b.tenants[name]
	if b.all.requests >= b.limits.RequestsAll || of != nil && of.requests >= b.limits.Requests {
		return nil
	}
	if of == nil {
		of = &usage{}
		b.tenants[name] = of
	}
	of.requests++
	b.all.requests++
	return &place{buffer: b, tenant: name, of: of}
}

// held is how many requests wait.
func (b *buffer) held() int {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.all.requests
}

// place is one request's in the buffer.
type place struct {
	buffer *buffer
	tenant tenant.Name
	of     *usage
}

// take implements room.
func (p *place) take(has, want int64) int64 {
	b := p.buffer
	b.mutex.Lock()
	defer b.mutex.Unlock()
	n := max(min(want, b.limits.Body-has, b.limits.Bytes-p.of.bytes, b.limits.BytesAll-b.all.bytes), 0)
	p.of.bytes += n
	b.all.bytes += n
	return n
}

// give implements room.
func (p *place) give(bytes int64) {
	p.buffer.mutex.Lock()
	defer p.buffer.mutex.Unlock()
	p.of.bytes -= bytes
	p.buffer.all.bytes -= bytes
	p.forget()
}

// leave gives the place back. What its body takes stays until it is given.
func (p *place) leave() {
	p.buffer.mutex.Lock()
	defer p.buffer.mutex.Unlock()
	p.of.requests--
	p.buffer.all.requests--
	p.forget()
}

// forget drops what is kept of a tenant of which nothing waits. The mutex is held.
func (p *place) forget() {
	if *p.of == (usage{}) && p.buffer.tenants[p.tenant] == p.of {
		delete(p.buffer.tenants, p.tenant)
	}
}
