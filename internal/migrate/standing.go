package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tenantctl/internal/look"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

// Standing is an unfinished operation in a few words: migrate copy 61%, 2m; migrate failed at copy, 12m ago.
func Standing(op *tenant.Operation, now time.Time) string {
	if op == nil {
		return ""
	}
	age := look.Age(now.Sub(op.Updated))
	switch {
	case op.State == tenant.OperationFailed:
		return fmt.Sprintf("%s failed at %s, %s ago", op.Kind, op.Phase, age)
	case op.State == tenant.OperationStopped:
		return fmt.Sprintf("%s stopped after %s, %s ago", op.Kind, op.Phase, age)
	case op.Runner == "":
		return fmt.Sprintf("%s died at %s, %s ago", op.Kind, op.Phase, age)
	}
	return fmt.Sprintf("%s %s%s, %s", op.Kind, op.Phase, shareText(op), look.Age(now.Sub(op.Started)))
}

// shareText is how far the phase is, where the operation says so of the phase that it is in.
func shareText(op *tenant.Operation) string {
	var p Progress
	if len(op.Progress) == 0 || json.Unmarshal(op.Progress, &p) != nil || p.Phase != op.Phase {
		return ""
	}
	return fmt.Sprintf(" %.0f%%", 100*p.Share())
}

// State says in words where an operation stands, for people.
func State(op *tenant.Operation) string {
	switch {
	case op.State == tenant.OperationFailed:
		return "failed at " + op.Phase
	case op.State == tenant.OperationStopped:
		return "stopped after " + op.Phase
	case op.State == tenant.OperationRunning && op.Runner == "":
		return "died at " + op.Phase
	case op.State == tenant.OperationRunning:
		return "runs, now at " + op.Phase
	}
	return strings.ReplaceAll(string(op.State), "-", " ")
}

// MayGoBack tells that a tenant was moved and that the way back is still open.
func MayGoBack(last *tenant.Operation, steps []tenant.StepRecord) bool {
	return last != nil && last.Kind == Kind && last.State == tenant.OperationDone &&
		!slices.ContainsFunc(steps, func(s tenant.StepRecord) bool { return s.Step == completeStep && s.State == "done" })
}

// LastOperation is the unfinished operation, else the newest move, else the newest of any kind.
func LastOperation(ctx context.Context, records *registry.Registry, unfinished *tenant.Operation, name tenant.Name) (*tenant.Operation, error) {
	if unfinished != nil {
		return unfinished, nil
	}
	last, err := records.LastOperation(ctx, name, Kind)
	if errors.Is(err, tenant.ErrNotFound) {
		last, err = records.LastOperation(ctx, name, "")
	}
	if errors.Is(err, tenant.ErrNotFound) {
		return nil, nil
	}
	return &last, err
}
