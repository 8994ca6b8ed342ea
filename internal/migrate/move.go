package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/time/rate"

	"tenantctl/internal/migrate/copy"
	"tenantctl/internal/migrate/cutover"
	"tenantctl/internal/migrate/lift"
	"tenantctl/internal/operation"
	"tenantctl/internal/postgres"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

// Kind is how a move is called among operations.
const Kind = "migrate"

// Tenancy makes and looks after what belongs to a tenant on its instance. Provision implements it.
type Tenancy interface {
	// Provision makes the tenant's schemas and roles, its services' tables included. It may be called again. owner is the role
	// that is to own what is lifted.
	Provision(ctx context.Context, schemas []string) (owner string, err error)
	// Grant gives the tenant's roles what they need on what has been loaded.
	Grant(ctx context.Context, schemas []string) error
	// Streams builds the tables of the tenant's services in a schema of any database, without roles.
	Streams(ctx context.Context, conn *pgx.Conn, schema string) error
	// Clear empties the tenant's schemas of everything that a lift put there, and drops the schemas beside the main one.
	Clear(ctx context.Context, schemas []string) error
	// Archive keeps the tenant's data as it is now in a file, and says where.
	Archive(ctx context.Context, schemas []string) (path string, err error)
}

// Config is what a move works with.
type Config struct {
	Spec     tenant.Spec
	Source   string // DSN of the legacy database, as its owner
	Target   string // DSN of the shared instance, as tenantctl's administrator
	Registry *registry.Registry
	Tenancy  Tenancy
	Scratch  lift.Scratch
	Tools    postgres.Tools
	Actor    string
	Reason   string

	Jobs          int           // parallel streams and index builds
	ChunkBytes    int64         // 0: copy.DefaultChunkBytes
	MaxRate       int64         // bytes a second read from the legacy database; 0: no bound
	StopBefore    string        // step before which to stop
	FencePatience time.Duration // how long to wait for the client's transactions; 0: cutover's default
	Drain         <-chan struct{}
	Observer      Observer // nil is allowed
}

// Observer is told how a move goes. It may be called from several goroutines.
type Observer interface {
	Step(event operation.StepEvent)
	Rows(progress Progress)
	Finding(message string)
}

// Move is one move under way.
type Move struct {
	Config
	op    tenant.Operation
	lease *registry.Lease
	plan  *Plan
	watch *copy.Progress
}

// Run moves the tenant, or goes on where an earlier run stopped. The result holds the proof once there is one.
func Run(ctx context.Context, config Config) (*Result, error) {
	m := &Move{Config: config, watch: copy.NewProgress()}
	lease, err := config.Registry.Acquire(ctx, leaseName(config.Spec.Name), registry.ThisProcess())
	if err != nil {
		return nil, err
	}
	m.lease = lease
	defer func() { _ = lease.Release(ctx) }() // a lease that can't be released ends with its session
	ctx, cancel := lease.Context(ctx)
	defer cancel()
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	err = m.run(ctx)
	return m.finish(ctx, err)
}

func leaseName(name tenant.Name) string { return registry.LeaseName(name) }

// begin finds the unfinished operation or begins one, and makes sure that no earlier holder of the lease writes any more.
func (m *Move) begin(ctx context.Context) error {
	if err := m.refuseMoved(ctx); err != nil {
		return err
	}
	if err := m.Registry.UpsertTenant(ctx, m.Spec, m.Actor); err != nil {
		return err
	}
	op, resumed, err := m.Registry.Begin(ctx, m.Spec.Name, Kind, m.Actor, m.Reason, nil)
	if err != nil {
		return err
	}
	m.op = op
	if !resumed {
		m.publish(ctx, "tenant.move.started", "the move of "+string(m.Spec.Name)+" begins")
	}
	conn, err := m.dialTarget(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if err := registry.OpenInstance(ctx, conn); err != nil {
		return err
	}
	return registry.RaiseToken(ctx, conn, leaseName(m.Spec.Name), m.lease.Token(), raiseOptions)
}

// raiseOptions end the sessions of an earlier holder of the lease that hang on an open transaction.
var raiseOptions = registry.RaiseOptions{Wait: 5 * time.Second, Terminate: true} //nolint:gochecknoglobals // a constant

// refuseMoved refuses to move a tenant that lives on the platform already.
func (m *Move) refuseMoved(ctx context.Context) error {
	last, err := m.Registry.LastOperation(ctx, m.Spec.Name, Kind)
	if errors.Is(err, tenant.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if last.State == tenant.OperationDone {
		return tenant.WithHint(fmt.Errorf("tenant %s was moved on %s: %w", m.Spec.Name, last.Updated.Format(time.DateTime), tenant.ErrConflict),
			fmt.Sprintf("see `tenantctl status %[1]s`; `tenantctl rollback %[1]s` goes back to the legacy database", m.Spec.Name))
	}
	return nil
}

func (m *Move) run(ctx context.Context) error {
	runner := operation.Runner{Journal: m.Registry, Lease: m.lease, Observe: m.observe, StopBefore: m.StopBefore, Drain: m.Drain}
	return runner.Run(ctx, m.op.ID, m.steps())
}

// finish records how the run ended.
func (m *Move) finish(ctx context.Context, cause error) (*Result, error) {
	state := tenant.OperationDone
	switch {
	case errors.Is(cause, tenant.ErrStopped), errors.Is(cause, tenant.ErrInterrupted):
		state = tenant.OperationStopped
	case cause != nil:
		state = tenant.OperationFailed
	}
	if postgres.Code(cause) == diskFull {
		cause = tenant.WithHint(cause, fmt.Sprintf("make room on that server's disk; `tenantctl migrate %s` goes on where it stopped", m.Spec.Name))
	}
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if err := m.Registry.Finish(cleanup, m.op.ID, state, cause); err != nil {
		cause = errors.Join(cause, err)
	}
	result, err := m.result(cleanup)
	return result, errors.Join(cause, err)
}

// diskFull is the SQLSTATE disk_full.
const diskFull = "53100"

const cleanupTimeout = 10 * time.Second

func (m *Move) observe(event operation.StepEvent) {
	if m.Observer != nil {
		m.Observer.Step(event)
	}
}

func (m *Move) publish(ctx context.Context, kind, message string) {
	// An event that can't be written is in the journal all the same.
	_ = m.Registry.Publish(ctx, tenant.Event{Type: kind, Tenant: m.Spec.Name, Actor: m.Actor, Message: message})
}

func (m *Move) fence() cutover.Fence {
	return cutover.Fence{Dial: m.dialOwner, Operation: m.op.ID, Tenant: m.Spec.Name, Patience: m.FencePatience}
}

func (m *Move) limiter() *rate.Limiter {
	if m.MaxRate <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(m.MaxRate), int(max(m.MaxRate/4, minBurst)))
}

// minBurst lets a whole buffer of the copy pass at once.
const minBurst = 1 << 20
