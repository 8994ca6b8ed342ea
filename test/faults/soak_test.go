//go:build soak

package faults

import (
	"testing"

	"tenantctl/internal/operation/pause"
)

func TestSoakKilledAtRandomMoments(t *testing.T) {
	t.Parallel()
	killedAtRandom(t, 200)
}

// Each moment by itself: one kill, and the next run ends it.
func TestSoakKilledOnce(t *testing.T) {
	t.Parallel()
	last := visits(t)
	for _, point := range ofMoves() {
		for _, kill := range []string{moment(point, 1), moment(point, max(last[point], 1))} {
			t.Run(kill, func(t *testing.T) {
				t.Parallel()
				if point == pause.FenceReleased || point == pause.RolledBack {
					killedGoingBack(t, kill)
					return
				}
				killedMoving(t, kill)
			})
		}
	}
}
