package cli

import (
	"context"
	"log/slog"

	"tenantctl/internal/local"
	"tenantctl/internal/platform/bus"
)

// Bus opens the broker that tenants.yaml names, or the local stack's, which is started if need be.
func (f *Factory) Bus(ctx context.Context, log *slog.Logger) (*bus.Broker, error) {
	file, err := f.Config()
	if err != nil {
		return nil, err
	}
	opts := bus.Options{CAFile: file.BrokerCA(), Namespace: file.BrokerNamespace(), Log: log}
	if reference, given := file.Broker(); given {
		opts.URL, err = f.resolve(reference)
	} else {
		opts.URL, err = f.localBroker(ctx)
	}
	if err != nil {
		return nil, err
	}
	return bus.Open(opts)
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
