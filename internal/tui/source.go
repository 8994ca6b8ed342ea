package tui

import (
	"context"
	"time"

	"tenantctl/internal/config"
	"tenantctl/internal/migrate"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

// Source is what the dashboard reads. Each question is asked by one goroutine at a time, is answered as of now, and ends with
// ctx. Texts come without secrets.
type Source interface {
	// Name says where the answers come from, for the header: "control database".
	Name() string
	// Fleet is how the tenants stand, by name; none named means all of them, declared ones of which nothing was made among them.
	// A tenant that was named and is gone is left out.
	Fleet(ctx context.Context, names ...tenant.Name) ([]Tenant, error)
	// Tenant is everything that is known of one; tenant.ErrNotFound where there is none of that name.
	Tenant(ctx context.Context, name tenant.Name) (Detail, error)
	// Rollouts lists the newest rollouts.
	Rollouts(ctx context.Context, limit int) ([]upgrade.Rollout, error)
	// Rollout is one with what came of its tenants and what its gates said.
	Rollout(ctx context.Context, id string) (Rollout, error)
	// Services lists what runs of the platform.
	Services(ctx context.Context) ([]Service, error)
	// Queues tells what waits on the instances, and for whom.
	Queues(ctx context.Context) ([]Queue, error)
	// Events gives events after an id, the oldest first, at most limit; after a negative id, the newest.
	Events(ctx context.Context, after int64, limit int) ([]tenant.Event, error)
	// Logs gives what services wrote after a line, or the newest lines. Of a query that it wasn't asked before it may begin with none.
	Logs(ctx context.Context, q LogQuery) (Logs, error)
}

// Tenant is one line of the fleet.
type Tenant struct {
	tenant.Status      // its State is Absent where nothing was made yet
	Declared      bool `json:"declared"`         // in tenants.yaml
	Legacy        bool `json:"legacy,omitempty"` // with a legacy database, so that it can be moved
}

// Absent is the state of a tenant that is declared and of which nothing was made yet.
const Absent tenant.State = "absent"

// Detail is everything about one tenant.
type Detail struct {
	Tenant
	Overrides []registry.Override `json:"overrides,omitempty"`
	Last      *tenant.Operation   `json:"last,omitempty"`    // the unfinished one, else the newest move, else the newest of any kind; nil: none
	Steps     []tenant.StepRecord `json:"steps,omitempty"`   // of Last
	Proof     *migrate.Report     `json:"proof,omitempty"`   // of Last; nil: none yet
	Events    []tenant.Event      `json:"events,omitempty"`  // the newest, oldest first
	Size      *Size               `json:"size,omitempty"`    // nil: it isn't known
	SizeWhy   string              `json:"sizeWhy,omitempty"` // why it isn't
	Differs   []Difference        `json:"differs,omitempty"` // of what is declared and what is recorded
}

// Difference is something that tenants.yaml says otherwise than the records.
type Difference struct {
	What     string `json:"what"`
	Declared string `json:"declared"`
	Recorded string `json:"recorded"`
}

// Size is what a tenant's tables take.
type Size struct {
	Tables int   `json:"tables"`
	Bytes  int64 `json:"bytes"`
}

// Rollout is a rollout with what judges it.
type Rollout struct {
	upgrade.Report
	Budget *config.Budget `json:"budget,omitempty"` // as it is declared now; nil: it isn't known
}

// Service is a process of the platform.
type Service struct {
	registry.RunningService
	Traffic *Traffic `json:"traffic,omitempty"` // nil: it didn't say
	Why     string   `json:"why,omitempty"`     // it didn't
}

// Traffic is what a process answered since it was asked before.
type Traffic struct {
	Rate   float64       `json:"rate"`   // requests a second
	Errors float64       `json:"errors"` // share of them that were answered with 5xx, 0 to 1
	P99    time.Duration `json:"p99"`    // 0 where there were none
	Span   time.Duration `json:"span"`   // over which this was measured
}
