package operator

import (
	"context"
	"fmt"
	"slices"

	"tenantctl/internal/migrate"
	"tenantctl/internal/operator/reconcile"
	"tenantctl/internal/tenant"
)

// modeLive is a move that doesn't exist yet.
const modeLive = "live"

// untilComplete is a move that gives up its way back.
const untilComplete = "complete"

// moves tells whether a tenant's move has to go on: tenants.yaml asks for one, nobody has forbidden it, and it hasn't come as far
// as it may just now.
func (v *view) moves(t reconcile.Tenant) bool {
	move, asked := v.file.Move(t.Name)
	if !asked || !t.Spec.Legacy || t.Desired() != tenant.Active || t.Status == nil || t.Status.Overridden(reconcile.OverrideMove) == "off" {
		return false
	}
	if t.Status.Route == tenant.RoutePlatform {
		done := v.records[key{t.Name, TaskMove}]
		return move.Until == untilComplete && (done.Result != Settled || done.Declared != v.declared(t, TaskMove))
	}
	op := t.Operation()
	if op != nil && op.Kind != migrate.Kind {
		return false
	}
	return reached(op) < limit(v.stopBefore(t))
}

// reached is how many phases an operation has behind it.
func reached(op *tenant.Operation) int {
	if op == nil {
		return 0
	}
	n := slices.Index(migrate.Phases(), op.Phase)
	if op.State == tenant.OperationStopped {
		n++ // it stopped after that one
	}
	return n
}

// limit is how many phases may run.
func limit(stopBefore string) int {
	if n := slices.Index(migrate.Phases(), stopBefore); n >= 0 {
		return n
	}
	return len(migrate.Phases())
}

// stopBefore is the phase before which a move stops now: what `until` says, and, while its window is closed, the fence, behind
// which the client's writes stop. A move whose fence stands goes on: to stop would only keep the client waiting.
func (v *view) stopBefore(t reconcile.Tenant) string {
	move, _ := v.file.Move(t.Name)
	stop := map[string]string{
		"inspect": migrate.PhaseProvision, "plan": migrate.PhaseProvision, "provision": migrate.PhaseSchema, "copy": migrate.PhaseIndex,
		"index": migrate.PhaseVerify, "follow": migrate.PhaseVerify, "verify": migrate.PhaseCutover,
	}[move.Until]
	fence := slices.Index(migrate.Phases(), migrate.PhaseFence)
	if op := t.Operation(); op != nil && slices.Index(migrate.Phases(), op.Phase) >= fence {
		return stop
	}
	if !move.Window.Contains(v.now) && limit(stop) > fence {
		return migrate.PhaseFence
	}
	return stop
}

// move goes on with a move, as far as it may.
func (o *Operator) move(ctx context.Context, v *view, t reconcile.Tenant) (string, error) {
	if !v.moves(t) {
		return "", nil
	}
	move, _ := v.file.Move(t.Name)
	if move.Mode == modeLive {
		return "", tenant.WithHint(fmt.Errorf("move of %s: live moves don't exist yet: %w", t.Name, tenant.ErrRefused), "declare `mode: auto` or `mode: offline`")
	}
	stop := v.stopBefore(t)
	if t.Status.Route != tenant.RoutePlatform {
		if err := v.Move(ctx, t.Name, stop, o.drain); err != nil {
			return "", err
		}
	}
	switch {
	case stop == "" && move.Until == untilComplete:
		return "moved for good", v.Complete(ctx, t.Name)
	case stop == "":
		return "lives on the platform", nil
	}
	return fmt.Sprintf("stopped before %s, as declared", stop), nil
}
