package operator

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/postgres"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

// State is how operators stand, as the control database knows it.
type State struct {
	Generation Generation          `json:"generation"`
	Replicas   []Replica           `json:"replicas"`
	Paused     []registry.Override `json:"paused,omitempty"` // of the tenant "": the whole fleet
	Open       []Record            `json:"open,omitempty"`   // what isn't as declared
	Sinks      []SinkState         `json:"sinks,omitempty"`
}

// ReadStore is OpenStore for commands that only read. There being no records yet is tenant.ErrNotFound.
func ReadStore(ctx context.Context, pool *pgxpool.Pool) (*Store, error) {
	there, err := postgres.HasRecords(ctx, pool, "operators", "tenantctl_operator.sink")
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, NoneRan()
	}
	return &Store{pool: pool}, nil
}

// NoneRan is the error of asking after operators where none has ever run.
func NoneRan() error {
	return tenant.WithHint(fmt.Errorf("no operator has run yet: %w", tenant.ErrNotFound), "`tenantctl operator` starts one")
}

// StateOf reads how operators stand.
func StateOf(ctx context.Context, store *Store, records *registry.Registry) (s State, err error) {
	if s.Generation, err = store.Generation(ctx); err != nil {
		return s, err
	}
	if s.Replicas, err = store.Replicas(ctx); err != nil {
		return s, err
	}
	if s.Sinks, err = store.Sinks(ctx); err != nil {
		return s, err
	}
	overrides, err := records.Overrides(ctx, "")
	if err != nil {
		return s, err
	}
	for _, o := range overrides {
		if o.Kind == reconcile.OverridePause {
			s.Paused = append(s.Paused, o)
		}
	}
	all, err := store.Records(ctx)
	for _, r := range all {
		if r.Result != Settled {
			s.Open = append(s.Open, r)
		}
	}
	slices.SortFunc(s.Open, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Task, b.Task))
	})
	return s, err
}

// Work is what came of work on a tenant, by task.
func (s *Store) Work(ctx context.Context, name tenant.Name) ([]Record, error) {
	found, err := s.Records(ctx, name)
	return slices.SortedFunc(maps.Values(found), func(a, b Record) int { return cmp.Compare(a.Task, b.Task) }), err
}

// Pause is the override that has the operator leave a tenant alone, or, of the tenant "", the fleet.
func Pause(name tenant.Name, actor, reason string) registry.Override {
	return registry.Override{Tenant: name, Kind: reconcile.OverridePause, Value: "on", Actor: actor, Reason: reason}
}
