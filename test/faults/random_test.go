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

// killedAtRandom kills so many runs of the program, two in a row of one move or, every third time, of its way back, and runs it again.
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
	for i := range count / 2 {
		first, second := random.Float64(), random.Float64()
		second *= 1 - first // of what is left then
		t.Run(fmt.Sprintf("%d at %.3f and %.3f", i, first, second), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, setting{})
			b := s.remember()
			if i%3 == 2 {
				s.exits(0, migrate()...)
				s.killed(moments(goingBack, first, second), "rolled back already", "rollback", "client-x")
				s.back(b)
				return
			}
			s.killed(moments(moving, first, second), "was moved on", migrate()...)
			s.moved(b)
		})
	}
}

func moments(whole time.Duration, shares ...float64) (after []time.Duration) {
	for _, share := range shares {
		after = append(after, time.Duration(share*float64(whole)))
	}
	return after
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

// killed kills the program after a while, and again the run that goes on with it, and runs it to its end. done is what a run says
// where the one before it had done everything when it died.
func (s *scene) killed(moments []time.Duration, done string, args ...string) {
	s.t.Helper()
	for i, after := range moments {
		p := s.start("", args...)
		select {
		case <-p.done:
		case <-time.After(after):
			_ = p.cmd.Process.Kill() // it may have ended this moment
		}
		if e := s.wait(p); e.signal != syscall.SIGKILL {
			s.ended(e, i > 0, done)
			return
		}
	}
	s.ended(s.run("", args...), true, done)
}

// ended wants a run to have come to its end well, or to say that one before it had.
func (s *scene) ended(e ended, again bool, done string) {
	s.t.Helper()
	if again && e.code == 6 {
		require.Contains(s.t, e.stderr, done)
		return
	}
	require.Zero(s.t, e.code, e.stderr)
}

// Whoever is killed when the move is over, and its throw-away server is not, leaves that to the next run, which has nothing to move.
func TestKilledAfterTheMove(t *testing.T) {
	t.Parallel()
	s := newScene(t, setting{})
	b := s.remember()
	p := s.start("", migrate()...)
	s.until("the move didn't end", func() bool {
		return s.ask(s.target, "select (to_regclass('tenantctl.operation') is not null)::text") == "true" &&
			s.ask(s.target, "select count(*)::text from tenantctl.operation where tenant = 'client-x' and state = 'done'") == "1"
	})
	_ = p.cmd.Process.Kill() // it may have ended this moment
	s.wait(p)
	s.exits(6, migrate()...)
	s.moved(b)
}
