package migrate

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/migrate/verify"
	"tenantctl/internal/operation/pause"
	"tenantctl/internal/postgres"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

// Writes says what to do with rows that were written on the platform since the move.
type Writes string

// What a rollback may do with platform writes.
const (
	RefuseWrites  Writes = "refuse"
	DiscardWrites Writes = "discard" // after they were archived
)

// RolledBack is what a rollback did.
type RolledBack struct {
	Operation string `json:"operation"`
	Archive   string `json:"archive,omitempty"` // where discarded writes were kept
}

// Rollback gives the client its legacy database back: the route, then the writes. It may be run at any point of a move until
// complete, and again after it died. Where the tenant was written to since the cutover it refuses, unless told to discard.
func Rollback(ctx context.Context, config Config, writes Writes) (*RolledBack, error) {
	m, release, err := reopen(ctx, config)
	if err != nil {
		return nil, err
	}
	defer release()
	ctx, cancel := m.lease.Context(ctx)
	defer cancel()
	result := &RolledBack{Operation: m.op.ID}
	if completed, err := m.completed(ctx); err != nil || completed {
		return nil, errors.Join(err, m.refuseCompleted(completed))
	}
	planned, err := m.hasPlan(ctx)
	if err != nil {
		return nil, err
	}
	leaving, err := m.leaving(ctx)
	if err != nil {
		return nil, err
	}
	if planned && m.op.State == tenant.OperationDone && !leaving {
		if result.Archive, err = m.guardWrites(ctx, writes); err != nil {
			return nil, err
		}
	}
	if err := m.back(ctx); err != nil {
		return nil, err
	}
	if planned {
		if err := m.clearTarget(ctx); err != nil {
			return nil, err
		}
	}
	pause.Point(ctx, pause.RolledBack)
	if err := m.Registry.Finish(ctx, m.op.ID, tenant.OperationUndone, nil); err != nil {
		return nil, err
	}
	m.publish(ctx, "tenant.move.rolled-back", fmt.Sprintf("%s is back on its legacy database", m.Spec.Name))
	return result, nil
}

