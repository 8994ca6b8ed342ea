package faults

import (
	"fmt"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/operation/pause"
)

// visits tells how often a move of the shop comes to each moment.
func visits(t *testing.T) map[pause.Name]int {
	t.Helper()
	s := newScene(t, setting{})
	s.exits(0, migrate("--stop-before", "cutover")...)
	count := func(sql string) int {
		n, err := strconv.Atoi(s.ask(s.target, sql))
		require.NoError(t, err)
		return n
	}
	steps := count("select count(distinct step)::text from tenantctl.journal") + 1
	chunks := count(`select count(*)::text from tenantctl_instance.chunk where table_name not like '#%'`)
	definitions := count(`select count(*)::text from tenantctl_instance.chunk where table_name like '#%'`)
	require.Positive(t, count(`select max(chunk)::text from tenantctl_instance.chunk where table_name like '%big%'`), "no table of several chunks")
	t.Logf("%d steps, %d definitions, %d chunks", steps, definitions, chunks)
	return map[pause.Name]int{
		pause.StepStarted: steps, pause.StepRan: steps, pause.StepEnded: steps,
		pause.DefinitionRan: definitions, pause.DefinitionCommitted: definitions,
		pause.CopyChunkStreamed: chunks, pause.CopyChunkMarked: chunks, pause.CopyChunkCommitted: chunks,
	}
}

func TestKilledAtEveryPausePoint(t *testing.T) {
	t.Parallel()
	last := visits(t)
	for _, point := range pause.All() {
		if ofRollouts(point) || ofServices(point) {
			continue // TestRolloutKilledAtEveryPausePoint, and the tests of the bus and of jobs
		}
		for _, visit := range chosen(last[point]) {
			kill := fmt.Sprintf("%s:%d", point, visit)
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

// chosen are the first visit and the last, before which the others lie.
func chosen(last int) []int {
	if last > 1 {
		return []int{1, last}
	}
	return []int{1}
}

func killedMoving(t *testing.T, kill string) {
	s := newScene(t, setting{})
	b := s.remember()
	died := s.run(kill, migrate()...)
	require.Equal(t, syscall.SIGKILL, died.signal, "%s wasn't reached: the move ended with %d\n%s", kill, died.code, died.stderr)
	s.exits(0, migrate()...)
	s.moved(b)
}

func killedGoingBack(t *testing.T, kill string) {
	s := newScene(t, setting{})
	b := s.remember()
	s.exits(0, migrate()...)
	died := s.run(kill, "rollback", "client-x")
	require.Equal(t, syscall.SIGKILL, died.signal, "%s wasn't reached: the rollback ended with %d\n%s", kill, died.code, died.stderr)
	s.exits(0, "rollback", "client-x")
	s.back(b)
}
