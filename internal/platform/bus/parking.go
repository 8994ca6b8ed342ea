package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"tenantctl/internal/operation/pause"
)

// Parked is a message that nobody could handle, and why.
type Parked struct {
	Message
	Queue  string    `json:"queue"` // the consumer's; empty: none took it
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// mostParked is how many parked messages are looked at: they are on loan meanwhile.
const mostParked = 10_000

// Parked lists the parking queue, the oldest first. Nothing is taken from it: what was looked at goes back when the look is over.
// While it lasts, others don't see those messages.
func (b *Broker) Parked(ctx context.Context) ([]Parked, error) {
	var list []Parked
	err := b.parked(ctx, func(_ *sender, found []parkedDelivery) error {
		for _, p := range found {
			list = append(list, p.Parked)
		}
		return nil
	})
	return list, err
}

// Replay sends parked messages to where they were before they were parked, as if they were new; their ids stay, so that what was
// done already isn't done again. It returns those that it sent, in spite of an error that ends it.
func (b *Broker) Replay(ctx context.Context, chosen func(Parked) bool) (done []Parked, err error) {
	err = b.parked(ctx, func(out *sender, found []parkedDelivery) error {
		for _, p := range found {
			if !chosen(p.Parked) {
				continue
			}
			message := outgoing{
				exchange: b.names.events(), key: p.Type,
				message: again(p.delivery, amqp.Table{headerAttempt: nil, headerQueue: nil, headerReason: nil, headerParked: nil}),
			}
			if p.Queue != "" {
				message.exchange, message.key = "", b.names.queue(p.Queue)
			}
			if err := out.sendOne(ctx, message); err != nil {
				return fmt.Errorf("replay %s: %w", p.ID, err)
			}
			pause.Point(ctx, pause.BusReplayed)
			if err := p.delivery.Ack(false); err != nil {
				return fmt.Errorf("take %s from the parking queue: %w", p.ID, err)
			}
			done = append(done, p.Parked)
		}
		return nil
	})
	return done, err
}

// Purge removes parked messages for good, and returns those that it removed, in spite of an error that ends it.
func (b *Broker) Purge(ctx context.Context, chosen func(Parked) bool) (done []Parked, err error) {
	err = b.parked(ctx, func(_ *sender, found []parkedDelivery) error {
		for _, p := range found {
			if !chosen(p.Parked) {
				continue
			}
			if err := p.delivery.Ack(false); err != nil {
				return fmt.Errorf("purge %s: %w", p.ID, err)
			}
			done = append(done, p.Parked)
		}
		return nil
	})
	return done, err
}

type parkedDelivery struct {
	Parked
	delivery amqp.Delivery
}

// parked borrows what the parking queue holds. What isn't acknowledged goes back when the session ends.
func (b *Broker) parked(ctx context.Context, do func(out *sender, found []parkedDelivery) error) (err error) {
	out, err := b.openSender(ctx, "parking")
	if err != nil {
		return err
	}
	defer out.close()
	missing, err := out.missing(ctx, b.names.parkingQueue())
	if err != nil {
		return err
	}
	if missing > 0 {
		return do(out, nil)
	}
	ch, err := out.channel(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ch.Close()) }() // which gives back what is left, and waits until that is done
	defer out.cutAfter(ctx)()
	var found []parkedDelivery
	for len(found) < mostParked {
		d, there, err := ch.Get(b.names.parking(), false)
		if err != nil {
			return fmt.Errorf("look into the parking queue: %w", err)
		}
		if !there {
			break
		}
		found = append(found, parkedDelivery{b.readParked(d), d})
	}
	return do(out, found)
}

// readParked shows a parked message, whatever it is.
func (b *Broker) readParked(d amqp.Delivery) Parked {
	m, fault := read(d.Headers, d.MessageId, d.Body)
	if fault != nil {
		m.ID, m.Type = d.MessageId, cmp.Or(m.Type, d.Type)
	}
	p := Parked{Message: m, Queue: text(d.Headers, headerQueue), Reason: text(d.Headers, headerReason)}
	p.Since, _ = time.Parse(time.RFC3339Nano, text(d.Headers, headerParked)) // the zero time where the broker parked it
	if from := text(d.Headers, headerDeadFrom); from != "" && p.Reason == "" {
		p.Queue = b.names.short(from)
		p.Reason = fmt.Sprintf("handed out %d times and never answered for: whoever took it died", mostDeliveries)
	}
	return p
}
