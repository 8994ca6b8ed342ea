package tui

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/teatest"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/migrate"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

// flow is a dashboard in a terminal of its own, with Bubble Tea's loop and its timers.
type flow struct {
	t     *testing.T
	tm    *teatest.TestModel
	hands *hands
}

func start(t *testing.T, s *script, act func(Request)) *flow {
	h := &hands{act: act, plan: Plan{Commands: []string{"tenantctl …"}}}
	a := newApp(Options{
		Source: s, Actions: h, Theme: Mono(), Now: func() time.Time { return now }, Every: 10 * time.Millisecond,
		Within: func(d time.Duration) (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), d)
		},
	})
	tm := teatest.NewTestModel(t, a, teatest.WithInitialTermSize(100, 30))
	t.Cleanup(func() { tm.WaitFinished(t, teatest.WithFinalTimeout(10*time.Second)) })
	return &flow{t, tm, h}
}

// shows waits until the screen was given some texts, in any order.
func (f *flow) shows(parts ...string) {
	f.t.Helper()
	teatest.WaitFor(f.t, f.tm.Output(), func(out []byte) bool {
		plain := []byte(ansi.Strip(string(out)))
		for _, p := range parts {
			if !bytes.Contains(plain, []byte(p)) {
				return false
			}
		}
		return true
	}, teatest.WithDuration(10*time.Second), teatest.WithCheckInterval(10*time.Millisecond))
}

func (f *flow) press(keys ...string) {
	for _, k := range keys {
		f.tm.Send(keyOf(k))
	}
}

// agrees presses an action's key, reads what is asked and answers y.
func (f *flow) agrees(key, question string) {
	f.t.Helper()
	f.press(key)
	f.shows(question, "y do it")
	f.press("y")
}

func (f *flow) leave() {
	f.press("q", "q")
	f.tm.WaitFinished(f.t, teatest.WithFinalTimeout(10*time.Second))
	_, err := io.ReadAll(f.tm.FinalOutput(f.t))
	require.NoError(f.t, err)
}

// TestAMoveIsTakenToItsEnd finds a failed move, goes on with it and watches it arrive.
func TestAMoveIsTakenToItsEnd(t *testing.T) {
	t.Parallel()
	s := aScript()
	stand := func(op *tenant.Operation, steps []tenant.StepRecord) {
		s.do(func(s *script) {
			d := s.details["client-020"]
			d.Last, d.Operation, d.Steps = op, op, steps
			if op.State == tenant.OperationDone {
				d.Operation, d.Route, d.Proof = nil, tenant.RoutePlatform, movedDetail(d.Tenant).Proof
			}
			s.details["client-020"] = d
			s.fleet[20].Operation, s.fleet[20].Route = d.Operation, d.Route
			s.events = append(s.events, tenant.Event{ID: int64(len(s.events) + 1), Time: now, Tenant: "client-020", Type: "operation.resumed", Message: "migrate"})
		})
	}
	f := start(t, s, func(Request) {
		stand(runningMove("client-020", 0.8), stepsUntil("op-client-020", migrate.PhaseCopy, "started", ""))
	})
	f.shows("client-020", "1 can't write")
	f.press("enter")
	f.shows("writes to its legacy database are BLOCKED", "shutting down", "M goes on where it stands")
	f.agrees("M", "migrate client-020?")
	f.shows("it goes on by itself to the end of cutover")
	done := &tenant.Operation{ID: "op-client-020", Kind: migrate.Kind, Tenant: "client-020", State: tenant.OperationDone, Phase: migrate.PhaseCutover, Actor: "ann@ops", Started: now, Updated: now}
	stand(done, stepsUntil(done.ID, migrate.PhaseCutover, "done", ""))
	f.shows("move done", "equal: every row arrived", "B gives the client its legacy database back, C ends the move for good")
	f.leave()
	require.Equal(t, []Request{{Verb: "migrate", Tenants: []tenant.Name{"client-020"}}}, f.hands.done)
}

// TestARolloutWithAFailingTenantIsResumed sees why a rollout stopped and has it go on.
func TestARolloutWithAFailingTenantIsResumed(t *testing.T) {
	t.Parallel()
	s := aScript()
	f := start(t, s, func(Request) {
		s.do(func(s *script) {
			r := &s.rollouts[0]
			r.Rollout.State, r.Rollout.Error = upgrade.Done, ""
			r.Tenants = append([]upgrade.Outcome(nil), r.Tenants...)
			for i := range r.Tenants {
				r.Tenants[i].Failure, r.Tenants[i].Result = nil, upgrade.Upgraded
			}
		})
	})
	f.shows("40 tenants")
	f.press("2")
	f.shows("r7", "stopped")
	f.press("enter")
	f.shows("3 of 21 tenants failed, the budget allows 2", "budget spent", "✗ 3 tenants: core 000006_total.up.sql:3", "add constraint total_positive")
	f.agrees("T", "retry")
	f.shows("rollout r7 done")
	f.leave()
	require.Equal(t, []Request{{Verb: "retry"}}, f.hands.done)
}

