package cli

import (
	"context"
	"errors"
	"log/slog"

	"tenantctl/internal/local"
	"tenantctl/internal/platform/bus"
	"tenantctl/internal/tenant"
)

// Bus opens the broker that tenants.yaml names, or the local stack's, which is started if need be.
func (f *Factory) Bus(ctx context.Context, log *slog.Logger) (*bus.Broker, error) {
	return f.openBus(log, func() (string, error) { return f.localBroker(ctx) })
}

// openBus opens the broker that tenants.yaml names, else the one that is given; nil where there is none, which has no address.
func (f *Factory) openBus(log *slog.Logger, otherwise func() (string, error)) (*bus.Broker, error) {
	file, err := f.Config()
	if err != nil {
		return nil, err
	}
	opts := bus.Options{CAFile: file.BrokerCA(), Namespace: file.BrokerNamespace(), Log: log}
	if reference, given := file.Broker(); given {
		opts.URL, err = f.resolve(reference)
	} else {
		opts.URL, err = otherwise()
	}
	if err != nil || opts.URL == "" {
		return nil, err
	}
	return bus.Open(opts)
}

// runningBroker is the local stack's RabbitMQ, if it runs.
func (f *Factory) runningBroker() (string, error) {
	dir, err := f.StackDir()
	if err != nil {
		return "", err
	}
	stack, err := local.Find(dir)
	if errors.Is(err, tenant.ErrNotFound) || err == nil && (stack.Broker == nil || stack.Broker.PID() == 0) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	f.keepSecret(stack.Broker.URL())
	return stack.Broker.URL(), nil
}

// localBroker brings the local stack's RabbitMQ up.
func (f *Factory) localBroker(ctx context.Context) (string, error) {
	dir, err := f.StackDir()
	if err != nil {
		return "", err
	}
	if stack, err := local.Find(dir); err != nil || stack.Broker == nil || stack.Broker.PID() == 0 {
		f.Tell("starting a private RabbitMQ under %s (`tenantctl local down` removes it); that takes some seconds", dir)
	}
	stack, err := local.Up(ctx, local.Options{Dir: dir, Parts: local.PartBroker})
	if err != nil {
		return "", err
	}
	f.keepSecret(stack.Broker.URL())
	return stack.Broker.URL(), nil
}
