package migrate

import (
	"context"
	"errors"
	"fmt"

	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

const completeStep = "complete"

// Complete ends a move for good: there is no way back after it. The legacy database stays as it is, read only.
func Complete(ctx context.Context, config Config) (tenant.Operation, error) {
	m, release, err := reopen(ctx, config)
	if err != nil {
		return tenant.Operation{}, err
	}
	defer release()
	ctx, cancel := m.lease.Context(ctx)
	defer cancel()
	if m.op.State != tenant.OperationDone {
		return m.op, tenant.WithHint(fmt.Errorf("the move of %s isn't done, it stands at %s: %w", m.Spec.Name, m.op.Phase, tenant.ErrConflict),
			"finish it first: `tenantctl migrate "+string(m.Spec.Name)+"`")
	}
	if completed, err := m.completed(ctx); err != nil || completed {
		return m.op, err
	}
	attempt, err := m.Registry.StepStarted(ctx, m.op.ID, completeStep)
	if err != nil {
		return m.op, err
	}
	cause := m.forgetMarks(ctx)
	if err := m.Registry.StepEnded(ctx, m.op.ID, completeStep, attempt, cause); err != nil || cause != nil {
		return m.op, errors.Join(cause, err)
	}
	m.publish(ctx, "tenant.move.completed", fmt.Sprintf("the move of %s is complete; its legacy database stays read only", m.Spec.Name))
	return m.Registry.Operation(ctx, m.op.ID)
}

// forgetMarks takes the copy's marks off the instance: nothing will resume.
func (m *Move) forgetMarks(ctx context.Context) error {
	conn, err := m.dialTarget(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return registry.ForgetChunks(ctx, conn, m.op.ID, "")
}

func (m *Move) completed(ctx context.Context) (bool, error) {
	done, err := m.Registry.StepsDone(ctx, m.op.ID)
	return done[completeStep], err
}

func (m *Move) refuseCompleted(completed bool) error {
	if !completed {
		return nil
	}
	return tenant.WithHint(fmt.Errorf("the move of %s is complete, which was the point of no return: %w", m.Spec.Name, tenant.ErrConflict),
		"its legacy database is still there, read only; its schema tenantctl_fence says since when")
}
