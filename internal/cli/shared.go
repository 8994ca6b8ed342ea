package cli

import (
	"context"
	"fmt"
	"slices"

	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/provision"
	"tenantctl/internal/registry"
)

// planShared tells what the instances of tenants still need of the streams that they have once.
func (f *Factory) planShared(ctx context.Context, records *registry.Registry, fleet []reconcile.Tenant) ([]provision.Shared, error) {
	var plan []provision.Shared
	for _, instance := range instancesOf(fleet) {
		p, err := f.Provisioner(ctx, instance, records, provisionerOptions{})
		if err != nil {
			return nil, err
		}
		pending, err := p.PlanShared(ctx)
		if err != nil {
			return nil, err
		}
		plan = append(plan, pending...)
	}
	return plan, nil
}

// instancesOf are the instances on which declared tenants live, in the order in which they first appear.
func instancesOf(fleet []reconcile.Tenant) []string {
	var names []string
	for _, t := range fleet {
		if t.Declared && !slices.Contains(names, t.Spec.Instance) {
			names = append(names, t.Spec.Instance)
		}
	}
	return names
}

// bringShared makes and brings forward what a plan found missing.
func (f *Factory) bringShared(ctx context.Context, records *registry.Registry, plan []provision.Shared) error {
	done := map[string]bool{}
	for _, pending := range plan {
		if done[pending.Instance] {
			continue
		}
		p, err := f.Provisioner(ctx, pending.Instance, records, provisionerOptions{})
		if err != nil {
			return err
		}
		if err := p.Prepare(ctx); err != nil {
			return err
		}
		done[pending.Instance] = true
	}
	for _, pending := range plan {
		f.Tell("%s", sharedText(pending, "brought"))
	}
	return nil
}

// sharedText says what is, or was, to be done for a stream of an instance.
func sharedText(s provision.Shared, brought string) string {
	if s.From == nil {
		return fmt.Sprintf("instance %s: service %s, which all its tenants share: %s to version %d", s.Instance, s.Service, brought, s.To)
	}
	return fmt.Sprintf("instance %s: service %s, which all its tenants share: %s from version %d to %d", s.Instance, s.Service, brought, *s.From, s.To)
}

// upgradeShared brings forward what instances have once, where no tenant has anything to upgrade: otherwise the rollout does it,
// before its first file.
func (f *Factory) upgradeShared(ctx context.Context, opts *upgradeOptions) error {
	fleet, err := f.fleet(ctx, &opts.Selection)
	if err != nil {
		return err
	}
	records, err := f.Registry(ctx)
	if err != nil {
		return err
	}
	plan, err := f.planShared(ctx, records, fleet)
	if err != nil || len(plan) == 0 {
		return err
	}
	for _, pending := range plan {
		f.Tell("%s", sharedText(pending, "bring"))
	}
	if err := f.confirm(ctx, "Bring it forward?", "upgrade"); err != nil {
		return err
	}
	return f.bringShared(ctx, records, plan)
}
