package operator

import (
	"context"
	"sync"
	"time"

	"github.com/riverqueue/river/rivertype"
)

// Clock tells the control database's time: what one replica puts off, another takes up, so both need the same one. The database is
// asked with each heartbeat; in between the time goes on by what has passed here, which a machine knows even when its clock is wrong
// or set anew.
type Clock struct {
	mu    sync.Mutex
	said  time.Time // by the database; zero: it wasn't asked yet
	heard time.Time // when, by this process
}

func (c *Clock) set(said time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said, c.heard = said, time.Now()
}

// Now is the control database's time, and this machine's until the database was asked.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.said.IsZero() {
		return time.Now()
	}
	return c.said.Add(time.Since(c.heard))
}

// NowOrNil leaves it to River's statements to ask the database, where they do.
func (c *Clock) NowOrNil() *time.Time { return nil }

// stamp says from when on a new job may be taken: River's driver would ask this machine.
func (c *Clock) stamp(_ context.Context, p *rivertype.JobInsertParams) error {
	now := c.Now()
	p.ScheduledAt = &now
	return nil
}
