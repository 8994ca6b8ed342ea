package cli

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"tenantctl/internal/config"
	"tenantctl/internal/provision"
	"tenantctl/internal/registry"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

// upgradeTargets are the versions that tenants.yaml or the command line wants, in dependency order, and the streams of all
// services that tenants have.
func upgradeTargets(file *config.File, services []string, to uint64) ([]*stream.Stream, []upgrade.Target, error) {
	pins := map[string]uint64{}
	all, err := readStreams(file, pins)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range all {
		if s.Scope == stream.PerInstance && slices.Contains(services, s.Service) {
			return nil, nil, tenant.WithHint(&invalidUsage{fmt.Sprintf("service %q is no tenant's: its tables are there once on each instance", s.Service)},
				"`tenantctl apply` brings it forward; so does every upgrade, before it begins")
		}
	}
	all = slices.DeleteFunc(all, func(s *stream.Stream) bool { return s.Scope != stream.PerTenant })
	var known []string
	var targets []upgrade.Target
	for _, s := range all {
		known = append(known, s.Service)
		if len(services) > 0 && !slices.Contains(services, s.Service) {
			continue
		}
		target := upgrade.Target{Service: s.Service, Version: s.Newest()}
		if pin := pins[s.Service]; pin > 0 {
			target.Version = pin
		}
		if to > 0 {
			if _, err := s.File(to); err != nil {
				return nil, nil, tenant.WithHint(err, "give --to a version that its files have")
			}
			target.Version = to
		}
		targets = append(targets, target)
	}
	for _, service := range services {
		if !slices.Contains(known, service) {
			return nil, nil, unknownService(service, known)
		}
	}
	if len(targets) == 0 {
		return nil, nil, tenant.WithHint(&invalidUsage{"tenants.yaml declares no services whose tables tenants have"}, "declare them under services:")
	}
	return all, targets, nil
}

// instances opens each instance once, for rollouts.
type instances struct {
	factory *Factory
	records *registry.Registry

	mutex sync.Mutex
	open  map[string]upgrade.Instance
}

func (i *instances) get(ctx context.Context, name string) (upgrade.Instance, error) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if instance, there := i.open[name]; there {
		return instance, nil
	}
	dsn, err := i.factory.InstanceDSN(ctx, name)
	if err != nil {
		return upgrade.Instance{}, err
	}
	p, err := i.factory.Provisioner(ctx, name, i.records, provisionerOptions{})
	if err != nil {
		return upgrade.Instance{}, err
	}
	i.open[name] = upgrade.Instance{Name: name, DSN: dsn, Prepare: p.Prepare, Hands: handsOf(p)}
	return i.open[name], nil
}

func handsOf(p *provision.Provisioner) func(upgrade.Member, string) (upgrade.Hands, error) {
	return func(m upgrade.Member, service string) (upgrade.Hands, error) {
		hands, err := p.Hands(tenant.Spec{Name: m.Tenant, Schema: m.Schema}, service)
		return upgrade.Hands(hands), err
	}
}
