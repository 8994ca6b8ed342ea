package registry

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

const (
	// followPoll is how often a follower looks although nothing woke it: a writer that rolled back wakes nobody.
	followPoll     = 250 * time.Millisecond
	followPause    = 500 * time.Millisecond // between attempts to reach a server that is away
	followPatience = 30 * time.Second       // after which a server that is away is an error
)

// Follow gives every event after an id, in order of id, and goes on with new ones as they are committed, until ctx is over,
// which is no error. A control database that restarts is waited for; one that stays away ends the sequence with an error.
func (r *Registry) Follow(ctx context.Context, after int64, filter EventFilter) iter.Seq2[tenant.Event, error] {
	filter.Limit, filter.Newest = eventPage, false
	return func(yield func(tenant.Event, error) bool) {
		f := &follower{registry: r, filter: filter, after: after, reached: time.Now(), yield: yield}
		if err := f.run(ctx); err != nil {
			yield(tenant.Event{}, r.failed(err, "follow events"))
		}
	}
}

// follower is one reading of the sequence.
type follower struct {
	registry *Registry
	filter   EventFilter
	after    int64     // what has been given
	reached  time.Time // when the server last answered
	yield    func(tenant.Event, error) bool
}

// run reads in one session after the other, until the reader has enough, ctx is over, or the server is away for too long.
func (f *follower) run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := f.session(ctx)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if postgres.Classify(err) != postgres.Retryable || time.Since(f.reached) > followPatience {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(followPause):
		}
	}
	return nil
}

// session reads until the reader has enough, which is no error, or something breaks.
func (f *follower) session(ctx context.Context) error {
	conn, err := postgres.Connect(ctx, f.registry.dsn, postgres.Options{Application: "events"})
	if err != nil {
		return err
	}
	defer closeSession(ctx, conn)
	if _, err := conn.Exec(ctx, `listen tenantctl_event`); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	for {
		enough, err := f.drain(ctx, conn)
		if err != nil || enough {
			return err
		}
		wait, cancel := context.WithTimeout(ctx, followPoll)
		_, err = conn.WaitForNotification(wait)
		timedOut := wait.Err() != nil
		cancel()
		if err != nil && (ctx.Err() != nil || !timedOut) {
			return fmt.Errorf("wait for events: %w", err)
		}
	}
}

// drain gives all that there is.
func (f *follower) drain(ctx context.Context, conn *pgx.Conn) (enough bool, err error) {
	for {
		events, next, err := readEvents(ctx, conn, f.after, f.filter)
		if err != nil {
			return false, err
		}
		f.reached = time.Now()
		for _, event := range events {
			f.after = event.ID
			if !f.yield(event, nil) {
				return true, nil
			}
		}
		f.after = next
		if len(events) < f.filter.Limit {
			return false, nil
		}
	}
}
