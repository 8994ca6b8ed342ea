package tui

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/migrate"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

func TestFilter(t *testing.T) {
	t.Parallel()
	fleet := rowsOf(aFleet())
	for text, want := range map[string]int{
		"": 40, "client-00": 10, "!client-00": 30, "ring=canary": 4, "ring=can": 4, "!ring=canary": 36, "ring!=canary": 36, "state=suspended": 1, "state=": 40,
		"state=active !ring=canary": 34, "route=hold": 2, "op=migrate": 2, "op=failed": 1, "need=haste": 1, "need=h": 2, "shutting": 1, "nokey=x": 0, "service=core": 39,
	} {
		f, n := parseFilter(text), 0
		for i := range fleet {
			if f.keeps(fleet[i].search, fleet[i].values) {
				n++
			}
		}
		require.Equal(t, want, n, text)
	}
}

func TestTheCursorStaysOnItsTenant(t *testing.T) {
	t.Parallel()
	b := setup(t, aScript())
	b.press("j", "j", "j", "j", "j")
	on := b.app.top().targets()
	b.script.do(func(s *script) {
		s.fleet[30].Operation = failedMove("client-030")
		s.events = append(s.events, tenant.Event{ID: 100, Time: now, Type: "operation.failed", Tenant: "client-030", Message: "migrate failed"})
	})
	b.again()
	b.sees("2 can't write")
	require.Equal(t, on, b.app.top().targets(), "a row that moves up takes nobody's place")
}

func TestTenantsComeAndGo(t *testing.T) {
	t.Parallel()
	b := setup(t, aScript())
	b.script.do(func(s *script) {
		newcomer := s.fleet[1]
		newcomer.Name = "acme"
		s.fleet = append([]Tenant{newcomer}, s.fleet[:39]...)
		s.events = append(s.events, tenant.Event{ID: 100, Type: "tenant.registered", Tenant: "acme"}, tenant.Event{ID: 101, Type: "tenant.deleted", Tenant: "client-039"})
	})
	b.again()
	require.NotNil(t, b.app.tenant("acme"))
	require.Nil(t, b.app.tenant("client-039"))
	require.Len(t, b.app.fleet, 40)
}

func TestADisabledActionSaysWhy(t *testing.T) {
	t.Parallel()
	b := setup(t, aScript())
	b.write(":tenant client-022")
	b.press("enter", "M")
	b.sees("migrate: migrate is under way by bob@ops pid 4711")
	b.press("esc", "Z")
	b.sees("pause: this tenantctl has no command `pause`")
	fleet := aFleet()
	require.Empty(t, refusePause(&fleet[7]), "another override is no pause")
	require.NotEmpty(t, refuseUnpause(&fleet[7]))
	fleet[7].Override += ", pause=on"
	require.Equal(t, "it is paused already", refusePause(&fleet[7]))
	require.Empty(t, refuseUnpause(&fleet[7]))
	b.write(":resume client-001")
	b.press("enter")
	b.sees("resume: it is active already")
	b.write(":complete client-020")
	b.press("enter")
	b.sees("its move isn't through: migrate stands at copy")
	require.Empty(t, b.hands.asked)
	b.app.ReadOnly = true
	for _, v := range verbs() {
		b.press(v.key)
		b.sees("--readonly")
	}
	b.sees("read only")
	require.Empty(t, b.hands.asked)
	require.Empty(t, b.hands.done)
}

// TestWhatCantBeReachedFromHere has the control database away, and back a while later: the header and each action tell.
func TestWhatCantBeReachedFromHere(t *testing.T) {
	t.Parallel()
	b := setup(t, aScript())
	at := now
	b.app.Now = func() time.Time { return at }
	again := func(why string) {
		b.hands.unable = why
		at = at.Add(ableEvery)
		b.run(b.app.able())
	}
	again("what is done here needs tenants.yaml and its control database: connection refused")
	b.sees("read only")
	b.press("S")
	b.sees("suspend: what is done here needs tenants.yaml")
	b.press("x")
	b.sees("not now: what is done here needs tenants.yaml")
	b.press("esc")
	require.Nil(t, b.app.able(), "it isn't asked again at once")
	again("")
	b.sees("things can be done from here now")
	require.NotContains(t, plainFrame(b.frame()), "read only")
	b.press("S")
	require.Len(t, b.hands.asked, 1)
}

func TestNothingIsDoneBeforeItsPlanWasSeen(t *testing.T) {
	t.Parallel()
	b := setup(t, aScript())
	b.app.Update(keyOf("M")) // the plan is asked for and hasn't come
	require.NotNil(t, b.app.dialog)
	b.press("y", "enter", "y")
	require.Empty(t, b.hands.done)
	b.press("esc")
	b.sees("nothing was done")
	b.hands.refused = fmt.Errorf("refused: public.orders is neither mapped nor ignored")
	b.press("M", "y", "y")
	b.sees("neither mapped nor ignored", "it can't be done")
	require.Empty(t, b.hands.done)
}

