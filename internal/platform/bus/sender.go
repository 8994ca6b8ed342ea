package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// outgoing is a message and where it goes.
type outgoing struct {
	exchange, key string
	message       amqp.Publishing
}

const (
	mostAtOnce  = 500
	sendTimeout = 30 * time.Second
)

// sender sends messages and knows what became of each. It lives for one session: a connection of its own, since a broker that is
// short of memory stops reading those that publish.
type sender struct {
	*link
	gate gate

	mu       sync.Mutex
	ch       *amqp.Channel
	returned chan amqp.Return
}

func (b *Broker) openSender(ctx context.Context, purpose string) (*sender, error) {
	l, err := b.dial(ctx, purpose)
	if err != nil {
		return nil, err
	}
	defer l.setUp()()
	s := &sender{link: l}
	blocked := l.NotifyBlocked(make(chan amqp.Blocking, 1))
	go func() {
		for state := range blocked { // until the connection is closed
			if state.Active {
				b.log.Warn("the broker takes no messages", "reason", state.Reason)
			}
			s.gate.set(!state.Active)
		}
		s.gate.set(true) // whoever waits finds the session lost
	}()
	if s.ch, err = l.channel(ctx); err != nil {
		l.close()
		return nil, err
	}
	if err := s.ch.Confirm(false); err != nil {
		l.close()
		return nil, fmt.Errorf("ask for confirms: %w", err)
	}
	// The client hands a return over before it reads the confirm that follows; with room for all of a batch nothing waits here.
	s.returned = s.ch.NotifyReturn(make(chan amqp.Return, mostAtOnce))
	return s, nil
}

// send sends at most mostAtOnce messages and waits until the broker has answered for each: nil, ErrReturned, or what else. The
// error is the session's, which is of no use then; what wasn't confirmed may have arrived all the same.
func (s *sender) send(ctx context.Context, messages ...outgoing) ([]error, error) {
	if err := s.gate.wait(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	defer s.cutAfter(ctx)()
	confirms := make([]*amqp.DeferredConfirmation, len(messages))
	for i, m := range messages {
		confirm, err := s.ch.PublishWithDeferredConfirmWithContext(ctx, m.exchange, m.key, true, false, m.message)
		if err != nil {
			return nil, fmt.Errorf("publish: %w: %w", errLost, err)
		}
		confirms[i] = confirm
	}
	results := make([]error, len(messages))
	for i, confirm := range confirms {
		acked, err := confirm.WaitContext(ctx)
		switch {
		case err != nil:
			return nil, fmt.Errorf("wait for confirms: %w: %w", errLost, err)
		case !acked && s.ch.IsClosed():
			return nil, fmt.Errorf("wait for confirms: %w", errLost)
		case !acked:
			results[i] = errRefused
		}
	}
	for id := range s.drainReturned() {
		for i, m := range messages {
			if m.message.MessageId == id {
				results[i] = ErrReturned
			}
		}
	}
	return results, nil
}

// sendOne is send for a message that has to arrive.
func (s *sender) sendOne(ctx context.Context, message outgoing) error {
	results, err := s.send(ctx, message)
	return errors.Join(append(results, err)...)
}

func (s *sender) drainReturned() map[string]bool {
	ids := map[string]bool{}
	for {
		select {
		case r, open := <-s.returned:
			if !open {
				return ids
			}
			ids[r.MessageId] = true
		default:
			return ids
		}
	}
}
