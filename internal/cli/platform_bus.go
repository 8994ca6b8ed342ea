package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tenantctl/internal/config"
	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/platform/messaging"
	"tenantctl/internal/platform/notifications"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/provision"
	"tenantctl/internal/tenant"
)

// publishers are the services that publish events or listen to them: a process that runs one of them relays.
var publishers = []string{core.Service, notifications.Service, messaging.Service} //nolint:gochecknoglobals // a constant list

// hasBuiltin tells whether tenants.yaml has a builtin service among its services.
func hasBuiltin(file *config.File, name string) bool {
	return slices.ContainsFunc(file.Streams(), func(s config.Stream) bool { return s.Builtin && s.Name == name })
}

// missing are the services that one which not everybody has would need in tenants.yaml, itself included, and that aren't there.
func missing(file *config.File, name string) []string {
	needed := map[string][]string{notifications.Service: {bus.Service, notifications.Service}, messaging.Service: {messaging.Service}}[name]
	return slices.DeleteFunc(needed, func(name string) bool { return hasBuiltin(file, name) })
}

// runnableServices leave out of "all" what tenants.yaml doesn't have and the others can do without; who asks for it by name is told.
func runnableServices(file *config.File, services []string) ([]string, error) {
	var run []string
	for _, name := range services {
		lacks := missing(file, name)
		if len(lacks) == 0 {
			run = append(run, name)
			continue
		}
		if slices.Equal(services, serviceOrder) {
			continue
		}
		return nil, tenant.WithHint(fmt.Errorf("service %s needs %s among the services of %s: %w", name, strings.Join(lacks, " and "), file.Name(), tenant.ErrInvalid),
			"add `"+strings.Join(lacks, ": { migrations: builtin }` and `")+": { migrations: builtin }` under services:, then `tenantctl apply`")
	}
	return run, nil
}

// openBus connects the process with the broker, where tenants.yaml has the bus and one of the services needs it.
func (p *platform) openBus(ctx context.Context, services []string) error {
	file, err := p.f.Config()
	if err != nil || !hasBuiltin(file, bus.Service) || !slices.ContainsFunc(services, func(name string) bool { return slices.Contains(publishers, name) }) {
		return err
	}
	if p.broker, err = p.f.Bus(ctx, p.logOf(bus.Service)); err != nil {
		return err
	}
	p.busMetrics = bus.NewMetrics()
	for _, instance := range file.Instances() {
		relay := bus.NewRelay(bus.RelayOptions{
			Broker: p.broker, Instance: instance.Name, RolePrefix: instance.RolePrefix, Paced: p.paced, Metrics: p.busMetrics, Log: p.logOf(bus.Service), Trace: p.collected.Tracer(bus.Service),
			DSN: func(ctx context.Context) (string, error) { return p.sharedDSN(ctx, instance.Name, bus.Service) },
		})
		p.beside = append(p.beside, relay.Run)
	}
	return nil
}

// paced tells whether a tenant's events of a type are handled by a service that notes it.
func (p *platform) paced(name tenant.Name, kind string) bool {
	t, err := p.directory.Tenant(name)
	return err == nil && t.State == tenant.Active && t.Route == tenant.RoutePlatform && t.Has(notifications.Service) && notifications.Hears(kind)
}

// showBus puts the bus's metrics among those of the process's first service that has to do with it.
func (p *platform) showBus(s *service.Service) error {
	if p.busMetrics == nil || p.busShown {
		return nil
	}
	p.busShown = true
	return s.Registry.Register(p.busMetrics)
}

// sharedDSN is how the login reaches an instance with which a service works on what all tenants share.
func (p *platform) sharedDSN(ctx context.Context, instance, service string) (string, error) {
	provisioner, err := p.provisioner(ctx, instance)
	if err != nil {
		return "", err
	}
	login, err := provisioner.Login(provision.SharedCell, service)
	if err != nil {
		return "", err
	}
	dsn, err := p.f.InstanceDSN(ctx, instance)
	if err != nil {
		return "", err
	}
	return withLogin(dsn, login.Role, login.Password), nil
}
