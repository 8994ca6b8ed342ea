package provision

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"tenantctl/internal/registry"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
)

// Records is what provisioning writes down in the control database. *registry.Registry implements it.
type Records interface {
	AssignCell(ctx context.Context, instance string, name tenant.Name, capacity int) (string, error)
	Statuses(ctx context.Context, filter registry.StatusFilter) ([]tenant.Status, error)
	UpsertTenant(ctx context.Context, spec tenant.Spec, actor string) error
	Enroll(ctx context.Context, instance string, specs []tenant.Spec, capacity int, actor string) (map[tenant.Name]string, error)
	SetState(ctx context.Context, name tenant.Name, state tenant.State, actor, reason string) error
	SetVersions(ctx context.Context, name tenant.Name, versions map[string]tenant.Version, actor string, events ...tenant.Event) error
	DeleteTenant(ctx context.Context, name tenant.Name, actor, reason string) error
	Publish(ctx context.Context, event tenant.Event) error
}

// record tells the control database of the tenant before anything is made of it, and has its cell assigned and opened.
func (p *Provisioner) record(ctx context.Context, want request, outcome *Outcome) error {
	spec := want.spec
	outcome.Cell = cmp.Or(want.cell, soleCell)
	if p.Records != nil && want.cell == "" {
		if err := p.Records.UpsertTenant(ctx, spec, p.Actor); err != nil {
			return err
		}
		cell, err := p.Records.AssignCell(ctx, p.Instance, spec.Name, p.TenantsPerCell)
		if err != nil {
			return err
		}
		outcome.Cell = cell
	}
	services := spec.Services
	if want.lift || isLift(spec) {
		services = append([]string{lifted}, services...)
	}
	return p.openCell(ctx, outcome.Cell, services)
}

// recordAll is record for many new tenants, without opening their cells: nil where one of them stands in the way.
func (p *Provisioner) recordAll(ctx context.Context, specs []tenant.Spec) map[tenant.Name]string {
	if p.Records == nil {
		return nil
	}
	cells, err := p.Records.Enroll(ctx, p.Instance, specs, p.TenantsPerCell, p.Actor)
	if err != nil {
		return nil
	}
	return cells
}

// soleCell is the cell of every tenant where no records are kept.
const soleCell = "c1"

// recordDone tells the control database what the tenant is now. Nothing changed: nothing is told.
func (p *Provisioner) recordDone(ctx context.Context, spec tenant.Spec, fresh bool, outcome Outcome) error {
	if p.Records == nil || len(outcome.Steps) == 0 {
		return nil
	}
	versions := map[string]tenant.Version{}
	kind, message := "tenant.healed", "brought back to what is declared"
	if fresh {
		kind, message = "tenant.provisioned", fmt.Sprintf("provisioned in schema %s, cell %s", spec.Schema, outcome.Cell)
		for _, service := range spec.Services {
			versions[service] = tenant.Version{Number: p.version(p.streams[service])}
		}
	} else if err := p.recordChange(ctx, spec, versions); err != nil {
		return err
	}
	steps := make([]string, len(outcome.Steps))
	for i, step := range outcome.Steps {
		steps[i] = step.Describe
	}
	data, err := json.Marshal(map[string]any{"steps": steps})
	if err != nil {
		return fmt.Errorf("describe steps: %w", err)
	}
	event := tenant.Event{Type: kind, Tenant: spec.Name, Message: message, Data: data, Actor: p.Actor}
	if len(versions) > 0 {
		return p.Records.SetVersions(ctx, spec.Name, versions, p.Actor, event)
	}
	return p.Records.Publish(ctx, event)
}

// recordChange reads the versions of a tenant that was there before, and records the state that it has now.
func (p *Provisioner) recordChange(ctx context.Context, spec tenant.Spec, versions map[string]tenant.Version) error {
	found, err := stream.Versions(ctx, p.pool, []string{spec.Schema}, p.Streams)
	if err != nil {
		return err
	}
	maps.Copy(versions, found[spec.Schema])
	if spec.State == "" {
		return nil
	}
	return p.Records.SetState(ctx, spec.Name, spec.State, p.Actor, "")
}

func (p *Provisioner) note(ctx context.Context, event tenant.Event) error {
	if p.Records == nil {
		return nil
	}
	event.Actor = p.Actor
	return p.Records.Publish(ctx, event)
}

// cellsOf reads the cells that tenants have.
func (p *Provisioner) cellsOf(ctx context.Context, specs []tenant.Spec) (map[tenant.Name]string, error) {
	cells := make(map[tenant.Name]string, len(specs))
	if p.Records == nil {
		for _, spec := range specs {
			cells[spec.Name] = soleCell
		}
		return cells, nil
	}
	var filter registry.StatusFilter
	for _, spec := range specs {
		filter.Names = append(filter.Names, spec.Name)
	}
	statuses, err := p.Records.Statuses(ctx, filter)
	if err != nil {
		return nil, err
	}
	for _, status := range statuses {
		cells[status.Name] = status.Cell
	}
	return cells, nil
}