func TestWhatDestroysWantsTheNameTyped(t *testing.T) {
	t.Parallel()
	b := setup(t, aScript())
	b.write(":complete client-002")
	b.press("enter", "y")
	b.write("client-003")
	b.press("enter")
	b.sees("that isn't \"client-002\": nothing was done")
	require.Empty(t, b.hands.done)
	b.press("y")
	b.write("client-002")
	b.press("enter")
	require.Equal(t, []Request{{Verb: "complete", Tenants: []tenant.Name{"client-002"}}}, b.hands.done)
}

func TestMarkedTenants(t *testing.T) {
	t.Parallel()
	b := setup(t, aScript())
	b.press("/")
	b.write("ring=canary !client-020")
	b.press("enter", "*")
	b.sees("3 marked")
	b.press("y")
	require.Equal(t, "client-000 client-010 client-030", b.copied)
	b.press("U")
	b.sees("upgrade client-000, client-010, client-030?")
	b.press("y")
	require.Equal(t, []tenant.Name{"client-000", "client-010", "client-030"}, b.hands.done[0].Tenants)
	require.Empty(t, b.app.pages[0].(*fleetPage).marks, "the marks are spent")
	b.press("*", "B")
	b.press("y")
	b.sees("rollback 3 tenants")
	b.press("esc", "x")
	b.sees("do something with client-000, client-010, client-030", "R  resume     not now: client-000: it is active already")
}

// TestKeysThatArriveAtOnce has keys come together, as over a slow line, and a text that is pasted.
func TestKeysThatArriveAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, aScript())
	b.press(":tenant", " ", "client-022", "enter")
	require.Equal(t, "client-022", b.app.top().crumb())
	b.press("esc", "g", "j", "j")
	one := b.app.top().targets()
	b.press("gjj")
	require.Equal(t, one, b.app.top().targets())
	b.press("g", "My")
	require.Empty(t, b.hands.done, "the plan wasn't seen when the second key was pressed")
	b.press("esc")
	paste := tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("Sy"), Paste: true}
	b.app.Update(paste)
	b.sees("what is pasted is taken where something is typed")
	require.Nil(t, b.app.dialog)
	b.press(":")
	b.app.Update(paste)
	require.Equal(t, "Sy", b.app.input.value())
}

func TestCommandsAreCompleted(t *testing.T) {
	t.Parallel()
	b := setup(t, aScript())
	b.press(":")
	b.write("mo")
	b.press("tab")
	require.Equal(t, "move", b.app.input.value())
	b.write(" client-02")
	b.press("tab", "tab", "tab", "enter")
	require.Equal(t, "move of client-022", b.app.top().crumb())
	for typed, said := range map[string]string{"nonsense": "no command is called nonsense", "r": "r may be rollouts, rollout, rollback, resume, retry", "tenant nobody": "no tenant is called nobody", "sort up": "sort orders the fleet"} {
		b.press(":")
		b.write(typed)
		b.press("enter")
		b.sees(said)
	}
}

// TestTheSourceGoesAwayAndComesBack looks at the screen meanwhile: it stays, keys work, the header tells.
func TestTheSourceGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	b := setup(t, aScript())
	at := now
	b.app.Now = func() time.Time { return at }
	b.script.do(func(s *script) { s.away = errAway })
	at = at.Add(12 * time.Second)
	b.again()
	b.sees("! control database is away for 12s: trying again", "connection refused", "client-020")
	b.press("j", "4")
	b.sees("fleet › events", "migrate: index done")
	b.again()
	require.Equal(t, 3, b.app.link.failures)
	b.script.do(func(s *script) { s.away = nil })
	b.again()
	b.sees("● live", "the control database answers again")
}

func TestASourceThatWasNeverThere(t *testing.T) {
	t.Parallel()
	s := aScript()
	s.away = errAway
	b := setup(t, s)
	b.sees("control database is away", "connection refused")
	b.press("2", "enter", "x", "esc", "1", "?", "esc", "G")
	s.do(func(s *script) { s.away = nil })
	b.again()
	b.sees("● live", "40 tenants")
}

// TestAnAnswerForAnotherPageIsDropped has a page's answer come after the reader went elsewhere.
func TestAnAnswerForAnotherPageIsDropped(t *testing.T) {
	t.Parallel()
	b := setup(t, aScript())
	_, late := b.app.Update(keyOf("enter")) // the move of client-020 is asked for
	b.app.Update(keyOf("esc"))              // and left
	msg := late().(polled)
	_, next := b.app.Update(msg)
	require.NotNil(t, next, "the page that is in front is asked next, at once")
	b.sees("40 tenants")
}

