package bus_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/registry"
	"tenantctl/test/fleet"
)

const childVariable = "BUS_TEST_CHILD"

// childOptions are what a child process needs to be the relay and the consumer of a fleet.
type childOptions struct {
	Control, Prefix, Namespace, URL string
	Logins                          map[string]string // by service
	Replay                          bool              // what is parked, and end
}

// child relays and consumes until it is killed. The first attempt at what is called "twice" fails, and what is called "parked" does
// until the file "mended" of the environment is there.
func child(text string) {
	var opts childOptions
	must(json.Unmarshal([]byte(text), &opts))
	ctx := context.Background()
	records, err := registry.Open(ctx, opts.Control)
	must(err)
	directory, err := scope.OpenDirectory(ctx, records, map[string]string{fleet.Instance: opts.Prefix}, nil)
	must(err)
	pools, err := scope.OpenPools(ctx, scope.PoolOptions{Service: "shop", Login: func(context.Context, scope.Cell) (string, error) { return opts.Logins["shop"], nil }}, nil)
	must(err)
	broker, err := bus.Open(bus.Options{URL: opts.URL, Namespace: opts.Namespace})
	must(err)
	if opts.Replay {
		_, err := broker.Replay(ctx, func(bus.Parked) bool { return true })
		must(err)
		return
	}
	relay := bus.NewRelay(bus.RelayOptions{
		Broker: broker, Instance: fleet.Instance, RolePrefix: opts.Prefix, Poll: 5 * time.Millisecond,
		DSN: func(context.Context) (string, error) { return opts.Logins[bus.Service], nil },
	})
	go relay.Run(ctx)
	(&bus.Consumer{
		Broker: broker, Queue: "shop", Types: map[string]int{placed: 1}, Pools: pools, Tenants: directory, Delays: []time.Duration{50 * time.Millisecond},
		Handle: func(ctx context.Context, tx scope.Tx, m bus.Message) error {
			if err := note(ctx, tx, m); err != nil {
				return err
			}
			switch string(m.Payload) {
			case `"twice"`:
				if m.Attempt < 2 {
					return errors.New("the first time")
				}
			case `"parked"`:
				if os.Getenv("MENDED") == "" {
					return bus.Permanent(errors.New("poison"))
				}
			}
			return nil
		},
	}).Run(ctx)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
