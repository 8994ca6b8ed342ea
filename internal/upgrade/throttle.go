package upgrade

import (
	"context"
	"sync"
)

// throttle bounds how many tenants of an instance are worked on at once. Lock timeouts halve the bound, success lets it grow by
// one for each round of tenants, up to what was asked for.
type throttle struct {
	most float64

	mutex   sync.Mutex
	limit   float64
	running int
	free    chan struct{} // closed and made anew whenever there may be room
}

func newThrottle(most int) *throttle {
	return &throttle{most: float64(max(most, 1)), limit: float64(max(most, 1)), free: make(chan struct{})}
}

// enter waits for room.
func (t *throttle) enter(ctx context.Context) error {
	for {
		t.mutex.Lock()
		if t.running < int(t.limit) {
			t.running++
			t.mutex.Unlock()
			return nil
		}
		free := t.free
		t.mutex.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-free:
		}
	}
}

// leave gives the room back; blocked tells that the tenant met lock timeouts.
func (t *throttle) leave(blocked bool) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.running--
	if blocked {
		t.limit = max(1, t.limit/2)
	} else {
		t.limit = min(t.most, t.limit+1/t.limit)
	}
	close(t.free)
	t.free = make(chan struct{})
}
