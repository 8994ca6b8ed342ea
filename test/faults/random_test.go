package faults

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestKilledAtRandomMoments(t *testing.T) {
	t.Parallel()
	killedAtRandom(t, 10)
}

// seedVariable repeats the moments of an earlier run.
const seedVariable = "FAULTS_SEED"

// killedAtRandom kills so many runs of the program, every third of them a rollback, and runs each again.
func killedAtRandom(t *testing.T, count int) {
	t.Helper()
	seed := uint64(time.Now().UnixNano()) //nolint:gosec // any number will do
	if given := os.Getenv(seedVariable); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("%s=%d", seedVariable, seed)
	s := newScene(t, setting{})
	began := time.Now()
	s.exits(0, migrate()...)
	moving := time.Since(began)
	began = time.Now()
	s.exits(0, "rollback", "client-x")
	goingBack := time.Since(began)
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // moments need not be secret
	for i := range count {
		share := random.Float64()
		t.Run(fmt.Sprintf("%d at %.3f", i, share), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, setting{})
			b := s.remember()
			if i%3 == 2 {
				s.exits(0, migrate()...)
				s.killed(time.Duration(share*float64(goingBack)), "rolled back already", "rollback", "client-x")
				s.back(b)
				return
			}
			s.killed(time.Duration(share*float64(moving)), "was moved on", migrate()...)
			s.moved(b)
		})
	}
}

// A move prepares its schema on a throw-away server. Whoever is killed while that starts leaves it to the next run to end.
func TestKilledWhileTheThrowAwayServerStarts(t *testing.T) {
	t.Parallel()
	s := newScene(t, setting{initdb: true})
	b := s.remember()
	p := s.start("", migrate()...)
	s.until("no throw-away server was started", func() bool {
		started, err := filepath.Glob(filepath.Join(s.dir, "state", "tenantctl", "*-scratch-*", "postgres", "data", "postmaster.pid"))
		require.NoError(t, err)
		return len(started) > 0
	})
	require.NoError(t, p.cmd.Process.Kill())
	require.Equal(t, syscall.SIGKILL, s.wait(p).signal)
	s.exits(0, migrate()...)
	s.moved(b)
}

// killed kills the program after a while, and runs it again unless it had come to its end. done is what the second run says
// where the first had done everything when it died.
func (s *scene) killed(after time.Duration, done string, args ...string) {
	s.t.Helper()
	p := s.start("", args...)
	select {
	case <-p.done:
	case <-time.After(after):
		_ = p.cmd.Process.Kill() // it may have ended this moment
	}
	first := s.wait(p)
	if first.signal != syscall.SIGKILL {
		require.Zero(s.t, first.code, first.stderr)
		return
	}
	second := s.run("", args...)
	if second.code != 0 {
		require.Equal(s.t, 6, second.code, second.stderr)
		require.Contains(s.t, second.stderr, done)
	}
}
