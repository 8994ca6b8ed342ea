package records

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tenantctl/internal/tui"
)

// queues remembers what waited: to count it costs more than a page that asks twice a second should.
type queues struct {
	instances, broker counted
}

type counted struct {
	at    time.Time
	shown []tui.Queue
	err   error
}

const (
	instancesEvery = 2 * time.Second
	brokerEvery    = 5 * time.Second // each look is a connection, of which the broker's log tells
	queuesTimeout  = 3 * time.Second // for all instances, and for the broker
)

// Queues implements tui.Source.
func (s *Source) Queues(ctx context.Context) ([]tui.Queue, error) {
	r, err := s.open(ctx)
	if err != nil || r == nil {
		return nil, err
	}
	if s.Waiting != nil {
		s.queues.instances.renew(ctx, instancesEvery, s.onInstances)
	}
	if s.Broker != nil {
		s.queues.broker.renew(ctx, brokerEvery, s.Broker)
	}
	shown := slices.Concat(s.queues.instances.shown, s.queues.broker.shown)
	return shown, s.masked(errors.Join(s.queues.instances.err, s.queues.broker.err))
}

// renew counts anew what was counted too long ago.
func (c *counted) renew(ctx context.Context, every time.Duration, count func(context.Context) ([]tui.Queue, error)) {
	if time.Since(c.at) < every {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, queuesTimeout)
	defer cancel()
	c.shown, c.err = count(ctx)
	c.at = time.Now()
}

func (s *Source) onInstances(ctx context.Context) (shown []tui.Queue, err error) {
	var instances []string
	for _, name := range s.names {
		if in := s.declared[name].Instance; !slices.Contains(instances, in) {
			instances = append(instances, in)
		}
	}
	slices.Sort(instances)
	for _, instance := range instances {
		found, failed := s.Waiting(ctx, instance)
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("instance %s: %w", instance, failed))
		}
		shown = append(shown, found...)
	}
	return shown, err
}
