package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tenantctl/internal/operation/pause"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/telemetry"
	"tenantctl/internal/tenant"
)

// RelayOptions say whose outbox is sent where.
type RelayOptions struct {
	Broker     *Broker
	Instance   string
	RolePrefix string // of the instance's roles
	// DSN is how the bus's own login reaches the instance. It is asked for each connection, since passwords are rotated.
	DSN func(ctx context.Context) (string, error)
	// Poll is how often an empty outbox is looked at; 0 means 100 ms. A notification for each write would cost every commit of the
	// server a lock that all of them share.
	Poll time.Duration
	// Keep is how long what was sent can be sent again; 0 means 24 h.
	Keep time.Duration
	// GiveUp is how long a message for which there is no queue is tried, as the waits between add up; 0 means 15 min. Then it is parked.
	GiveUp time.Duration
	// Paced tells whether a consumer notes in the inbox that it handled a tenant's events of a type. Of those a few are under way at
	// once, for each of the tenant's services, and the others wait in the outbox; nil: nobody's wait.
	Paced   func(name tenant.Name, kind string) bool
	Metrics *Metrics // nil: nothing is counted
	Log     *slog.Logger
	Trace   *telemetry.Tracer
}

const (
	defaultPoll   = 100 * time.Millisecond
	defaultKeep   = 24 * time.Hour
	defaultGiveUp = 15 * time.Minute
	keepHandled   = 30 * 24 * time.Hour
	purgeEvery    = time.Minute
	askEvery      = time.Second
	firstReturn   = 100 * time.Millisecond
	longestReturn = time.Minute
	relayConns    = 2
)

// Relay sends an instance's outbox to the broker. Any number of them may run for one instance: one works at a time, and the others
// take over when it is gone. What one tenant's service published is sent in the order in which it was, and tenants take turns: the
// flood of one delays nobody else's event by more than what of it is under way.
type Relay struct {
	RelayOptions
}

// NewRelay makes a relay.
func NewRelay(opts RelayOptions) *Relay {
	if opts.Poll == 0 {
		opts.Poll = defaultPoll
	}
	if opts.Keep == 0 {
		opts.Keep = defaultKeep
	}
	if opts.GiveUp == 0 {
		opts.GiveUp = defaultGiveUp
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Relay{opts}
}

// Run works until ctx ends.
func (r *Relay) Run(ctx context.Context) {
	supervise(ctx, r.Log, "relay of "+r.Instance, r.session)
}

// relaying is one session of a relay.
type relaying struct {
	*Relay
	*sender
	turns
	pool      *pgxpool.Pool
	nextAsk   time.Time
	nextPurge time.Time
}

func (r *Relay) session(ctx context.Context, up func()) error {
	pool, err := scope.OpenShared(ctx, scope.SharedOptions{
		What: "bus", Instance: r.Instance, DSN: r.DSN, Application: "tenantctl/bus", Conns: relayConns, Mode: pgx.QueryExecModeExec,
	})
	if err != nil {
		return err
	}
	defer pool.Close()
	s, err := r.Broker.openSender(ctx, "relay "+r.Instance)
	if err != nil {
		return err
	}
	defer s.close()
	at := &relaying{Relay: r, sender: s, pool: pool, turns: turns{underWay: map[string]map[string]time.Time{}}}
	if err := at.prepare(ctx); err != nil {
		return err
	}
	up()
	for {
		if err := s.gate.wait(ctx); err != nil {
			return err
		}
		full, err := at.round(ctx)
		if err != nil {
			return err
		}
		r.Metrics.seen(r.Instance)
		if full {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.closed:
			return errLost
		case <-time.After(at.pause()):
		}
	}
}

// prepare makes what the relay needs on the broker. Where its own queue isn't there the broker is new, or has lost what it had:
// all that was sent is sent again, which consumers that had it already notice. It is done before the queue is made, so that whoever dies
// in between does it again, and after that, for what consumers told of meanwhile and nobody heard.
func (r *relaying) prepare(ctx context.Context) error {
	defer r.setUp()()
	n := r.Broker.names
	ch, err := r.channel(ctx)
	if err != nil {
		return err
	}
	if err := n.declareExchanges(ch); err != nil {
		return err
	}
	own := queue{name: n.relay(r.Instance), args: map[string]any{"x-queue-type": "quorum"}}
	missing, err := r.missing(ctx, own)
	if err != nil {
		return err
	}
	if missing > 0 {
		if err := r.sendAgain(ctx, nil); err != nil {
			return err
		}
	}
	if err := n.declare(ch, n.parkingQueue()); err != nil {
		return err
	}
	if err := n.declare(ch, own); err != nil {
		return err
	}
	if err := ch.QueueBind(own.name, "", n.control(), false, nil); err != nil {
		return fmt.Errorf("bind queue %s: %w", own.name, err)
	}
	if missing > 0 {
		if err := r.sendAgain(ctx, nil); err != nil {
			return err
		}
	}
	return ch.Close()
}

// round does what there is to do, once. It tells whether there may be more.
func (r *relaying) round(ctx context.Context) (full bool, err error) {
	if now := time.Now(); now.After(r.nextAsk) {
		r.nextAsk = now.Add(askEvery)
		if err := r.hear(ctx); err != nil {
			return false, err
		}
	}
	if now := time.Now(); now.After(r.nextPurge) {
		r.nextPurge = now.Add(purgeEvery)
		if err := errors.Join(r.wake(ctx), r.purge(ctx, now)); err != nil {
			return false, err
		}
		r.forget()
	}
	var waiting bool
	err = r.pool.QueryRow(ctx, `select exists (select from bus.outbox where sent_at is null and due_at is null)
		or exists (select from bus.outbox where due_at <= clock_timestamp())`).Scan(&waiting)
	if err != nil {
		return false, fmt.Errorf("look into the outbox: %w", err)
	}
	if !waiting {
		return false, nil
	}
	return r.batch(ctx)
}

// row is an event in the outbox.
type row struct {
	Seq         int64
	Role        string
	ID          string
	Type        string
	Version     int
	OccurredAt  time.Time
	Traceparent string
	Payload     string
	Returned    int
	Age         time.Duration
	Turn        int // how many of its role come before it
}

// relayLock is held by the relay that works. It ends with the transaction, so that nothing has to be given up by a clock.
const relayLock = `hashtextextended('tenantctl:bus:relay', 0)`

// batch sends what waits and notes it, in one transaction. Killed in between, what was sent is sent once more.
func (r *relaying) batch(ctx context.Context) (full bool, err error) {
	err = pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		var mine bool
		if err := tx.QueryRow(ctx, `select pg_try_advisory_xact_lock(`+relayLock+`)`).Scan(&mine); err != nil || !mine {
			return err
		}
		if _, err := tx.Exec(ctx, `update bus.outbox set due_at = null where due_at <= clock_timestamp()`); err != nil {
			return fmt.Errorf("events that are due: %w", err)
		}
		list, more, err := r.next(ctx, tx)
		if err != nil {
			return err
		}
		full = more
		if len(list) == 0 {
			return nil
		}
		pause.Point(ctx, pause.BusRelayRead)
		return r.sendRows(ctx, tx, list)
	})
	if err == nil {
		pause.Point(ctx, pause.BusRelayCommitted)
	}
	return full, err
}