// reopen takes up the newest move of a tenant, with its lease, which a rollback that was killed at its very end has left.
func reopen(ctx context.Context, config Config) (*Move, func(), error) {
	lease, err := config.Registry.Acquire(ctx, leaseName(config.Spec.Name), registry.ThisProcess())
	if err != nil {
		return nil, nil, err
	}
	release := func() { _ = lease.Release(ctx) }
	op, err := config.Registry.LastOperation(ctx, config.Spec.Name, Kind)
	if err == nil && op.State == tenant.OperationUndone {
		err = fmt.Errorf("the move of %s was rolled back already: %w", config.Spec.Name, tenant.ErrConflict)
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	return &Move{Config: config, op: op, lease: lease}, release, nil
}

func (m *Move) hasPlan(ctx context.Context) (bool, error) {
	err := m.loadPlan(ctx)
	if errors.Is(err, tenant.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// leaving tells whether an earlier rollback that died has got past its guard: the tenant's rows may be gone already, and the
// client may write to its legacy database again.
func (m *Move) leaving(ctx context.Context) (bool, error) {
	route, _, err := m.Registry.Route(ctx, m.Spec.Name)
	if err != nil || route != tenant.RouteHold {
		return route == tenant.RouteLegacy, err
	}
	state, err := m.fence().Check(ctx)
	if err != nil && !errors.Is(err, tenant.ErrConflict) {
		return false, err
	}
	return state.Operation == "", nil
}

// guardWrites compares the tenant's rows with the proof of the move: only an equal set has nothing to lose.
func (m *Move) guardWrites(ctx context.Context, writes Writes) (archive string, err error) {
	report, err := LastReport(ctx, m.Registry, m.op.ID)
	if err != nil {
		return "", err
	}
	if report == nil {
		return "", fmt.Errorf("the move of %s has no proof to compare with: %w", m.Spec.Name, tenant.ErrConflict)
	}
	// Writes that come while we look would go unseen: the gateways hold them first.
	epoch, err := m.Registry.SetRoute(ctx, m.Spec.Name, tenant.RouteHold, m.Actor)
	if err != nil {
		return "", err
	}
	waiting, err := m.Registry.WaitAcknowledged(ctx, epoch, holdTimeout)
	if err == nil && len(waiting) > 0 {
		// No fence stands on the platform: what these still send on would be lost.
		err = tenant.WithHint(tenant.ErrLocked, "run the rollback again; a gateway that has died is waited for no longer than 10 s")
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("hold the tenant's traffic: gateways that haven't seen it: %v: %w", waiting, err), m.forward(ctx))
	}
	changed, err := m.changedSince(ctx, report)
	if err != nil {
		return "", errors.Join(err, m.forward(ctx))
	}
	if len(changed) == 0 {
		return "", nil
	}
	if writes != DiscardWrites {
		refusal := tenant.WithHint(fmt.Errorf("the tenant was written to since the move, in %v: %w", changed, tenant.ErrConflict),
			fmt.Sprintf("`tenantctl rollback %s --discard-platform-writes` archives these rows and goes back without them", m.Spec.Name))
		return "", errors.Join(refusal, m.forward(ctx))
	}
	return m.Tenancy.Archive(ctx, m.plan.Schemas)
}

// forward sends the traffic on to the platform again after a rollback that was refused.
func (m *Move) forward(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	_, err := m.Registry.SetRoute(ctx, m.Spec.Name, tenant.RoutePlatform, m.Actor)
	return err
}

// changedSince names the tables whose rows aren't the proven ones any more, and tables that the platform has filled since.
func (m *Move) changedSince(ctx context.Context, report *Report) ([]string, error) {
	reader := verify.Reader{Dial: m.dialRows, Jobs: m.Jobs, ChunkBytes: m.plan.ChunkBytes, Seed: m.plan.Seed}
	now, err := reader.Target(ctx, m.plan.Tables, m.plan.TargetNum)
	if err != nil {
		return nil, err
	}
	proven := map[string]verify.Proof{}
	for _, proof := range report.Tables {
		proven[postgres.Ident(proof.Target.Schema, proof.Target.Name)] = proof
	}
	var changed []string
	moved := map[string]bool{}
	for _, t := range m.plan.Tables {
		target := postgres.Ident(t.Target.Schema, t.Target.Name)
		sum, first := now[t.Name]
		if first && !moved[target] && !sum.Same(proven[target].Read) {
			changed = append(changed, t.Target.Schema+"."+t.Target.Name)
		}
		moved[target] = true
	}
	more, err := m.filledSince(ctx, moved)
	return append(changed, more...), err
}

// filledSince names tables of the tenant's schemas that the move left empty and that hold rows now.
func (m *Move) filledSince(ctx context.Context, moved map[string]bool) ([]string, error) {
	conn, err := m.dialTarget(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var others [][2]string
	var schema, name string
	err = postgres.Each(ctx, conn, `select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = any($1) and c.relkind = 'r' and c.relname not like 'schema\_migrations%' order by 1, 2`, []any{m.plan.Schemas}, []any{&schema, &name}, func() error {
		if !moved[postgres.Ident(schema, name)] {
			others = append(others, [2]string{schema, name})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the tenant's tables: %w", err)
	}
	var filled []string
	for _, other := range others {
		var any bool
		if err := conn.QueryRow(ctx, "select exists (select from "+postgres.Ident(other[0], other[1])+")").Scan(&any); err != nil {
			return nil, fmt.Errorf("look into %s.%s: %w", other[0], other[1], err)
		}
		if any {
			filled = append(filled, other[0]+"."+other[1])
		}
	}
	return filled, nil
}

// back gives the client its writes and its traffic again. The fence goes first: traffic must not meet it.
func (m *Move) back(ctx context.Context) error {
	done, err := m.Registry.StepsDone(ctx, m.op.ID)
	if err != nil {
		return err
	}
	fence := m.fence()
	fence.Stood = done[PhaseFence]
	if err := fence.Release(ctx); err != nil {
		return err
	}
	_, err = m.Registry.SetRoute(ctx, m.Spec.Name, tenant.RouteLegacy, m.Actor)
	return err
}

// clearTarget takes away what the move brought: lifted objects, rows of mapped tables, marks. Indexes and constraints that
// were off for the load go back on.
func (m *Move) clearTarget(ctx context.Context) error {
	conn, err := m.dialTarget(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if err := registry.OpenInstance(ctx, conn); err != nil {
		return err
	}
	if err := registry.RaiseToken(ctx, conn, leaseName(m.Spec.Name), m.lease.Token(), raiseOptions); err != nil {
		return err
	}
	// A lift brings more than tables, beside a mapping too: sequences, types, functions.
	if err := m.Tenancy.Clear(ctx, m.plan.Schemas); err != nil {
		return err
	}
	if m.plan.Mapped != nil {
		if err := m.emptyMapped(ctx, conn); err != nil {
			return err
		}
	}
	return registry.ForgetChunks(ctx, conn, m.op.ID, "")
}

// emptyMapped takes the mapped rows out of the services' tables and leaves these as provision made them. The marks say
// what has been rebuilt since: all comes off again first, so that it goes on exactly once.
func (m *Move) emptyMapped(ctx context.Context, conn *pgx.Conn) error {
	if m.plan.Stripped == nil {
		return nil
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := m.plan.Stripped.Strip(ctx, tx); err != nil {
			return err
		}
		for _, table := range m.plan.Mapped.Tables {
			if _, err := tx.Exec(ctx, "truncate "+postgres.Ident(m.plan.Schemas[0], table)+" restart identity"); err != nil {
				return fmt.Errorf("empty table %s: %w", table, err)
			}
		}
		phases := m.plan.Stripped.InOrder()
		for _, statement := range phases {
			if err := postgres.Script(ctx, tx, statement.SQL); err != nil {
				return fmt.Errorf("put back %s: %w", statement.Object(), err)
			}
		}
		return nil
	})
}
