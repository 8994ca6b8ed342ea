package upgrade

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/operation/pause"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

const (
	recordEvery = 200 * time.Millisecond
	recordMost  = 200
)

// recorder writes outcomes down, many at a time. What a dying process had still to write is read from the instances by the next
// one.
type recorder struct {
	*Upgrader
	rollout string
	fail    context.CancelCauseFunc // ends the wave where nothing can be written down

	outcomes chan Outcome
	done     chan struct{}
	once     sync.Once
	err      error // set before done is closed
}

func (u *Upgrader) newRecorder(ctx context.Context, rollout string, fail context.CancelCauseFunc) *recorder {
	r := &recorder{Upgrader: u, rollout: rollout, fail: fail, outcomes: make(chan Outcome, recordMost), done: make(chan struct{})}
	go r.keep(context.WithoutCancel(ctx))
	return r
}

func (r *recorder) add(o Outcome) {
	r.outcomes <- o
	r.Observer.TenantEnded(o)
}

// close writes down what is left.
func (r *recorder) close() error {
	r.once.Do(func() { close(r.outcomes) })
	<-r.done
	return r.err
}

func (r *recorder) keep(ctx context.Context) {
	defer close(r.done)
	ticker := time.NewTicker(recordEvery)
	defer ticker.Stop()
	var waiting []Outcome
	flush := func() {
		if len(waiting) == 0 || r.err != nil {
			return
		}
		pause.Point(ctx, pause.OutcomesUnrecorded)
		if r.err = r.write(ctx, waiting); r.err != nil {
			r.fail(r.err)
		}
		waiting = nil
		pause.Point(ctx, pause.OutcomesRecorded)
	}
	for {
		select {
		case o, more := <-r.outcomes:
			if !more {
				flush()
				return
			}
			if waiting = append(waiting, o); len(waiting) >= recordMost {
				flush()
			}
		case <-ticker.C:
			flush()
		}
	}
}

const recordTimeout = 30 * time.Second

func (r *recorder) write(ctx context.Context, outcomes []Outcome) error {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	versions := map[tenant.Name]map[string]tenant.Version{}
	for _, o := range outcomes {
		if len(o.now) > 0 {
			versions[o.Tenant] = o.now
		}
	}
	err := pgx.BeginFunc(ctx, r.Registry.Pool(), func(tx pgx.Tx) error {
		if err := r.Store.saveOutcomes(ctx, tx, r.rollout, outcomes); err != nil {
			return err
		}
		return registry.SetVersionsOfMany(ctx, tx, versions, r.Actor, "rollout "+r.rollout)
	})
	if err != nil {
		return fmt.Errorf("write outcomes down: %w", err)
	}
	return nil
}
