package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Fact is something that happened to the fleet, ready to be sent. Unlike a service's event it is no tenant's own.
type Fact struct {
	ID          string
	Type        string // as "tenant.provisioned"; whoever wants some binds a queue to the exchange by it
	ContentType string
	Body        []byte
	At          time.Time
}

// Facts sends facts to the exchange NAMESPACE.fleet, of type topic.
type Facts struct {
	broker *Broker
	sender *sender
}

// Facts opens nothing yet.
func (b *Broker) Facts() *Facts { return &Facts{broker: b} }

// Send sends facts and waits until the broker has them on disk. Where no queue is bound to the exchange nobody wanted them. After
// an error the next call connects anew.
func (f *Facts) Send(ctx context.Context, facts []Fact) error {
	if f.sender == nil {
		if err := f.open(ctx); err != nil {
			return err
		}
	}
	messages := make([]outgoing, len(facts))
	for i, fact := range facts {
		messages[i] = outgoing{exchange: f.broker.names.fleet(), key: fact.Type, message: amqp.Publishing{
			MessageId: fact.ID, Type: fact.Type, ContentType: fact.ContentType, Body: fact.Body, Timestamp: fact.At, DeliveryMode: amqp.Persistent,
		}}
	}
	results, err := f.sender.send(ctx, messages...)
	for _, result := range results {
		if !errors.Is(result, ErrReturned) {
			err = errors.Join(err, result)
		}
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("send %d facts: %w", len(facts), err)
	}
	return nil
}

func (f *Facts) open(ctx context.Context) error {
	s, err := f.broker.openSender(ctx, "fleet")
	if err != nil {
		return err
	}
	if err := f.broker.names.declareFleet(s.ch); err != nil {
		s.close()
		return err
	}
	f.sender = s
	return nil
}

// Close closes the connection, where there is one.
func (f *Facts) Close() {
	if f.sender != nil {
		f.sender.close()
		f.sender = nil
	}
}
