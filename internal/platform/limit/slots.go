package limit

import (
	"container/list"
	"context"
	"errors"
	"sync"

	"tenantctl/internal/tenant"
)

// ErrFull is a tenant that has as many requests under way, and waiting, as it may.
var ErrFull = errors.New("too many requests at a time")

// Slots bound how many requests of one tenant are under way. Who finds none free waits its turn, in a queue that is bounded too.
// It is safe for concurrent use, and keeps nothing of a tenant without requests.
type Slots struct {
	size, queue int

	mutex   sync.Mutex
	tenants map[tenant.Name]*slots
}

type slots struct {
	used    int
	waiting list.List // of chan struct{}, closed when the slot is the waiter's
}

// NewSlots gives each tenant a number of slots, and of places to wait for one.
func NewSlots(size, queue int) *Slots {
	return &Slots{size: size, queue: queue, tenants: map[tenant.Name]*slots{}}
}

// Acquire takes a slot, which Release gives back. It waits for one until ctx is over; with no place to wait it is ErrFull at
// once.
func (s *Slots) Acquire(ctx context.Context, name tenant.Name) error {
	return s.acquire(ctx, name, s.queue)
}

// AcquireQueued is Acquire for those whose number is bounded elsewhere: they find a place to wait even when all are taken.
func (s *Slots) AcquireQueued(ctx context.Context, name tenant.Name) error {
	return s.acquire(ctx, name, -1)
}

func (s *Slots) acquire(ctx context.Context, name tenant.Name, queue int) error {
	s.mutex.Lock()
	t := s.tenants[name]
	if t == nil {
		t = &slots{}
		s.tenants[name] = t
	}
	if t.used < s.size {
		t.used++
		s.mutex.Unlock()
		return nil
	}
	if queue >= 0 && t.waiting.Len() >= queue {
		s.mutex.Unlock()
		return ErrFull
	}
	turn := make(chan struct{})
	place := t.waiting.PushBack(turn)
	s.mutex.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	select {
	case <-turn: // it came at the same moment: hand it on
		s.release(name)
	default:
		t.waiting.Remove(place)
	}
	return ctx.Err()
}

// Release gives a slot back, to the one who waits longest.
func (s *Slots) Release(name tenant.Name) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.release(name)
}

func (s *Slots) release(name tenant.Name) {
	t := s.tenants[name]
	if first := t.waiting.Front(); first != nil {
		close(t.waiting.Remove(first).(chan struct{}))
		return
	}
	if t.used--; t.used == 0 {
		delete(s.tenants, name)
	}
}
