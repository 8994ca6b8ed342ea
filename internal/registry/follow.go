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
	// watchPing is how often a watcher asks whether its server is still there.
	watchPing = 10 * time.Second
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

// Watch calls changed at its beginning and whenever an event was committed, until ctx is over, which is no error. It is for those who
// look at the state itself then: it reads no events, which would take of the server what Follow takes.
func (r *Registry) Watch(ctx context.Context, changed func()) error {
	conn, err := r.listen(ctx)
	if err == nil {
		defer closeSession(ctx, conn)
	}
	for err == nil {
		changed()
		err = awaitEvent(ctx, conn)
	}
	if ctx.Err() != nil {
		return nil
	}
	return r.failed(err, "watch events")
}

// listen opens a session that is told of events.
func (r *Registry) listen(ctx context.Context) (*pgx.Conn, error) {
	conn, err := postgres.Connect(ctx, r.dsn, postgres.Options{Application: "events"})
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, `listen tenantctl_event`); err != nil {
		closeSession(ctx, conn)
		return nil, fmt.Errorf("listen: %w", err)
	}
	return conn, nil
}

// awaitEvent waits until the session is told of an event. One that is told nothing asks whether its server is still there.
func awaitEvent(ctx context.Context, conn *pgx.Conn) error {
	for {
		wait, cancel := context.WithTimeout(ctx, watchPing)
		_, err := conn.WaitForNotification(wait)
		silent := err != nil && wait.Err() != nil && ctx.Err() == nil
		cancel()
		if !silent {
			return err
		}
		if err := conn.Ping(ctx); err != nil {
			return err
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
	conn, err := f.registry.listen(ctx)
	if err != nil {
		return err
	}
	defer closeSession(ctx, conn)
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
