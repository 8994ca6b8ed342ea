package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"tenantctl/internal/operation/pause"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/telemetry"
)

// Consumer does something about events. Its fields are set before Run.
type Consumer struct {
	Broker *Broker
	Queue  string // its name, by which the inbox knows it: it stays
	// Types are the events that it takes, each with the newest version of the payload that it understands.
	Types map[string]int
	// Handle runs in a transaction of the message's tenant, as the service of Pools. What it returns decides: nil commits; an error
	// has the message tried again, or parked if it is Permanent, or tried again without end if it is Later.
	Handle  func(ctx context.Context, tx scope.Tx, m Message) error
	Pools   *scope.Pools
	Tenants scope.Tenants
	// Workers is how many messages are handled at once, those of one tenant one after the other; 0 means 4. Tenants take turns.
	Workers int
	// Prefetch is how many are on loan from the broker; 0 means 500. It is more than one tenant, or a few, have under way.
	Prefetch int
	// Delays are the ladder: after the nth failure a message waits for the nth of them, or the last. Empty means 5 s, 30 s, 5 min.
	Delays []time.Duration
	// Attempts is after how many failures a message is parked; 0 means 8.
	Attempts int
	// Look is how often its queues are looked for, of which the broker tells only that the first is gone; 0 means 30 s.
	Look    time.Duration
	Metrics *Metrics // nil: nothing is counted
	Log     *slog.Logger
	Trace   *telemetry.Tracer

	made time.Time // when this process made all of the consumer's queues, where it did
}

const (
	defaultWorkers  = 4
	defaultPrefetch = 500
	defaultAttempts = 8
	defaultLook     = 30 * time.Second
	// endTimeout is how long a message that is being handled may take when the process is told to end.
	endTimeout = 10 * time.Second
)

func (c *Consumer) defaults() {
	if c.Workers == 0 {
		c.Workers = defaultWorkers
	}
	if c.Prefetch == 0 {
		c.Prefetch = defaultPrefetch
	}
	if len(c.Delays) == 0 {
		c.Delays = defaultDelays()
	}
	if c.Attempts == 0 {
		c.Attempts = defaultAttempts
	}
	if c.Look == 0 {
		c.Look = defaultLook
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// Run consumes until ctx ends. What is being handled then is finished.
func (c *Consumer) Run(ctx context.Context) {
	c.defaults()
	c.Metrics.consuming(c.Queue, 0)
	supervise(ctx, c.Log, "consumer "+c.Queue, c.session)
}

// consuming is one session of a consumer: one connection on which it takes and acknowledges, and one on which it sends what failed
// elsewhere. A delivery belongs to its session: once that is over the acknowledgement fails, and the message comes again.
type consuming struct {
	*Consumer
	in   *link
	out  *sender
	over chan struct{} // closed when the broker hands out no more
}

// end gives the session up. What it holds comes again.
func (s *consuming) end() {
	s.out.close()
	s.in.close()
}

func (c *Consumer) session(ctx context.Context, up func()) error {
	in, err := c.Broker.dial(ctx, "consumer "+c.Queue)
	if err != nil {
		return err
	}
	defer in.close()
	out, err := c.Broker.openSender(ctx, "retries of "+c.Queue)
	if err != nil {
		return err
	}
	defer out.close()
	begun := in.setUp()
	s := &consuming{Consumer: c, in: in, out: out, over: make(chan struct{})}
	ch, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	begun()
	deliveries, err := s.consume(ctx, ch)
	if err != nil {
		return err
	}
	up()
	c.Metrics.consuming(c.Queue, 1)
	defer c.Metrics.consuming(c.Queue, 0)
	s.work(ctx, deliveries)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errLost
}

// prepare makes the consumer's queues. One that isn't there may have been deleted with messages in it; the relays are told before
// it is made anew, so that whoever dies in between tells them again.
func (s *consuming) prepare(ctx context.Context) (*amqp.Channel, error) {
	n := s.Broker.names
	ch, err := s.in.channel(ctx)
	if err != nil {
		return nil, err
	}
	if err := n.declareExchanges(ch); err != nil {
		return nil, err
	}
	queues := n.queuesOf(s.Consumer)
	parking, own := queues[:1], queues[1:] // others have the parking queue, too
	missing, err := s.in.missing(ctx, own...)
	if err != nil {
		return nil, err
	}
	parkings, err := s.in.missing(ctx, parking...)
	if err != nil {
		return nil, err
	}
	if missing == len(own) {
		s.made = time.Now()
	}
	if missing+parkings > 0 {
		if err := s.tellRelays(ctx); err != nil {
			return nil, err
		}
		pause.Point(ctx, pause.BusLossTold)
	}
	for _, q := range queues {
		if err := n.declare(ch, q); err != nil {
			return nil, err
		}
	}
	if err := ch.Qos(s.Prefetch, 0, false); err != nil {
		return nil, fmt.Errorf("set prefetch: %w", err)
	}
	return ch, nil
}

// tellRelays has the events of the last while sent again. A relay that isn't there has no queue; when it comes it sends all.
func (s *consuming) tellRelays(ctx context.Context) error {
	body, err := json.Marshal(lostMail{Types: slices.Sorted(maps.Keys(s.Types))})
	if err != nil {
		return fmt.Errorf("tell of a lost queue: %w", err)
	}
	results, err := s.out.send(ctx, outgoing{exchange: s.Broker.names.control(), message: amqp.Publishing{
		MessageId: newID(), DeliveryMode: amqp.Persistent, ContentType: jsonType, Body: body,
	}})
	if err != nil || results[0] == ErrReturned { //nolint:errorlint // it is returned as it is
		return err
	}
	return results[0]
}

// there tells whether all queues are: the broker says nothing of one that is lost and that nobody takes from.
func (s *consuming) there(ctx context.Context) bool {
	defer s.in.setUp()()
	missing, err := s.in.missing(ctx, s.Broker.names.queuesOf(s.Consumer)...)
	return err == nil && missing == 0
}

// work hands deliveries to workers, in turn for the tenants and one after the other for each, until the session is over or ctx
// ends. What a worker has begun it ends; what it hasn't begun goes back to the broker with the session.
func (s *consuming) work(ctx context.Context, deliveries <-chan amqp.Delivery) {
	handling, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(endTimeout, stop) })()
	var workers sync.WaitGroup
	waiting := newLines()
	for range s.Workers {
		workers.Go(func() {
			for waiting.do(func(d amqp.Delivery) { s.deliver(handling, d) }) {
			}
		})
	}
	look := time.NewTicker(s.Look)
	defer look.Stop()
	for open := true; open; {
		select {
		case d, is := <-deliveries:
			if open = is; open {
				waiting.put(text(d.Headers, headerTenant), d)
			}
		case <-look.C:
			open = s.there(ctx)
		case <-ctx.Done():
			open = false
		}
	}
	close(s.over)
	waiting.close()
	workers.Wait()
}
