// Package records is the dashboard's source that reads the control database: what tenants, operations, rollouts and services have
// written there of themselves. It needs no other server; of the instances it asks what tenants' tables take, of the services what
// they answered, and shows without either where they don't say.
package records

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"tenantctl/internal/config"
	"tenantctl/internal/migrate"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
	"tenantctl/internal/tui"
	"tenantctl/internal/upgrade"
)

// Options are what a Source reads from.
type Options struct {
	// Registry opens the records; registry.ErrNotSetUp where there are none yet. It is asked until it gives one.
	Registry func(ctx context.Context) (*registry.Registry, error)
	// Declared is what tenants.yaml declares, by name.
	Declared func() ([]tenant.Spec, error)
	// Budget is how many tenants of a wave may fail; nil: it isn't known.
	Budget *config.Budget
	// Size asks an instance what a tenant's tables take; nil: nobody is asked.
	Size func(ctx context.Context, instance, schema string) (tui.Size, error)
	// Waiting asks an instance what waits there; nil: nobody is asked.
	Waiting func(ctx context.Context, instance string) ([]tui.Queue, error)
	// Broker asks the broker what waits there; nil: nobody is asked.
	Broker func(ctx context.Context) ([]tui.Queue, error)
	// LogsDir is where the platform's services of this machine keep their lines; empty: nowhere.
	LogsDir func() (string, error)
	// Platform is how running services are reached; nil is the default.
	Platform http.RoundTripper
	// Mask hides secrets in a text.
	Mask func(string) string
}

// Source implements tui.Source.
type Source struct {
	Options
	declared map[tenant.Name]tenant.Spec
	names    []tenant.Name // of declared, sorted
	sizes    sizes
	traffic  traffic
	queues   queues
	reading  sync.Mutex
	readers  []*reader // of the services' lines, who was asked last at the end
}

// New makes a Source. The declaration is read once: it changes with the file, which is edited elsewhere.
func New(o Options) (*Source, error) {
	specs, err := o.Declared()
	if err != nil {
		return nil, err
	}
	s := &Source{Options: o, declared: make(map[tenant.Name]tenant.Spec, len(specs)), traffic: newTraffic(o.Platform)}
	for _, spec := range specs {
		s.declared[spec.Name] = spec
		s.names = append(s.names, spec.Name)
	}
	slices.Sort(s.names)
	return s, nil
}

// Name implements tui.Source.
func (s *Source) Name() string { return "control database" }

// open is the registry, or nil where there are no records yet.
func (s *Source) open(ctx context.Context) (*registry.Registry, error) {
	r, err := s.Registry(ctx)
	if errors.Is(err, registry.ErrNotSetUp) {
		return nil, nil
	}
	return r, s.masked(err)
}

// masked is an error without secrets.
func (s *Source) masked(err error) error {
	if err == nil || s.Mask(err.Error()) == err.Error() {
		return err
	}
	return errors.New(s.Mask(err.Error()))
}

// Fleet implements tui.Source.
func (s *Source) Fleet(ctx context.Context, names ...tenant.Name) ([]tui.Tenant, error) {
	r, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	var statuses []tenant.Status
	if r != nil {
		if statuses, err = r.Statuses(ctx, registry.StatusFilter{Names: names}); err != nil {
			return nil, s.masked(err)
		}
	}
	if len(names) == 0 {
		names = s.names
	}
	return s.join(statuses, names), nil
}

