package cli

import (
	"fmt"
	"slices"
	"time"

	"tenantctl/internal/look"
	"tenantctl/internal/migrate"
	"tenantctl/internal/tenant"
)

// blockedWrites tells that a move has stopped a client's writes to its legacy database and hasn't ended.
type blockedWrites struct {
	Certain bool      `json:"certain"` // false: the fence was being set or its step failed; it may or may not stand
	Since   time.Time `json:"since"`
	Phase   string    `json:"phase"`            // where the move stands
	Runner  string    `json:"runner,omitempty"` // the process that goes on with it; empty: nobody does
	Release string    `json:"release"`          // the command that allows writes again
}

// mayBlock tells whether a move has come so far that its journal is worth a look.
func mayBlock(op *tenant.Operation) bool {
	return op != nil && op.Kind == migrate.Kind &&
		slices.Index(migrate.Phases(), op.Phase) >= slices.Index(migrate.Phases(), migrate.PhaseFence)
}

// fenceOf reads from a move's journal whether its fence stands; nil where it doesn't.
func fenceOf(op *tenant.Operation, steps []tenant.StepRecord) *blockedWrites {
	var fence *tenant.StepRecord
	for i, step := range steps {
		if step.Step == migrate.PhaseFence && (fence == nil || step.Attempt >= fence.Attempt) {
			fence = &steps[i]
		}
	}
	if fence == nil || fence.State == "voided" {
		return nil
	}
	blocked := &blockedWrites{
		Certain: fence.State == "done", Since: fence.Started, Phase: op.Phase, Runner: op.Runner,
		Release: "tenantctl rollback " + string(op.Tenant),
	}
	if blocked.Certain {
		blocked.Since = fence.Ended
	}
	return blocked
}

// sentence is the line that nobody should miss.
func (b blockedWrites) sentence(name tenant.Name, now time.Time) string {
	verb := "are BLOCKED"
	if !b.Certain {
		verb = "may be BLOCKED"
	}
	head := fmt.Sprintf("%s: writes to its legacy database %s since %s (%s)", name, verb, clock(b.Since, now), look.Duration(now.Sub(b.Since).Truncate(time.Second)))
	if b.Runner != "" {
		return fmt.Sprintf("%s by the move that runs, now at `%s`", head, b.Phase)
	}
	return fmt.Sprintf("%s by the move that stands at `%s`; `tenantctl migrate %s` goes on, `%s` releases them", head, b.Phase, name, b.Release)
}

// clock is a time of day, with the date where it wasn't today.
func clock(at, now time.Time) string {
	at, now = at.Local(), now.Local()
	if at.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return at.Format("15:04")
	}
	return at.Format("2006-01-02 15:04")
}
