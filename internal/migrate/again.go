package migrate

import (
	"context"
	"fmt"
	"time"

	"tenantctl/internal/migrate/verify"
	"tenantctl/internal/tenant"
)

// VerifyAgain reads both sides of a move now, the legacy database included, and compares them. It changes nothing: the kept proof stays.
// Rows that the platform wrote since the cutover are differences.
func VerifyAgain(ctx context.Context, config Config) (*Report, error) {
	op, err := config.Registry.LastOperation(ctx, config.Spec.Name, Kind)
	if err != nil {
		return nil, err
	}
	m := &Move{Config: config, op: op}
	if op.State == tenant.OperationUndone {
		return nil, fmt.Errorf("the move of %s was rolled back, there is nothing to compare: %w", config.Spec.Name, tenant.ErrConflict)
	}
	if err := m.loadPlan(ctx); err != nil {
		return nil, err
	}
	began := time.Now()
	reader := verify.Reader{Dial: m.dialSource, Jobs: m.Jobs, ChunkBytes: m.plan.ChunkBytes, Seed: m.plan.Seed}
	sent, err := reader.Source(ctx, m.plan.Tables, m.plan.Version)
	if err != nil {
		return nil, err
	}
	reader.Dial = m.dialRows
	read, err := reader.Target(ctx, m.plan.Tables, m.plan.TargetNum)
	if err != nil {
		return nil, err
	}
	generated, err := m.verifyGenerated(ctx)
	if err != nil {
		return nil, err
	}
	report := m.newReport(verify.Compare(m.plan.Tables, sent, read), generated, time.Since(began))
	if state, err := m.fence().Check(ctx); err == nil {
		report.FenceLSN, report.FencedAt = state.LSN, state.SetAt
	}
	if err := m.descend(ctx, m.plan.Tables, report.Tables); err != nil {
		return nil, err
	}
	if !report.Equal {
		return &report, report.difference()
	}
	return &report, nil
}
