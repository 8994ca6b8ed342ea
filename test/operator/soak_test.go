//go:build soak

package operator

import (
	"testing"
	"time"
)

// TestSoakOperatorsAreKilled is TestOperatorsAreKilled over 300 tenants for three minutes.
func TestSoakOperatorsAreKilled(t *testing.T) {
	chaos{tenants: 300, replicas: 3, lasts: 3 * time.Minute, kill: 4 * time.Second, settles: 5 * time.Minute}.run(t)
}

// TestSoakTheBrokerIsAway is TestTheBrokerIsAway for a whole minute.
func TestSoakTheBrokerIsAway(t *testing.T) { theBrokerIsAway(t, time.Minute) }
