package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// errDeaf is a queue that is listed and never answers: RabbitMQ was killed just after it had made it.
var errDeaf = errors.New("the queue is there and doesn't answer")

const (
	// youngFor is for how long after they were made all that ever came into a consumer's queues is in the outboxes as well, which keep
	// for a day what was sent.
	youngFor = time.Hour
	// deleteTimeout is for the broker to look for a queue's process: it takes 5 s to find that there is none.
	deleteTimeout = 30 * time.Second
)

// consume asks for what comes. The client closes the channel of deliveries when the broker cancels the consumer, or the connection is
// lost.
func (s *consuming) consume(ctx context.Context, ch *amqp.Channel) (<-chan amqp.Delivery, error) {
	name := s.Broker.names.queue(s.Queue)
	answered := s.in.setUp()
	deliveries, err := ch.Consume(name, s.Queue, false, false, false, false, nil)
	switch {
	case !answered() && ctx.Err() == nil:
		return nil, s.replace(ctx, name)
	case err != nil:
		return nil, fmt.Errorf("consume: %w", err)
	}
	return deliveries, nil
}

// replace deletes a queue that doesn't answer, where that loses nothing; the next session makes it anew, and has the relays send again
// what they sent. Otherwise somebody has to look.
func (s *consuming) replace(ctx context.Context, name string) error {
	if s.made.IsZero() || time.Since(s.made) > youngFor {
		return fmt.Errorf("%w: if that lasts, `rabbitmqctl delete_queue %s` has it made anew, and what was sent in the last day is sent again: %s", errDeaf, name, name)
	}
	in, err := s.Broker.dial(ctx, "repair of "+s.Queue)
	if err != nil {
		return err
	}
	defer in.close()
	defer in.cutIn(deleteTimeout)()
	ch, err := in.channel(ctx)
	if err != nil {
		return err
	}
	if _, err := ch.QueueDelete(name, false, false, false); err != nil {
		return fmt.Errorf("%w, and can't be deleted: %s: %w", errDeaf, name, err)
	}
	s.Log.WarnContext(ctx, "queue is made anew", "queue", name, "error", errDeaf, "age", time.Since(s.made).Round(time.Second))
	return fmt.Errorf("%w: %s was deleted", errDeaf, name)
}