func (r *relaying) sendRows(ctx context.Context, tx pgx.Tx, list []row) error {
	messages, sending := make([]outgoing, len(list)), make([]underWay, len(list))
	for i, row := range list {
		messages[i], sending[i] = r.outgoing(ctx, row)
		defer sending[i].span.End()
	}
	results, err := r.send(ctx, messages...)
	if err != nil {
		for _, u := range sending {
			u.span.Fail("broker")
		}
		return err
	}
	pause.Point(ctx, pause.BusRelaySent)
	var sent, returned []int64
	var waits []float64
	for i, result := range results {
		switch {
		case result == nil:
			sent = append(sent, list[i].Seq)
			r.sent(list[i])
			r.Metrics.sent(r.Instance, max(0, list[i].Age))
			r.Log.InfoContext(sending[i].ctx, "event sent", "id", list[i].ID, "type", list[i].Type, "to", cmp.Or(messages[i].exchange, messages[i].key), "age", list[i].Age) //nolint:contextcheck // the event's, not the batch's
		case errors.Is(result, ErrReturned):
			sending[i].span.Fail("no queue")
			returned, waits = append(returned, list[i].Seq), append(waits, untilTry(list[i].Returned).Seconds())
		}
	}
	if _, err := tx.Exec(ctx, `update bus.outbox set sent_at = clock_timestamp() where seq = any($1)`, sent); err != nil {
		return fmt.Errorf("note what was sent: %w", err)
	}
	if len(returned) > 0 {
		r.Log.WarnContext(ctx, "no queue takes some events; they are tried again", "instance", r.Instance, "events", len(returned))
		_, err := tx.Exec(ctx, `update bus.outbox as o set returned = o.returned + 1, due_at = clock_timestamp() + make_interval(secs => w.secs)
			from unnest($1::bigint[], $2::float8[]) as w (seq, secs) where o.seq = w.seq`, returned, waits)
		if err != nil {
			return fmt.Errorf("note what has no queue: %w", err)
		}
	}
	pause.Point(ctx, pause.BusRelayMarked)
	return nil
}

// untilTry is how long an event waits that was returned so often before, and is again.
func untilTry(before int) time.Duration {
	return min(firstReturn<<min(before, 20), longestReturn)
}

// tried is how long an event has waited that was returned so often. Its age wouldn't tell: that goes by a clock that may have been
// set meanwhile.
func tried(returned int) (all time.Duration) {
	for before := range returned {
		all += untilTry(before)
	}
	return all
}

// underWay is the trace of an event that is being sent.
type underWay struct {
	ctx  context.Context //nolint:containedctx // of one of many events, for its line
	span telemetry.Span
}

// outgoing is where an event goes: by its type, or to the parking queue where nobody has taken it for long or nobody can tell
// whose it is.
func (r *relaying) outgoing(ctx context.Context, e row) (outgoing, underWay) {
	n := r.Broker.names
	name, service, err := tenant.OfRole(r.RolePrefix, e.Role)
	var u underWay
	u.ctx, u.span = r.Trace.Start(telemetry.FromParent(telemetry.WithTenant(ctx, string(name)), e.Traceparent), telemetry.Producer, "send "+e.Type,
		messaging("send", n.events(), e.Type, e.ID)...)
	m := publishing(Message{
		ID: e.ID, Tenant: name, Source: service, Type: e.Type, Version: e.Version, Occurred: e.OccurredAt, Traceparent: e.Traceparent, Payload: []byte(e.Payload),
	})
	reason := ""
	switch {
	case err != nil:
		reason = err.Error()
	case e.Returned > 0 && tried(e.Returned) >= r.GiveUp:
		reason = ErrReturned.Error()
	default:
		return outgoing{exchange: n.events(), key: e.Type, message: m}, u
	}
	for key, value := range parkedWith("", reason) {
		m.Headers[key] = value
	}
	return outgoing{key: n.parking(), message: m}, u
}
