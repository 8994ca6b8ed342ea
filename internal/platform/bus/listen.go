package bus

import (
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
	// Handle is given facts one after the other, some of them again. One that it fails at comes again, and is parked in the end.
	Handle func(ctx context.Context, f Fact) error
	Log    *slog.Logger
}

const (
	listenAhead = 50
	// refusedPause is for what a fact needs to come: a fact that is handed back comes at once.
	refusedPause = time.Second
)

// Run listens until ctx ends.
func (l *Listener) Run(ctx context.Context) { supervise(ctx, l.Log, "listener "+l.Queue, l.session) }

func (l *Listener) session(ctx context.Context, up func()) error {
	in, err := l.Broker.dial(ctx, "listener "+l.Queue)
	if err != nil {
		return err
	}
	defer in.close()
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
			if err := l.deliver(ctx, d); err != nil {
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

func (l *Listener) deliver(ctx context.Context, d amqp.Delivery) error {
	err := l.Handle(ctx, Fact{ID: d.MessageId, Type: d.Type, ContentType: d.ContentType, Body: d.Body, At: d.Timestamp})
	if err == nil {
		return d.Ack(false)
	}
	l.Log.WarnContext(ctx, "fact comes again", "listener", l.Queue, "id", d.MessageId, "type", d.Type, "error", err)
	select {
	case <-ctx.Done():
	case <-time.After(refusedPause):
	}
	return d.Nack(false, true)
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