// TestManyEventsAreTakenAtOnce has 10,000 events come within a second: the model changes as often as the timer rings.
func TestManyEventsAreTakenAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, aScript())
	before := b.app.fleetEdition
	for i := range 10_000 {
		b.script.do(func(s *script) {
			s.events = append(s.events, tenant.Event{ID: int64(1000 + i), Time: now, Tenant: tenant.Name(fmt.Sprintf("client-%03d", i%40)), Message: "m"})
		})
	}
	for range 20 { // ten seconds
		b.again()
	}
	require.LessOrEqual(t, b.app.fleetEdition-before, 20, "twice a second, whatever happens")
	require.LessOrEqual(t, len(b.app.events), maxEvents)
	require.EqualValues(t, 10_999, b.app.lastEvent)
}

// TestLongAndHostileText has texts from outside that would move the cursor, ring the bell, or take forever to measure. However long
// they are, drawing them takes as many allocations: no more of them is looked at than fits a screen.
func TestLongAndHostileText(t *testing.T) {
	work := map[string][]float64{}
	for _, length := range []int{10_000, 1_000_000} {
		s := aScript()
		long := strings.Repeat("0123456789", length/10)
		s.events = append(s.events,
			tenant.Event{ID: 100, Time: now, Type: "x", Tenant: "client-001", Message: "\x1b[2J\x1b]52;c;aGk=\x07\a\r\n\u009b31m evil"},
			tenant.Event{ID: 101, Time: now, Type: "x", Tenant: "client-001", Message: long})
		s.logs = append(s.logs, LogLine{Number: 100, Time: now, Service: "core\x1b[2J", Tenant: "client-001", Text: "\x1b]52;c;aGk=\x07 evil"}, LogLine{Number: 101, Time: now, Text: long})
		d := s.details["client-020"]
		d.Last.Error = long + "\n\x1b[2J"
		b := setup(t, s)
		for _, keys := range [][]string{{"4"}, {"w"}, {"6"}, {"w"}, {"1", "enter"}, {"t"}} {
			b.press(keys...)
			frame := b.frame()
			fits(t, frame, 100, 30)
			require.NotContains(t, plainFrame(frame), "\x1b")
			require.NotContains(t, frame, "\x1b[2J")
			require.NotContains(t, frame, "\x1b]52")
			require.NotContains(t, frame, "\u009b")
			page := b.app.top().crumb() + keys[0]
			work[page] = append(work[page], testing.AllocsPerRun(3, func() { b.app.View() }))
		}
	}
	for page, allocations := range work {
		require.InEpsilon(t, allocations[0], allocations[1], 0.05, "%s: a text of 1 MB against one of 10 kB", page)
	}
}

// TestLogsOfATrace goes from a line to all that was written of the same click, and back.
func TestLogsOfATrace(t *testing.T) {
	t.Parallel()
	b := setup(t, aScript())
	b.press("6")
	b.sees("request failed", "X core", "mail sent")
	b.press("enter")
	b.sees("this line has no trace")
	b.press("k", "enter")
	b.press("w")
	b.sees("trace 4bf92f35", "order placed  order=4711", "connection refused")
	require.NotContains(t, plainFrame(b.frame()), "client-009")
	b.press("esc", " ")
	b.sees("ready")
	b.script.do(func(s *script) {
		s.logs = append(s.logs, LogLine{Number: 8, Time: now, Service: "core", Text: "something new"})
	})
	b.again()
	b.sees("something new")
	b.press(" ")
	b.script.do(func(s *script) {
		s.logs = append(s.logs, LogLine{Number: 9, Time: now, Service: "core", Text: "newer still"})
	})
	b.again()
	b.sees("paused; 1 line since")
	b.press(" ")
	b.sees("newer still")
	b.write("/error !fax")
	b.press("enter")
	require.NotContains(t, plainFrame(b.frame()), "something new")
	b.press("esc")
	b.write(":logs client-004")
	b.press("enter")
	b.sees("logs of client-004", "order=4711")
	require.NotContains(t, plainFrame(b.frame()), "order=12")
	b.write(":logs trace=0af7")
	b.press("enter")
	b.sees("trace 0af7", "order=12")
}