// TestARollbackWantsTheName gives a moved client its legacy database back.
func TestARollbackWantsTheName(t *testing.T) {
	t.Parallel()
	s := aScript()
	f := start(t, s, func(Request) {
		s.do(func(s *script) {
			d := s.details["client-002"]
			op := *d.Last
			op.State = tenant.OperationUndone
			d.Last, d.Route, d.Proof = &op, tenant.RouteLegacy, nil
			s.details["client-002"] = d
		})
	})
	f.shows("40 tenants")
	f.tm.Type(":move client-002")
	f.press("enter")
	f.shows("move done", "B gives the client its legacy database back")
	f.press("B")
	f.shows("rollback client-002?", "this can't be taken back")
	f.press("y")
	f.shows("type client-002 and enter")
	f.tm.Type("client-002")
	f.press("enter")
	f.shows("move rolled back", "the client is on its legacy database")
	f.leave()
	require.Equal(t, []Request{{Verb: "rollback", Tenants: []tenant.Name{"client-002"}}}, f.hands.done)
}

// TestATenantIsSuspendedAndResumed takes a tenant's service away and gives it back; each shows in its state.
func TestATenantIsSuspendedAndResumed(t *testing.T) {
	t.Parallel()
	s := aScript()
	f := start(t, s, func(r Request) {
		s.do(func(s *script) {
			s.fleet[4].State, s.fleet[4].Override = tenant.Active, ""
			if r.Verb == "suspend" {
				s.fleet[4].State, s.fleet[4].Override = tenant.Suspended, "state=suspended"
			}
			s.events = append(s.events, tenant.Event{ID: int64(len(s.events) + 1), Time: now, Tenant: "client-004", Type: "tenant.state_changed", Message: string(s.fleet[4].State)})
		})
	})
	f.shows("40 tenants")
	f.tm.Type(":tenant client-004")
	f.press("enter")
	f.shows("fleet › client-004", "active")
	f.press("R")
	f.shows("resume: it is active already")
	f.agrees("S", "suspend client-004?")
	f.shows("suspended")
	f.press("S")
	f.shows("suspend: it is suspended already")
	f.agrees("R", "resume client-004?")
	f.shows("active")
	f.press("R")
	f.shows("resume: it is active already")
	f.leave()
	require.Equal(t, []Request{{Verb: "suspend", Tenants: []tenant.Name{"client-004"}}, {Verb: "resume", Tenants: []tenant.Name{"client-004"}}}, f.hands.done)
}

// TestAFailedMoveIsTriedAgain has it fail once more, and then arrive.
func TestAFailedMoveIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := aScript()
	tries := 0
	f := start(t, s, func(Request) {
		s.do(func(s *script) {
			d := s.details["client-020"]
			if tries++; tries == 1 {
				op := failedMove("client-020")
				op.Error = "copy: table orders: disk full (SQLSTATE 53100)"
				d.Last, d.Operation = op, op
			} else {
				done := &tenant.Operation{ID: "op-client-020", Kind: migrate.Kind, Tenant: "client-020", State: tenant.OperationDone, Phase: migrate.PhaseCutover, Actor: "ann@ops", Started: now, Updated: now}
				d.Last, d.Operation, d.Route, d.Steps, d.Proof = done, nil, tenant.RoutePlatform, stepsUntil(done.ID, migrate.PhaseCutover, "done", ""), movedDetail(d.Tenant).Proof
			}
			s.details["client-020"] = d
			s.fleet[20].Operation, s.fleet[20].Route = d.Operation, d.Route
			s.events = append(s.events, tenant.Event{ID: int64(len(s.events) + 1), Time: now, Tenant: "client-020", Type: "operation.resumed", Message: "migrate"})
		})
	})
	f.shows("1 can't write")
	f.press("enter")
	f.shows("shutting down")
	f.agrees("T", "retry client-020?")
	f.shows("disk full")
	f.agrees("T", "retry client-020?")
	f.shows("move done", "equal: every row arrived")
	f.press("T")
	f.shows("retry: none of its work failed")
	f.leave()
	require.Len(t, f.hands.done, 2)
}

// TestKeysWorkWhileTheSourceHangs has the source not answer at all.
func TestKeysWorkWhileTheSourceHangs(t *testing.T) {
	t.Parallel()
	s := aScript()
	f := start(t, s, nil)
	f.shows("40 tenants")
	gate := make(chan struct{})
	s.do(func(s *script) { s.gate = gate })
	f.press("?")
	f.shows("every key of this page")
	f.press("esc", "3")
	f.shows("reading what runs")
	close(gate)
	f.shows("gateway")
	f.leave()
}

var _ tea.Model = (*app)(nil)
