package bus

import (
	"context"
	"time"
)

// Depth is how much waits at the broker for a consumer.
type Depth struct {
	Consumer string
	Ready    int // to be taken; what was taken and isn't done yet is told of nowhere
	Again    int // failed, and waits to be tried again
	Takers   int // processes that take from it
}

// defaultDelays are the ladder of a consumer that names none.
func defaultDelays() []time.Duration {
	return []time.Duration{5 * time.Second, 30 * time.Second, 5 * time.Minute}
}

// Depths tells how much waits for consumers that have the usual delays, and how many messages are parked. One that never ran, and
// so has no queue yet, is left out.
func (b *Broker) Depths(ctx context.Context, consumers ...string) (depths []Depth, parked int, err error) {
	l, err := b.dial(ctx, "depths")
	if err != nil {
		return nil, 0, err
	}
	defer l.close()
	for _, name := range consumers {
		main, there, err := l.look(ctx, b.names.queue(name))
		if err != nil {
			return nil, 0, err
		}
		if !there {
			continue
		}
		d := Depth{Consumer: name, Ready: main.Messages, Takers: main.Consumers}
		for _, delay := range defaultDelays() {
			retry, _, err := l.look(ctx, b.names.retry(name, delay))
			if err != nil {
				return nil, 0, err
			}
			d.Again += retry.Messages
		}
		depths = append(depths, d)
	}
	held, _, err := l.look(ctx, b.names.parking())
	return depths, held.Messages, err
}
