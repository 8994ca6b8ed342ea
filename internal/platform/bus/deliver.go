package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"tenantctl/internal/operation/pause"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/telemetry"
	"tenantctl/internal/tenant"
)

// What became of a delivery, as metrics name it.
const (
	outcomeDone     = "done"
	outcomeRepeated = "repeated" // it had been done before
	outcomeSkipped  = "skipped"  // its tenant hasn't got the service
	outcomeRetried  = "retried"
	outcomeDelayed  = "delayed"
	outcomeParked   = "parked"
)

// deliver handles one delivery and answers the broker. Where it can't be answered the session is over, and the message comes again.
func (s *consuming) deliver(ctx context.Context, d amqp.Delivery) {
	began := time.Now()
	m, err := read(d.Headers, d.MessageId, d.Body)
	m.Attempt++
	ctx, span := s.Trace.Start(telemetry.FromParent(telemetry.WithTenant(ctx, string(m.Tenant)), m.Traceparent), telemetry.Consumer, "process "+m.Type,
		messaging("process", s.Broker.names.queue(s.Queue), m.Type, m.ID)...)
	defer span.End()
	outcome := ""
	if err != nil {
		err = Permanent(err)
	} else {
		outcome, err = s.attempt(ctx, m)
	}
	if err != nil && ctx.Err() != nil {
		return // told to end, and not the message's fault: it comes again
	}
	if err != nil {
		outcome, err = s.divert(ctx, d, m, err)
		span.Fail(outcome)
	} else {
		s.Log.InfoContext(ctx, "message handled", "consumer", s.Queue, "outcome", outcome, "id", m.ID, "type", m.Type, "attempt", m.Attempt, "duration", time.Since(began))
	}
	if err == nil {
		err = d.Ack(false)
	}
	if err != nil {
		s.Log.WarnContext(ctx, "message comes again", "consumer", s.Queue, "id", m.ID, "error", err)
		return
	}
	s.Metrics.handled(s.Queue, m.Type, outcome, time.Since(began), max(0, time.Since(m.Occurred))) // a sum mustn't go down, whichever clock is wrong
}

const (
	awayPause   = time.Second
	awayPatient = 2 * time.Minute // less than the broker waits for an answer
)

// attempt handles a message. While the database is away it waits: the others would fare no better, and needn't be moved about.
func (s *consuming) attempt(ctx context.Context, m Message) (string, error) {
	for began := time.Now(); ; {
		outcome, err := s.handle(ctx, m)
		if !away(err) {
			return outcome, err
		}
		if time.Since(began) > awayPatient {
			return "", Later(err)
		}
		select {
		case <-ctx.Done():
			return "", Later(err)
		case <-s.over:
			return "", Later(err)
		case <-time.After(awayPause):
		}
	}
}

// away tells of a failure that isn't the message's.
func away(err error) bool {
	return errors.Is(err, scope.ErrUnavailable) || errors.Is(err, scope.ErrBusy)
}

// handle runs the handler in a transaction of the tenant, where the tenant is now.
func (s *consuming) handle(ctx context.Context, m Message) (outcome string, err error) {
	newest, taken := s.Types[m.Type]
	switch {
	case !taken:
		return "", Permanent(fmt.Errorf("%s doesn't take %s", s.Queue, m.Type))
	case m.Version > newest:
		return "", Permanent(fmt.Errorf("version %d of %s is unknown here: the newest known is %d", m.Version, m.Type, newest))
	}
	t, err := s.Tenants.Tenant(m.Tenant)
	if err != nil {
		return "", s.unknownTenant(m, err)
	}
	switch {
	case t.State == tenant.Suspended:
		return "", Later(scope.ErrSuspended)
	case t.State != tenant.Active:
		return "", Permanent(fmt.Errorf("tenant %s is %s", t.Name, t.State))
	case t.Route == tenant.RouteHold:
		return "", Later(fmt.Errorf("tenant %s is being moved", t.Name))
	case t.Route == tenant.RouteLegacy:
		return "", Permanent(fmt.Errorf("tenant %s is served by its legacy application", t.Name))
	case !t.Has(s.Pools.Service):
		return outcomeSkipped, nil
	}
	return s.handleFor(ctx, t, m)
}

// unknownTenant gives a tenant that we may not have heard of yet a moment.
func (s *consuming) unknownTenant(m Message, err error) error {
	if m.Attempt > 1 {
		return Permanent(fmt.Errorf("tenant %s isn't there any more", m.Tenant))
	}
	return err
}

func (s *consuming) handleFor(ctx context.Context, t scope.Tenant, m Message) (outcome string, err error) {
	outcome = outcomeDone
	err = s.Pools.Tx(ctx, t, func(ctx context.Context, tx scope.Tx) (err error) {
		first, err := Once(ctx, tx, s.Queue, m.ID)
		if err != nil {
			return err
		}
		if !first {
			outcome = outcomeRepeated
			return nil
		}
		defer func() {
			if value := recover(); value != nil {
				err = panicked(value)
			}
		}()
		if err := s.Handle(ctx, tx, m); err != nil {
			return err
		}
		pause.Point(ctx, pause.BusHandled)
		return nil
	})
	if err == nil {
		pause.Point(ctx, pause.BusHandledCommitted)
	}
	return outcome, err
}

// divert sends a message that failed where it waits for its next attempt, or to the parking queue.
func (s *consuming) divert(ctx context.Context, d amqp.Delivery, m Message, cause error) (outcome string, err error) {
	n := s.Broker.names
	out := outgoing{}
	switch {
	case isLater(cause):
		outcome = outcomeDelayed
		delay := s.Delays[min(1, len(s.Delays)-1)]
		out.key, out.message = n.retry(s.Queue, delay), again(d, nil)
	case IsPermanent(cause), m.Attempt >= s.Attempts:
		outcome = outcomeParked
		headers := parkedWith(s.Queue, cause.Error())
		headers[headerAttempt] = int64(m.Attempt)
		out.key, out.message = n.parking(), again(d, headers)
	default:
		outcome = outcomeRetried
		delay := s.Delays[min(m.Attempt, len(s.Delays))-1]
		out.key, out.message = n.retry(s.Queue, delay), again(d, amqp.Table{headerAttempt: int64(m.Attempt)})
	}
	s.Log.WarnContext(ctx, "message not handled", "consumer", s.Queue, "outcome", outcome, "id", m.ID, "type", m.Type,
		"attempt", m.Attempt, "error", cause)
	if err := s.out.sendOne(ctx, out); err != nil {
		// The queue may have been deleted: a new session makes it anew, and the message comes again.
		s.end()
		return outcome, fmt.Errorf("%s: %w", out.key, err)
	}
	pause.Point(ctx, pause.BusDiverted)
	return outcome, nil
}