func TestEventsPauseAndGoOn(t *testing.T) {
	t.Parallel()
	b := setup(t, aScript())
	b.press("4", " ")
	b.script.do(func(s *script) {
		s.events = append(s.events, tenant.Event{ID: 100, Time: now, Tenant: "client-001", Message: "something new"})
	})
	b.again()
	b.sees("paused; 1 event since")
	require.NotContains(t, plainFrame(b.frame()), "something new")
	b.press(" ")
	b.sees("something new")
	b.press("k")
	b.sees("paused")
	b.press(" ", "/")
	b.write("failed !client-003")
	require.NotContains(t, plainFrame(b.frame()), "index done")
	b.press("esc")
	b.sees("something new")
}

func TestLeaving(t *testing.T) {
	t.Parallel()
	b := setup(t, aScript())
	quits := func(key string) bool {
		_, cmd := b.app.Update(keyOf(key))
		if cmd == nil {
			return false
		}
		_, quit := cmd().(tea.QuitMsg)
		return quit
	}
	require.True(t, quits("q"))
	aTask(b)
	require.False(t, quits("q"))
	b.sees("1 under way go on without the dashboard; once more leaves")
	require.False(t, quits("j"), "another key is another thought")
	require.False(t, quits("ctrl+c"))
	require.True(t, quits("ctrl+c"))
	_, cmd := b.app.Update(keyOf("ctrl+z"))
	require.IsType(t, tea.SuspendMsg{}, cmd())
	b.app.Update(tea.WindowSizeMsg{Width: 20, Height: 5})
	require.False(t, quits("q"))
	require.True(t, quits("q"), "also where nothing else can be done")
}

// TestATaskThatFailsIsToldOf on the page where one is, once.
func TestATaskThatFailsIsToldOf(t *testing.T) {
	t.Parallel()
	b := setup(t, aScript())
	at := now
	b.app.Now = func() time.Time { return at }
	b.press("enter", "M", "y")
	b.again()
	task := &b.hands.tasks[0]
	task.Ended, task.Code, task.Lines = true, 6, []string{"client-020 goes on", "error: the tenant was written to since the move", "next: ..."}
	b.again()
	b.sees("move of client-020", "migrate client-020, 5 tells more: error: the tenant was written to since the move")
	at = at.Add(time.Minute)
	b.again()
	require.NotContains(t, plainFrame(b.frame()), "5 tells more")
}

// TestAnAttemptThatWasKilled said neither that it was done nor that it failed; the next one was.
func TestAnAttemptThatWasKilled(t *testing.T) {
	t.Parallel()
	b := setup(t, aScript())
	b.script.do(func(s *script) {
		d := s.details["client-002"]
		killed := d.Steps[4]
		killed.State, killed.Ended = "started", time.Time{}
		d.Steps[4].Attempt = 2
		d.Steps = slices.Insert(d.Steps, 4, killed)
		s.details["client-002"] = d
	})
	b.write(":tenant client-002")
	b.press("enter")
	b.sees("✗ copy       died", "✓ copy       done     1.5 s  try 2")
	b.press("m")
	b.sees("✓ copy       done")
	require.NotContains(t, plainFrame(b.frame()), "died", "a move's page shows how each phase stands")
}

func TestStopATask(t *testing.T) {
	t.Parallel()
	b := setup(t, aScript())
	aTask(b)
	b.press("s")
	require.Equal(t, []int{1}, b.hands.stopped)
	b.sees("asked migrate client-020 to stop in good order")
	b.hands.tasks[0].Ended, b.hands.tasks[0].Code, b.hands.tasks[0].Took = true, -1, 3*time.Second
	b.again()
	b.sees("✗ migrate client-020  was killed after 3 s")
	b.press("y")
	require.Equal(t, b.hands.tasks[0].Log, b.copied)
}

func TestRetryOnARolloutIsAboutTheRollout(t *testing.T) {
	t.Parallel()
	b := setup(t, aScript())
	b.press("2", "enter", "j", "T", "y")
	require.Equal(t, []Request{{Verb: "retry"}}, b.hands.done)
}

// TestARolloutThatWasRolledBack isn't told to have gone back to what it was to bring.
func TestARolloutThatWasRolledBack(t *testing.T) {
	t.Parallel()
	b := setup(t, aScript())
	b.script.do(func(s *script) { s.rollouts[0].Rollout.State = upgrade.RolledBack })
	b.press("2", "enter")
	b.sees("rollout r7 rolled-back from core 6")
}

// TestTroubleIsFoundInFewKeys counts what it takes to find the one tenant of a fleet that needs somebody, see why, and go on.
func TestTroubleIsFoundInFewKeys(t *testing.T) {
	t.Parallel()
	b := setup(t, aScript())
	b.press("enter")
	b.sees("writes to its legacy database are BLOCKED", "the database system is shutting down")
	b.press("M")
	b.press("y")
	require.Equal(t, []Request{{Verb: migrate.Kind, Tenants: []tenant.Name{"client-020"}}}, b.hands.done)
}
