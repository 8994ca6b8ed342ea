package faults

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
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

// moment is a visit of a pause-point, as TENANTCTL_KILL_AT has it.
func moment(point pause.Name, visit int) string { return fmt.Sprintf("%s:%d", point, visit) }

// ofMoves are the moments that a move, or its way back, comes to.
func ofMoves() (points []pause.Name) {
	for _, point := range pause.All() {
		if !ofRollouts(point) && !ofServices(point) {
			points = append(points, point)
		}
	}
	return points
}

// Each run is killed where the one before it hadn't come to: at the first visit of every moment, and at the last ones, before which
// the others lie. What a run finds done it does not visit again, so that the visit after a last one is a first one.
func TestKilledAtEveryPausePoint(t *testing.T) {
	t.Parallel()
	last := visits(t)
	moves := [][]string{
		{
			moment(pause.StepStarted, 1), moment(pause.StepRan, 1), moment(pause.StepEnded, 1),
			moment(pause.FenceSet, 1), moment(pause.CopyChunkStreamed, 1), moment(pause.CopyChunkMarked, 1), moment(pause.CopyChunkCommitted, 1),
			moment(pause.DefinitionRan, 1), moment(pause.DefinitionCommitted, 1),
		},
		{moment(pause.CopyChunkStreamed, last[pause.CopyChunkStreamed]), moment(pause.CopyChunkMarked, 1), moment(pause.CopyChunkCommitted, 1)},
		{moment(pause.DefinitionRan, last[pause.DefinitionRan]), moment(pause.DefinitionCommitted, 1)},
		{moment(pause.StepStarted, last[pause.StepStarted]), moment(pause.StepRan, 1), moment(pause.StepEnded, 1)},
	}
	back := []string{moment(pause.FenceReleased, 1), moment(pause.RolledBack, 1)}
	all := strings.Join(append(slices.Concat(moves...), back...), " ") + " "
	for _, point := range ofMoves() {
		require.Contains(t, all, moment(point, 1)+" ", "no run dies there")
	}
	for i, kills := range moves {
		t.Run(fmt.Sprintf("moving %d", i), func(t *testing.T) {
			t.Parallel()
			killedMoving(t, kills...)
		})
	}
	t.Run("going back", func(t *testing.T) {
		t.Parallel()
		killedGoingBack(t, back...)
	})
}

func killedMoving(t *testing.T, kills ...string) {
	s := newScene(t, setting{})
	b := s.remember()
	for _, kill := range kills {
		s.dies(kill, migrate()...)
	}
	s.exits(0, migrate()...)
	s.moved(b)
}

func killedGoingBack(t *testing.T, kills ...string) {
	s := newScene(t, setting{})
	b := s.remember()
	s.exits(0, migrate()...)
	for _, kill := range kills {
		s.dies(kill, "rollback", "client-x")
	}
	s.exits(0, "rollback", "client-x")
	s.back(b)
}

// dies runs the program and wants it to have been killed at a moment.
func (s *scene) dies(kill string, args ...string) {
	s.t.Helper()
	died := s.run(kill, args...)
	require.Equal(s.t, syscall.SIGKILL, died.signal, "%s wasn't reached: %v ended with %d\n%s", kill, args, died.code, died.stderr)
}
