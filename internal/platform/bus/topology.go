package bus

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// names knows what things are called on the broker.
type names struct{ namespace string }

func (n names) events() string               { return n.namespace + ".events" }  // exchange, by type
func (n names) control() string              { return n.namespace + ".control" } // exchange, to every relay
func (n names) fleet() string                { return n.namespace + ".fleet" }   // exchange, of what happens to the fleet
func (n names) parking() string              { return n.namespace + ".parked" }
func (n names) queue(name string) string     { return n.namespace + "." + name }
func (n names) relay(instance string) string { return n.namespace + ".relay." + instance }

func (n names) short(queue string) string { return strings.TrimPrefix(queue, n.namespace+".") }

// retry is the queue in which a consumer's messages wait. There is one for each delay, since messages leave only from the front.
func (n names) retry(name string, delay time.Duration) string {
	return n.queue(name) + ".retry." + delay.String()
}

// mostDeliveries is how often the broker hands out a message that nobody ever answers for, because whoever takes it dies.
const mostDeliveries = 50

// lossless are the arguments of a queue that dead-letters: a message leaves it when the next queue has confirmed it.
func lossless(next string, more amqp.Table) amqp.Table {
	args := amqp.Table{
		"x-queue-type": "quorum", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": next,
		"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish",
	}
	for key, value := range more {
		args[key] = value
	}
	return args
}

type queue struct {
	name string
	args amqp.Table
	from string   // an exchange; empty: the events'
	keys []string // by which the exchange sends to it
}

func (n names) parkingQueue() queue {
	return queue{name: n.parking(), args: amqp.Table{"x-queue-type": "quorum"}}
}

// queuesOf are those of a consumer, the ones that others refer to first.
func (n names) queuesOf(c *Consumer) []queue {
	list := []queue{n.parkingQueue()}
	for _, delay := range c.Delays {
		list = append(list, queue{name: n.retry(c.Queue, delay), args: lossless(n.queue(c.Queue), amqp.Table{"x-message-ttl": delay.Milliseconds()})})
	}
	main := queue{name: n.queue(c.Queue), args: lossless(n.parking(), amqp.Table{"x-delivery-limit": int64(mostDeliveries)})}
	for kind := range c.Types {
		main.keys = append(main.keys, kind)
	}
	return append(list, main)
}

// declareFleet makes the exchange of what happens to the fleet.
func (n names) declareFleet(ch *amqp.Channel) error {
	if err := ch.ExchangeDeclare(n.fleet(), amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		return fmt.Errorf("declare exchange %s: %w", n.fleet(), err)
	}
	return nil
}

// declareExchanges makes the exchanges.
func (n names) declareExchanges(ch *amqp.Channel) error {
	if err := ch.ExchangeDeclare(n.events(), amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		return fmt.Errorf("declare exchange %s: %w", n.events(), err)
	}
	if err := ch.ExchangeDeclare(n.control(), amqp.ExchangeFanout, true, false, false, false, nil); err != nil {
		return fmt.Errorf("declare exchange %s: %w", n.control(), err)
	}
	return nil
}

func (n names) declare(ch *amqp.Channel, q queue) error {
	if _, err := ch.QueueDeclare(q.name, true, false, false, false, q.args); err != nil {
		return fmt.Errorf("declare queue %s: %w", q.name, err)
	}
	for _, key := range q.keys {
		if err := ch.QueueBind(q.name, key, cmp.Or(q.from, n.events()), false, nil); err != nil {
			return fmt.Errorf("bind queue %s to %s: %w", q.name, key, err)
		}
	}
	return nil
}

// missing tells how many of the queues aren't there.
func (l *link) missing(ctx context.Context, queues ...queue) (n int, err error) {
	for _, q := range queues {
		_, there, err := l.look(ctx, q.name)
		if err != nil {
			return 0, err
		}
		if !there {
			n++
		}
	}
	return n, nil
}

// look asks how a queue stands, if it is there. It takes a channel of its own, since to ask for one that isn't there costs the channel.
func (l *link) look(ctx context.Context, name string) (found amqp.Queue, there bool, err error) {
	ch, err := l.channel(ctx)
	if err != nil {
		return found, false, err
	}
	defer l.cutAfter(ctx)()
	found, err = ch.QueueDeclarePassive(name, true, false, false, false, nil)
	if isMissing(err) {
		return found, false, nil
	}
	if err != nil {
		return found, false, fmt.Errorf("look for queue %s: %w", name, err)
	}
	if err := ch.Close(); err != nil {
		return found, false, fmt.Errorf("close a channel: %w", err)
	}
	return found, true, nil
}
