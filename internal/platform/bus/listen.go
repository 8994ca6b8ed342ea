package bus

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/tenant"
)

// Listener hears facts: what operators tell of the fleet. Its fields are set before Run.
type Listener struct {
	Broker *Broker
	Queue  string   // its name: it stays, and keeps what is told while nobody listens
	Types  []string // of facts
	// Handle is given facts one after the other, some of them again. The others wait while it fails at one, so that they stay in
	// order, until that is parked; for a database that is away they wait as long as it is. What is Permanent is parked at once.
	Handle func(ctx context.Context, f Fact) error
	// Attempts is after how many failures a fact is parked; 0 means 8.
	Attempts int
	Log      *slog.Logger
}

const (
	listenAhead  = 50
	factAttempts = 8
	factPause    = time.Second
)

// Run listens until ctx ends.
func (l *Listener) Run(ctx context.Context) { supervise(ctx, l.Log, "listener "+l.Queue, l.session) }

func (l *Listener) session(ctx context.Context, up func()) error {
	in, err := l.Broker.dial(ctx, "listener "+l.Queue)
	if err != nil {
		return err
	}
	defer in.close()
	out, err := l.Broker.openSender(ctx, "parked facts of "+l.Queue)
	if err != nil {
		return err
	}
	defer out.close()
	begun := in.setUp()
	deliveries, err := l.consume(ctx, in)
	if err != nil {
		return err
	}
	begun()
	up()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case d, open := <-deliveries:
			if !open {
				return errLost
			}
			if err := l.deliver(ctx, out, d); err != nil {
				return err
			}
		}
	}
}

// consume makes the queue, and what it is bound to, and asks for what comes.
func (l *Listener) consume(ctx context.Context, in *link) (<-chan amqp.Delivery, error) {
	n := l.Broker.names
	ch, err := in.channel(ctx)
	if err != nil {
		return nil, err
	}
	if err := n.declareFleet(ch); err != nil {
		return nil, err
	}
	main := queue{name: n.queue(l.Queue), args: lossless(n.parking(), amqp.Table{"x-delivery-limit": int64(mostDeliveries)}), from: n.fleet(), keys: l.Types}
	for _, q := range []queue{n.parkingQueue(), main} {
		if err := n.declare(ch, q); err != nil {
			return nil, err
		}
	}
	if err := ch.Qos(listenAhead, 0, false); err != nil {
		return nil, fmt.Errorf("set prefetch: %w", err)
	}
	deliveries, err := ch.Consume(main.name, l.Queue, false, false, false, false, nil)
	if err != nil {
		return nil, fmt.Errorf("consume: %w", err)
	}
	return deliveries, nil
}

// deliver handles a fact or parks it. Where neither can be done the session is over, and the fact comes again.
func (l *Listener) deliver(ctx context.Context, out *sender, d amqp.Delivery) error {
	failures := 0
	for {
		err := l.handle(ctx, Fact{ID: d.MessageId, Type: d.Type, ContentType: d.ContentType, Body: d.Body, At: d.Timestamp})
		switch {
		case err == nil:
			return d.Ack(false)
		case ctx.Err() != nil:
			return ctx.Err()
		case !away(err) && !isLater(err):
			failures++
		}
		if IsPermanent(err) || failures >= cmp.Or(l.Attempts, factAttempts) {
			return l.park(ctx, out, d, err)
		}
		l.Log.WarnContext(ctx, "fact is tried again", "listener", l.Queue, "id", d.MessageId, "type", d.Type, "failures", failures, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(factPause):
		}
	}
}

func (l *Listener) handle(ctx context.Context, f Fact) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = panicked(value)
		}
	}()
	return l.Handle(ctx, f)
}

func (l *Listener) park(ctx context.Context, out *sender, d amqp.Delivery, cause error) error {
	l.Log.ErrorContext(ctx, "fact not handled", "listener", l.Queue, "id", d.MessageId, "type", d.Type, "error", cause)
	n := l.Broker.names
	if err := out.sendOne(ctx, outgoing{key: n.parking(), message: again(d, parkedWith(l.Queue, cause.Error()))}); err != nil {
		return fmt.Errorf("%s: %w", n.parking(), err)
	}
	return d.Ack(false)
}

// Message is a fact as one of a tenant's messages, with an id that is the same whenever the fact comes.
func (f Fact) Message(name tenant.Name, payload []byte) Message {
	sum := sha256.Sum256([]byte("fact " + f.ID))
	id := fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
	return Message{ID: id, Type: f.Type, Version: 1, Source: "operator", Tenant: name, Occurred: f.At, Payload: payload}
}

// Once notes that a consumer handles a message, in the transaction of what it does; false where it has done so before.
func Once(ctx context.Context, tx scope.Tx, consumer, id string) (first bool, err error) {
	tag, err := tx.Exec(ctx, `insert into bus.inbox (consumer, id) values ($1, $2) on conflict do nothing`, consumer, id)
	if err != nil {
		return false, fmt.Errorf("inbox: %w", err)
	}
	return tag.RowsAffected() > 0, nil
}
