package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tenantctl/internal/operation/pause"
)

// lostMail is what a consumer tells the relays when a queue of its own isn't there: it had messages, perhaps.
type lostMail struct {
	Types []string `json:"types"`
}

// sendAgain has events sent once more that were sent and are still kept: those of some types, or all. It waits for the relay that works:
// what that has sent into a queue that is lost, and hasn't noted yet, is among them.
func (r *relaying) sendAgain(ctx context.Context, types []string) error {
	var tag pgconn.CommandTag
	err := pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) (err error) {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(`+relayLock+`)`); err != nil {
			return err
		}
		tag, err = tx.Exec(ctx, `update bus.outbox set sent_at = null, returned = 0
			where sent_at is not null and (type = any($1) or $1 is null)`, types)
		return err
	})
	if err != nil {
		return fmt.Errorf("have events sent again: %w", err)
	}
	if n := tag.RowsAffected(); n > 0 {
		r.Log.WarnContext(ctx, "a queue was lost; its events are sent again", "instance", r.Instance, "events", n, "types", types)
	}
	return nil
}

// hear reads what consumers have told. It is acknowledged when it is done.
func (r *relaying) hear(ctx context.Context) error {
	defer r.cutAfter(ctx)()
	defer r.setUp()()
	ch, err := r.channel(ctx)
	if err != nil {
		return err
	}
	for {
		d, there, err := ch.Get(r.Broker.names.relay(r.Instance), false)
		if err != nil {
			return fmt.Errorf("hear of lost queues: %w", err)
		}
		if !there {
			return ch.Close()
		}
		var lost lostMail
		if err := json.Unmarshal(d.Body, &lost); err == nil && len(lost.Types) > 0 {
			if err := r.sendAgain(ctx, lost.Types); err != nil {
				return err
			}
		}
		pause.Point(ctx, pause.BusSentAgain)
		if err := d.Ack(false); err != nil {
			return fmt.Errorf("acknowledge: %w", err)
		}
	}
}

const purgeAtOnce = 10_000

// wake sends at once what would wait longer than anything is told to: the server's clock has gone back since.
func (r *relaying) wake(ctx context.Context) error {
	_, err := r.pool.Exec(ctx, `update bus.outbox set due_at = null where returned > 0 and due_at > clock_timestamp() + make_interval(secs => $1)`, longestReturn.Seconds())
	if err != nil {
		return fmt.Errorf("events that wait too long: %w", err)
	}
	return nil
}

// purge forgets what was sent, and what was handled, long ago by the server's clock and by the relay's: one of them may be far ahead.
// It takes so much at once that nobody waits for it.
func (r *relaying) purge(ctx context.Context, now time.Time) error {
	_, err := r.pool.Exec(ctx, `delete from bus.outbox where seq in (
		select seq from bus.outbox where sent_at < least(clock_timestamp(), $3) - make_interval(secs => $1) order by sent_at limit $2)`, r.Keep.Seconds(), purgeAtOnce, now)
	if err != nil {
		return fmt.Errorf("forget what was sent: %w", err)
	}
	_, err = r.pool.Exec(ctx, `delete from bus.inbox where ctid = any (array (
		select ctid from bus.inbox where handled_at < least(clock_timestamp(), $3) - make_interval(secs => $1) order by handled_at limit $2))`, keepHandled.Seconds(), purgeAtOnce, now)
	if err != nil {
		return fmt.Errorf("forget what was handled: %w", err)
	}
	return nil
}