// join is recorded tenants, and those of some names that are only declared, by name.
func (s *Source) join(statuses []tenant.Status, names []tenant.Name) []tui.Tenant {
	fleet := make([]tui.Tenant, 0, max(len(statuses), len(names)))
	recorded := make(map[tenant.Name]bool, len(statuses))
	for _, status := range statuses {
		recorded[status.Name] = true
		fleet = append(fleet, s.line(status))
	}
	for _, name := range names {
		if spec, declared := s.declared[name]; declared && !recorded[name] {
			fleet = append(fleet, tui.Tenant{Declared: true, Legacy: spec.Legacy, Status: tenant.Status{
				Name: name, Instance: spec.Instance, Schema: spec.Schema, Ring: spec.Ring, State: tui.Absent,
				Limits: spec.Limits, Services: spec.Services, Upstream: spec.Upstream,
			}})
		}
	}
	slices.SortFunc(fleet, func(a, b tui.Tenant) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return fleet
}

// line is a recorded tenant. What only pages about one tenant show is left out, which is most of a large fleet's memory.
func (s *Source) line(status tenant.Status) tui.Tenant {
	spec, declared := s.declared[status.Name]
	if op := status.Operation; op != nil {
		op.Detail = nil
		op.Error, op.Reason = s.Mask(op.Error), s.Mask(op.Reason)
	}
	return tui.Tenant{Status: status, Declared: declared, Legacy: spec.Legacy}
}

const tenantEvents = 50

// Tenant implements tui.Source.
func (s *Source) Tenant(ctx context.Context, name tenant.Name) (tui.Detail, error) {
	fleet, err := s.Fleet(ctx, name)
	if err != nil {
		return tui.Detail{}, err
	}
	if len(fleet) == 0 {
		return tui.Detail{}, fmt.Errorf("tenant %s: %w", name, tenant.ErrNotFound)
	}
	d := tui.Detail{Tenant: fleet[0]}
	r, err := s.open(ctx)
	if err != nil || r == nil {
		return d, err
	}
	if d.Overrides, err = r.Overrides(ctx, name); err != nil {
		return d, s.masked(err)
	}
	if d.Events, err = r.Events(ctx, 0, registry.EventFilter{Tenant: name, Newest: true, Limit: tenantEvents}); err != nil {
		return d, s.masked(err)
	}
	s.maskEvents(d.Events)
	if d.State != tui.Absent {
		s.size(ctx, &d)
		if spec, declared := s.declared[name]; declared {
			d.Differs = differences(spec, d.Status)
		}
	}
	return d, s.masked(s.operation(ctx, r, &d))
}

// operation adds the newest operation with its steps and its proof.
func (s *Source) operation(ctx context.Context, r *registry.Registry, d *tui.Detail) error {
	last, err := migrate.LastOperation(ctx, r, d.Operation, d.Name)
	if err != nil || last == nil {
		return err
	}
	last.Error, last.Reason = s.Mask(last.Error), s.Mask(last.Reason)
	d.Last = last
	if d.Steps, err = r.Steps(ctx, last.ID); err != nil {
		return err
	}
	for i := range d.Steps {
		d.Steps[i].Error = s.Mask(d.Steps[i].Error)
	}
	if last.Kind == migrate.Kind {
		d.Proof, err = migrate.LastReport(ctx, r, last.ID)
	}
	return err
}

// Events implements tui.Source.
func (s *Source) Events(ctx context.Context, after int64, limit int) ([]tenant.Event, error) {
	r, err := s.open(ctx)
	if err != nil || r == nil {
		return nil, err
	}
	events, err := r.Events(ctx, max(after, 0), registry.EventFilter{Limit: limit, Newest: after < 0})
	if err != nil {
		return nil, s.masked(err)
	}
	s.maskEvents(events)
	return events, nil
}

func (s *Source) maskEvents(events []tenant.Event) {
	for i := range events {
		events[i].Message, events[i].Data = s.Mask(events[i].Message), nil
	}
}

// store is the records of rollouts, or nil where there was none yet.
func (s *Source) store(ctx context.Context) (*upgrade.Store, error) {
	r, err := s.open(ctx)
	if err != nil || r == nil {
		return nil, err
	}
	store, err := upgrade.ReadStore(ctx, r.Pool())
	if errors.Is(err, tenant.ErrNotFound) {
		return nil, nil
	}
	return store, s.masked(err)
}

// Rollouts implements tui.Source.
func (s *Source) Rollouts(ctx context.Context, limit int) ([]upgrade.Rollout, error) {
	store, err := s.store(ctx)
	if err != nil || store == nil {
		return nil, err
	}
	all, err := store.Rollouts(ctx, limit)
	return all, s.masked(err)
}

// Rollout implements tui.Source.
func (s *Source) Rollout(ctx context.Context, id string) (tui.Rollout, error) {
	store, err := s.store(ctx)
	if err == nil && store == nil {
		err = fmt.Errorf("rollout %s: %w", id, tenant.ErrNotFound)
	}
	if err != nil {
		return tui.Rollout{}, err
	}
	report, err := store.Report(ctx, id)
	return tui.Rollout{Report: report, Budget: s.Budget}, s.maskedNotFound(err)
}

// maskedNotFound is masked, which leaves tenant.ErrNotFound to be told.
func (s *Source) maskedNotFound(err error) error {
	if errors.Is(err, tenant.ErrNotFound) {
		return err
	}
	return s.masked(err)
}
