package migrate

import (
	"fmt"
	"slices"
	"time"

	"tenantctl/internal/look"
	"tenantctl/internal/tenant"
)

// BlockedWrites tells that a move has stopped a client's writes to its legacy database and hasn't ended.
type BlockedWrites struct {
	Certain bool      `json:"certain"` // false: the fence was being set or its step failed; it may or may not stand
	Since   time.Time `json:"since"`
	Phase   string    `json:"phase"`            // where the move stands
	Runner  string    `json:"runner,omitempty"` // the process that goes on with it; empty: nobody does
	Release string    `json:"release"`          // the command that allows writes again
}

// MayBlock tells whether a move has come so far that its journal is worth a look.
func MayBlock(op *tenant.Operation) bool {
	return op != nil && op.Kind == Kind &&
		slices.Index(Phases(), op.Phase) >= slices.Index(Phases(), PhaseFence)
}

// FenceOf reads from a move's journal whether its fence stands; nil where it doesn't.
func FenceOf(op *tenant.Operation, steps []tenant.StepRecord) *BlockedWrites {
	var fence *tenant.StepRecord
	for i, step := range steps {
		if step.Step == PhaseFence && (fence == nil || step.Attempt >= fence.Attempt) {
			fence = &steps[i]
		}
	}
	if fence == nil || fence.State == "voided" {
		return nil
	}
	blocked := &BlockedWrites{
		Certain: fence.State == "done", Since: fence.Started, Phase: op.Phase, Runner: op.Runner,
		Release: "tenantctl rollback " + string(op.Tenant),
	}
	if blocked.Certain {
		blocked.Since = fence.Ended
	}
	return blocked
}

// Sentence is the line that nobody should miss.
func (b BlockedWrites) Sentence(name tenant.Name, now time.Time) string {
	verb := "are BLOCKED"
	if !b.Certain {
		verb = "may be BLOCKED"
	}
	head := fmt.Sprintf("%s: writes to its legacy database %s since %s (%s)", name, verb, look.Clock(b.Since, now), look.Duration(now.Sub(b.Since).Truncate(time.Second)))
	if b.Runner != "" {
		return fmt.Sprintf("%s by the move that runs, now at `%s`", head, b.Phase)
	}
	return fmt.Sprintf("%s by the move that stands at `%s`; `tenantctl migrate %s` goes on, `%s` releases them", head, b.Phase, name, b.Release)
}
