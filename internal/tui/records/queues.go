package records

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tenantctl/internal/tui"
)

// queues remembers what waited on the instances: to count it costs more than a page that asks twice a second should.
type queues struct {
	at    time.Time
	shown []tui.Queue
	err   error
}

const (
	queuesEvery   = 2 * time.Second
	queuesTimeout = 3 * time.Second // for all instances
)

// Queues implements tui.Source.
func (s *Source) Queues(ctx context.Context) ([]tui.Queue, error) {
	if s.Waiting == nil || time.Since(s.queues.at) < queuesEvery {
		return s.queues.shown, s.queues.err
	}
	r, err := s.open(ctx)
	if err != nil || r == nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, queuesTimeout)
	defer cancel()
	var instances []string
	for _, name := range s.names {
		if in := s.declared[name].Instance; !slices.Contains(instances, in) {
			instances = append(instances, in)
		}
	}
	slices.Sort(instances)
	made := queues{at: time.Now()}
	for _, instance := range instances {
		found, err := s.Waiting(ctx, instance)
		if err != nil {
			made.err = errors.Join(made.err, s.masked(fmt.Errorf("instance %s: %w", instance, err)))
		}
		made.shown = append(made.shown, found...)
	}
	s.queues = made
	return made.shown, made.err
}
