package upgrade

import (
	"fmt"
	"sync"

	"tenantctl/internal/config"
	"tenantctl/internal/tenant"
)

// budget counts the failures of a wave. It may be used by several goroutines.
type budget struct {
	allowed     int // failures that don't stop the wave
	consecutive int // failures in a row that do; 0: any number may be
	size        int

	mutex    sync.Mutex
	failures int
	inARow   int
	ended    int
	why      string
}

// Allowed are the failures that don't stop a wave.
func Allowed(b config.Budget, size int) int { return min(b.Failures, (size*b.Percent+99)/100) }

// OverBudget is the first wave that would stop where certain tenants fail, and how many of it do; nil where none would.
func (p Proposal) OverBudget(b config.Budget, fail map[tenant.Name]bool) (*Wave, int) {
	failures := map[int]int{}
	for _, t := range p.Tenants {
		if t.Result == Pending && fail[t.Tenant] {
			failures[t.Wave]++
		}
	}
	for i, wave := range p.Waves {
		if n := failures[wave.Number]; n > Allowed(b, wave.Size) || n > 0 && n == wave.Size {
			return &p.Waves[i], n
		}
	}
	return nil, 0
}

// newBudget is what a wave of so many tenants may spend: the lesser of both bounds, a percentage rounded up.
func newBudget(b config.Budget, size int) *budget {
	return &budget{allowed: Allowed(b, size), consecutive: b.Consecutive, size: size}
}

// count notes an outcome and tells whether the wave may begin further tenants.
func (b *budget) count(result Result) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.ended++
	if result != Failed && result != Deferred {
		b.inARow = 0
		return
	}
	b.failures++
	b.inARow++
	switch {
	case b.why != "":
	case b.failures > b.allowed:
		b.why = fmt.Sprintf("%d of %d tenants failed, the budget allows %d", b.failures, b.size, b.allowed)
	case b.consecutive > 0 && b.inARow >= b.consecutive:
		b.why = fmt.Sprintf("%d tenants failed one after the other, the budget allows fewer than %d", b.inARow, b.consecutive)
	case b.failures == b.size:
		b.why = fmt.Sprintf("every tenant of the wave failed (%d)", b.failures)
	}
}

// spent says why the wave has to stop; "" while it may go on.
func (b *budget) spent() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.why
}
