package scope

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

// Records are where the tenants are written down; registry.Registry is.
type Records interface {
	Statuses(ctx context.Context, filter registry.StatusFilter) ([]tenant.Status, error)
	Events(ctx context.Context, after int64, filter registry.EventFilter) ([]tenant.Event, error)
	RouteEpoch(ctx context.Context) (int64, error)
	Follow(ctx context.Context, after int64, filter registry.EventFilter) iter.Seq2[tenant.Event, error]
}

// Directory knows all tenants, as the records have them a moment ago. When the records are away it keeps what it knew: services
// go on without the control plane.
type Directory struct {
	records  Records
	prefixes map[string]string // of roles, by instance
	log      *slog.Logger

	tenants sync.Map // of Tenant, by name
	epoch   atomic.Int64
	last    int64 // event read

	mu          sync.Mutex
	subscribers []func(Tenant)
}

// OpenDirectory reads the tenants. rolePrefixes are those of the instances, by name.
func OpenDirectory(ctx context.Context, records Records, rolePrefixes map[string]string, log *slog.Logger) (*Directory, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	d := &Directory{records: records, prefixes: rolePrefixes, log: log}
	return d, d.load(ctx)
}

// Tenant implements Tenants.
func (d *Directory) Tenant(name tenant.Name) (Tenant, error) {
	t, ok := d.tenants.Load(name)
	if !ok {
		return Tenant{}, fmt.Errorf("tenant %q: %w", name, tenant.ErrNotFound)
	}
	return t.(Tenant), nil // nothing else is put there
}

// All are the tenants, by name.
func (d *Directory) All() []Tenant {
	var list []Tenant
	for _, t := range d.tenants.Range {
		list = append(list, t.(Tenant)) // nothing else is put there
	}
	slices.SortFunc(list, func(a, b Tenant) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return list
}

// Epoch is up to which epoch the directory has the routes.
func (d *Directory) Epoch() int64 { return d.epoch.Load() }

// Subscribe has changed tells every change, in order, once the directory holds it. A tenant that is gone comes with state deleted.
func (d *Directory) Subscribe(changed func(Tenant)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.subscribers = append(d.subscribers, changed)
}

const followPause = time.Second

// Run keeps the directory fresh until ctx is over.
func (d *Directory) Run(ctx context.Context) {
	for ctx.Err() == nil {
		for event, err := range d.records.Follow(ctx, d.last, registry.EventFilter{}) {
			if err == nil {
				err = d.apply(ctx, event)
			}
			if err != nil {
				d.log.WarnContext(ctx, "tenants can't be read; those known stay", "error", err)
				break
			}
			d.last = event.ID
		}
		select {
		case <-ctx.Done():
		case <-time.After(followPause):
		}
	}
}

// epochOf is the epoch that an event brought; 0 where it brought none. Events come in the order of their epochs, so after one
// nothing up to its epoch is missing. The epoch of the tenant as it is read says less: it may be ahead of the event, and then
// other tenants' changes in between are yet to come.
func epochOf(event tenant.Event) int64 {
	var data struct {
		Epoch int64 `json:"epoch"`
	}
	if event.Type != "tenant.routed" && event.Type != "tenant.registered" || json.Unmarshal(event.Data, &data) != nil {
		return 0
	}
	return data.Epoch
}

func (d *Directory) load(ctx context.Context) error {
	newest, err := d.records.Events(ctx, 0, registry.EventFilter{Newest: true, Limit: 1})
	if err != nil {
		return err
	}
	if len(newest) > 0 {
		d.last = newest[0].ID
	}
	epoch, err := d.records.RouteEpoch(ctx) // before the tenants: they hold what it counts
	if err != nil {
		return err
	}
	statuses, err := d.records.Statuses(ctx, registry.StatusFilter{})
	if err != nil {
		return err
	}
	for i := range statuses {
		t := d.tenant(&statuses[i])
		d.tenants.Store(t.Name, t)
	}
	d.epoch.Store(epoch)
	return nil
}

// apply reads anew the tenant that an event is about.
func (d *Directory) apply(ctx context.Context, event tenant.Event) error {
	if event.Tenant == "" {
		return nil
	}
	statuses, err := d.records.Statuses(ctx, registry.StatusFilter{Names: []tenant.Name{event.Tenant}})
	if err != nil {
		return err
	}
	var t Tenant
	if len(statuses) > 0 {
		t = d.tenant(&statuses[0])
		d.tenants.Store(t.Name, t)
	} else {
		gone, known := d.tenants.LoadAndDelete(event.Tenant)
		if !known { // it came and went before we looked
			d.epoch.Store(max(d.epoch.Load(), epochOf(event)))
			return nil
		}
		t = gone.(Tenant) // nothing else is put there
		t.State = tenant.Deleted
	}
	d.epoch.Store(max(d.epoch.Load(), epochOf(event))) // before it is told: a gateway answers at once
	d.mu.Lock()
	subscribers := slices.Clone(d.subscribers)
	d.mu.Unlock()
	for _, changed := range subscribers {
		changed(t)
	}
	return nil
}

func (d *Directory) tenant(s *tenant.Status) Tenant {
	versions := make(map[string]uint64, len(s.Versions))
	for service, version := range s.Versions {
		versions[service] = version.Number
	}
	return Tenant{
		Name: s.Name, Instance: s.Instance, Cell: s.Cell, Schema: s.Schema, RolePrefix: d.prefixes[s.Instance], State: s.State,
		Route: s.Route, Epoch: s.Epoch, HeldFrom: s.HeldFrom, Versions: versions, Limits: s.Limits, Services: s.Services, Upstream: s.Upstream, SearchPath: s.SearchPath,
	}
}
