package cli

import (
	"context"
	"slices"

	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/provision"
)

// publishers are the services that publish events: a process that runs one of them relays.
var publishers = []string{core.Service} //nolint:gochecknoglobals // a constant list

// hasBus tells whether tenants.yaml has the bus among its services.
func (p *platform) hasBus() (bool, error) {
	file, err := p.f.Config()
	if err != nil {
		return false, err
	}
	for _, s := range file.Streams() {
		if s.Builtin && s.Name == bus.Service {
			return true, nil
		}
	}
	return false, nil
}

// openBus connects the process with the broker, where tenants.yaml has the bus and one of the services needs it.
func (p *platform) openBus(ctx context.Context, services []string) error {
	has, err := p.hasBus()
	if err != nil || !has || !slices.ContainsFunc(services, func(name string) bool { return slices.Contains(publishers, name) }) {
		return err
	}
	file, err := p.f.Config()
	if err != nil {
		return err
	}
	if p.broker, err = p.f.Bus(ctx); err != nil {
		return err
	}
	p.busMetrics = bus.NewMetrics()
	for _, instance := range file.Instances() {
		relay := bus.NewRelay(bus.RelayOptions{
			Broker: p.broker, Instance: instance.Name, RolePrefix: instance.RolePrefix, Metrics: p.busMetrics, Log: p.log,
			DSN: func(ctx context.Context) (string, error) { return p.busDSN(ctx, instance.Name) },
		})
		p.beside = append(p.beside, relay.Run)
	}
	return nil
}

// busDSN is how the bus's own login reaches an instance.
func (p *platform) busDSN(ctx context.Context, instance string) (string, error) {
	provisioner, err := p.provisioner(ctx, instance)
	if err != nil {
		return "", err
	}
	login, err := provisioner.Login(provision.SharedCell, bus.Service)
	if err != nil {
		return "", err
	}
	dsn, err := p.f.InstanceDSN(ctx, instance)
	if err != nil {
		return "", err
	}
	return withLogin(dsn, login.Role, login.Password), nil
}
