//go:build !pausepoints

package pause_test

import (
	"testing"

	"tenantctl/internal/operation/pause"
)

// In a binary that isn't made for such tests, no variable kills it.
func TestPointDoesNothing(t *testing.T) {
	t.Setenv("TENANTCTL_KILL_AT", string(pause.StepStarted))
	pause.Point(t.Context(), pause.StepStarted)
}
