package scope

import (
	"context"
	"sync"

	"tenantctl/internal/tenant"
)

// shares bound how many connections of a service a tenant holds at once, so that a slow one leaves some to the others.
type shares struct {
	each int

	mu sync.Mutex
	of map[tenant.Name]*share // of those who hold or wait for some
}

type share struct {
	places chan struct{}
	users  int
}

// take waits for a place of the tenant's share. What it returns gives it back, once.
func (s *shares) take(ctx context.Context, name tenant.Name) (giveBack func(), err error) {
	s.mu.Lock()
	mine := s.of[name]
	if mine == nil {
		mine = &share{places: make(chan struct{}, s.each)}
		s.of[name] = mine
	}
	mine.users++
	s.mu.Unlock()
	select {
	case mine.places <- struct{}{}:
		return func() { <-mine.places; s.leave(name, mine) }, nil
	case <-ctx.Done():
		s.leave(name, mine)
		return nil, ctx.Err()
	}
}

func (s *shares) leave(name tenant.Name, mine *share) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if mine.users--; mine.users == 0 {
		delete(s.of, name)
	}
}
