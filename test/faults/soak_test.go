//go:build soak

package faults

import "testing"

func TestSoakKilledAtRandomMoments(t *testing.T) {
	t.Parallel()
	killedAtRandom(t, 200)
}
