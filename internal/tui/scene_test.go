package tui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/config"
	"tenantctl/internal/migrate"
	"tenantctl/internal/migrate/copy"
	"tenantctl/internal/migrate/verify"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

// now is when all scenes play.
var now = time.Date(2026, 11, 27, 10, 42, 0, 0, time.UTC)

// script is a source that says what a test wants said.
type script struct {
	mutex    sync.Mutex
	fleet    []Tenant
	details  map[tenant.Name]Detail
	rollouts []Rollout
	services []Service
	events   []tenant.Event
	logs     []LogLine
	queues   []Queue
	away     error
	asked    int           // for events, which every question begins with
	gate     chan struct{} // a question waits for it; nil: none does
}

func (s *script) Name() string { return "control database" }

// do changes what the script says.
func (s *script) do(change func(*script)) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	change(s)
}

func (s *script) Fleet(_ context.Context, names ...tenant.Name) ([]Tenant, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if len(names) == 0 {
		return append([]Tenant(nil), s.fleet...), s.away
	}
	var some []Tenant
	for _, t := range s.fleet {
		for _, n := range names {
			if t.Name == n {
				some = append(some, t)
			}
		}
	}
	return some, s.away
}

func (s *script) Tenant(_ context.Context, name tenant.Name) (Detail, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if d, there := s.details[name]; there {
		return d, s.away
	}
	for _, t := range s.fleet {
		if t.Name == name {
			return Detail{Tenant: t}, s.away
		}
	}
	return Detail{}, fmt.Errorf("tenant %s: %w", name, tenant.ErrNotFound)
}

func (s *script) Rollouts(context.Context, int) ([]upgrade.Rollout, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var all []upgrade.Rollout
	for _, r := range s.rollouts {
		all = append(all, r.Rollout)
	}
	return all, s.away
}

func (s *script) Rollout(_ context.Context, id string) (Rollout, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, r := range s.rollouts {
		if r.Rollout.ID == id {
			return r, s.away
		}
	}
	return Rollout{}, fmt.Errorf("rollout %s: %w", id, tenant.ErrNotFound)
}

func (s *script) Services(context.Context) ([]Service, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.services, s.away
}

func (s *script) Queues(context.Context) ([]Queue, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.queues, s.away
}

func (s *script) Logs(_ context.Context, q LogQuery) (Logs, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	made := Logs{Where: "/var/log/tenantctl"}
	for _, l := range s.logs {
		if l.Number > q.After && (q.Tenant == "" || l.Tenant == q.Tenant) && strings.HasPrefix(l.Trace, q.Trace) {
			made.Lines = append(made.Lines, l)
		}
	}
	return made, s.away
}

func (s *script) Events(ctx context.Context, after int64, limit int) ([]tenant.Event, error) {
	s.mutex.Lock()
	gate := s.gate
	s.mutex.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.asked++
	var some []tenant.Event
	for _, e := range s.events {
		if e.ID > after && len(some) < limit {
			some = append(some, e)
		}
	}
	return some, s.away
}

// hands are actions that only note what was asked of them.
type hands struct {
	mutex   sync.Mutex
	plan    Plan
	refused error
	asked   []Request
	done    []Request
	tasks   []Task
	stopped []int
	act     func(Request)
	unable  string
}

func (h *hands) Unable(context.Context) string {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.unable
}

func (h *hands) Missing(verb string) string {
	if strings.HasSuffix(verb, "pause") {
		return "this tenantctl has no command `" + verb + "`"
	}
	return ""
}

func (h *hands) Plan(_ context.Context, r Request) (Plan, error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.asked = append(h.asked, r)
	return h.plan, h.refused
}

func (h *hands) Do(r Request) (Task, error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.done = append(h.done, r)
	t := Task{ID: len(h.done), Request: r, Command: "tenantctl " + r.String(), Began: now}
	h.tasks = append([]Task{t}, h.tasks...)
	if h.act != nil {
		h.act(r)
	}
	return t, nil
}

func (h *hands) Tasks() []Task {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return append([]Task(nil), h.tasks...)
}

func (h *hands) Stop(id int) error {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.stopped = append(h.stopped, id)
	return nil
}

func colored(profile termenv.Profile, dark bool) Theme {
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(profile)
	r.SetHasDarkBackground(dark)
	return NewTheme(r)
}

// bundle is a dashboard without a terminal: keys go in, frames come out, timers never end.
type bundle struct {
	t      *testing.T
	app    *app
	script *script
	hands  *hands
	copied string
}

func setup(t *testing.T, s *script) *bundle {
	t.Helper()
	b := &bundle{t: t, script: s, hands: &hands{}}
	b.app = newApp(Options{
		Source: s, Actions: b.hands, Theme: Mono(), Now: func() time.Time { return now }, Copy: func(text string) { b.copied = text },
		Within: func(d time.Duration) (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), d)
		},
	})
	b.app.Update(tea.WindowSizeMsg{Width: 100, Height: 30})
	b.run(b.app.Init())
	return b
}

// run does what a command of the app does, and gives the app what comes of it, but for timers.
func (b *bundle) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case polled:
		b.app.Update(msg) // what it returns is the timer
	case planned, began, able:
		b.app.Update(msg)
	case tea.BatchMsg:
		for _, c := range msg {
			b.run(c)
		}
	}
}

// again asks the source as the timer would.
func (b *bundle) again() { b.run(b.app.poll()) }

func (b *bundle) press(keys ...string) {
	b.t.Helper()
	for _, k := range keys {
		_, cmd := b.app.Update(keyOf(k))
		b.run(cmd)
	}
}

func (b *bundle) write(s string) {
	for _, r := range s {
		b.press(string(r))
	}
}

func keyOf(k string) tea.KeyMsg {
	named := map[string]tea.KeyType{
		"enter": tea.KeyEnter, "esc": tea.KeyEsc, "tab": tea.KeyTab, "up": tea.KeyUp, "down": tea.KeyDown, "ctrl+c": tea.KeyCtrlC, "ctrl+z": tea.KeyCtrlZ,
		"ctrl+l": tea.KeyCtrlL, "ctrl+d": tea.KeyCtrlD, "ctrl+u": tea.KeyCtrlU, "home": tea.KeyHome, "end": tea.KeyEnd, "backspace": tea.KeyBackspace,
	}
	if kind, is := named[k]; is {
		return tea.KeyMsg{Type: kind}
	}
	if k == " " {
		return tea.KeyMsg{Type: tea.KeySpace, Runes: []rune{' '}}
	}
	return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(k)}
}

func (b *bundle) frame() string { return b.app.View() }

func (b *bundle) sees(parts ...string) {
	b.t.Helper()
	frame := plainFrame(b.frame())
	for _, p := range parts {
		require.Contains(b.t, frame, p)
	}
}

var errAway = errors.New("control database: dial tcp 127.0.0.1:5432: connection refused")

// aFleet is a fleet with one of everything that can be the matter with a tenant.
func aFleet() []Tenant {
	var fleet []Tenant
	for i := range 40 {
		name := tenant.Name(fmt.Sprintf("client-%03d", i))
		t := Tenant{Declared: true, Legacy: i%2 == 0, Status: tenant.Status{
			Name: name, Instance: "shared-1", Schema: "tenant_" + name.Ident(), Cell: "c1", Ring: "general", State: tenant.Active, Route: tenant.RoutePlatform,
			Epoch: int64(i + 1), Versions: map[string]tenant.Version{"core": {Number: 6}, "auth": {Number: 3}}, Services: []string{"auth", "core"},
			Limits:  tenant.Limits{StatementTimeout: 30 * time.Second, RequestsPerSecond: 200, Jobs: 4, Weight: 1},
			Created: now.Add(-90 * 24 * time.Hour), Updated: now.Add(-time.Duration(i) * time.Hour),
		}}
		switch {
		case i%10 == 0:
			t.Ring = "canary"
		case i == 7:
			t.State, t.Override = tenant.Suspended, "state=suspended"
		case i == 11:
			t.Versions["core"] = tenant.Version{Number: 5, Dirty: true}
		case i == 13:
			t.Status = tenant.Status{Name: name, Instance: "shared-1", Schema: "tenant_client_013", Ring: "general", State: Absent}
		}
		fleet = append(fleet, t)
	}
	fleet[20].Operation = failedMove("client-020")
	fleet[20].Route, fleet[20].HeldFrom = tenant.RouteHold, tenant.RouteLegacy
	fleet[22].Operation = runningMove("client-022", 0.4)
	fleet[22].Route = tenant.RouteHold
	fleet[24].Route = tenant.RouteLegacy
	return fleet
}

func failedMove(name tenant.Name) *tenant.Operation {
	return &tenant.Operation{
		ID: "op-" + string(name), Kind: migrate.Kind, Tenant: name, State: tenant.OperationFailed, Phase: migrate.PhaseCopy, Actor: "ann@ops", Reason: "ticket 4711",
		Error:   "copy: table orders: write to the platform: FATAL: the database system is shutting down (SQLSTATE 57P01)",
		Started: now.Add(-12 * time.Minute), Updated: now.Add(-9 * time.Minute), Progress: progressAt(0.61),
	}
}

func runningMove(name tenant.Name, share float64) *tenant.Operation {
	return &tenant.Operation{
		ID: "op-" + string(name), Kind: migrate.Kind, Tenant: name, State: tenant.OperationRunning, Phase: migrate.PhaseCopy, Actor: "bob@ops", Runner: "bob@ops pid 4711",
		Started: now.Add(-2 * time.Minute), Updated: now, Progress: progressAt(share),
	}
}

// progressAt is how far a copy of some tables is.
func progressAt(share float64) json.RawMessage {
	p := migrate.Progress{Phase: migrate.PhaseCopy, Of: 700 << 20, Rows: int64(share * 5e6), Bytes: int64(share * 600e6)}
	for i, name := range []string{"orders", "order_items", "customers", "invoices", "products"} {
		of := int64(200<<20) >> i
		p.Tables = append(p.Tables, migrate.TableProgress{Name: name, Rows: int64(share * 1e6), Expected: 1e6, Bytes: int64(share * float64(of)), Of: of, Done: i > 2})
	}
	body, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	return body
}

func stepsUntil(op, last, state, why string) []tenant.StepRecord {
	var steps []tenant.StepRecord
	at := now.Add(-12 * time.Minute)
	for i, phase := range migrate.Phases() {
		s := tenant.StepRecord{Operation: op, Step: phase, Attempt: 1, State: "done", Actor: "ann@ops", Started: at, Ended: at.Add(time.Duration(300*(i+1)) * time.Millisecond)}
		at = s.Ended
		if phase == last {
			s.State, s.Error = state, why
			if state == "started" {
				s.Ended = time.Time{}
			}
			return append(steps, s)
		}
		steps = append(steps, s)
	}
	return steps
}

// aScript is a whole world.
func aScript() *script {
	s := &script{fleet: aFleet(), details: map[tenant.Name]Detail{}}
	failed := s.fleet[20].Operation
	s.details["client-020"] = Detail{
		Tenant: s.fleet[20], Last: failed, Steps: stepsUntil(failed.ID, migrate.PhaseCopy, "failed", failed.Error), Events: someEvents("client-020", 6), Size: &Size{Tables: 11, Bytes: 36 << 20},
	}
	running := s.fleet[22].Operation
	s.details["client-022"] = Detail{Tenant: s.fleet[22], Last: running, Steps: stepsUntil(running.ID, migrate.PhaseCopy, "started", ""), Events: someEvents("client-022", 3)}
	s.details["client-002"] = movedDetail(s.fleet[2])
	s.details["client-007"] = Detail{Differs: []Difference{{What: "ring", Declared: "canary", Recorded: "general"}, {What: "upstream", Recorded: "http://client-007-app:8080"}}, Tenant: s.fleet[7], SizeWhy: "instance shared-1 is away", Overrides: []registry.Override{
		{Tenant: "client-007", Kind: "state", Value: "suspended", Actor: "ann@ops", Reason: "contract ended", At: now.Add(-26 * time.Hour)},
	}}
	s.rollouts = []Rollout{aRollout()}
	s.services = someServices()
	s.logs = someLogs()
	s.queues = []Queue{
		{Instance: "shared-1", Name: "jobs of core", Waiting: 1204, Running: 6, Oldest: 42 * time.Second, Tenants: []Waiter{
			{Tenant: "client-004", Waiting: 1200, Running: 4, Oldest: 42 * time.Second, Dwell: 41 * time.Second},
			{Tenant: "client-009", Waiting: 4, Running: 2, Oldest: 80 * time.Millisecond, Dwell: 120 * time.Millisecond},
		}},
		{Instance: "shared-1", Name: "events to send"},
		{Name: "notifications (broker)", Waiting: 12, Again: 3, Takers: 2},
		{Name: "mail (broker)", Waiting: 41},
		{Name: "parked (broker)", Waiting: 2, Parked: true},
	}
	s.events = someEvents("", 60)
	return s
}

func movedDetail(t Tenant) Detail {
	op := &tenant.Operation{ID: "op-2", Kind: migrate.Kind, Tenant: t.Name, State: tenant.OperationDone, Phase: migrate.PhaseCutover, Actor: "ann@ops", Started: now.Add(-2 * time.Hour), Updated: now.Add(-time.Hour)}
	return Detail{Tenant: t, Last: op, Steps: stepsUntil(op.ID, migrate.PhaseCutover, "done", ""), Proof: &migrate.Report{
		Equal: true, Rows: 497760, Bytes: 34 << 20, Tables: []verify.Proof{{Target: copy.Target{Name: "orders"}, Equal: true}, {Target: copy.Target{Name: "customers"}, Equal: true}},
		Ignored: []migrate.Left{{Object: "public.tmp_import", Reason: "scratch"}},
	}}
}

func someEvents(name tenant.Name, n int) []tenant.Event {
	var events []tenant.Event
	for i := range n {
		who := name
		if who == "" {
			who = tenant.Name(fmt.Sprintf("client-%03d", i%40))
		}
		e := tenant.Event{ID: int64(i + 1), Time: now.Add(-time.Duration(n-i) * 13 * time.Second), Tenant: who, Actor: "ann@ops", Type: "operation.step_done", Message: "migrate: index done"}
		if i%7 == 3 {
			e.Type, e.Message = "operation.step_failed", "migrate: copy failed: table orders: FATAL: the database system is shutting down, and so is everything that was waiting for it, with a text that is longer than a line"
		}
		events = append(events, e)
	}
	return events
}

func aRollout() Rollout {
	five := uint64(5)
	r := Rollout{Budget: &config.Budget{Failures: 3, Percent: 5}, Report: upgrade.Report{
		Rollout: upgrade.Rollout{
			ID: "r7", State: upgrade.Stopped, Whole: true, Targets: []upgrade.Target{{Service: "core", Version: 6}}, Wave: 2, Actor: "ann@ops", Started: now.Add(-20 * time.Minute), Updated: now,
			Error: "wave 2: 3 of 21 tenants failed, the budget allows 2",
			Waves: []upgrade.Wave{{Number: 1, Ring: "canary", Size: 4, Passed: true}, {Number: 2, Ring: "general", Size: 21}, {Number: 3, Ring: "general", Size: 15}},
		},
		Judgements: []upgrade.WaveJudgement{{Wave: 1, Judgement: upgrade.Judgement{
			Gate: "database", Verdict: upgrade.Pass, Message: "nothing waits", At: now,
			Figures: []upgrade.Figure{{Name: "sessions waiting for a lock", Value: 0, Limit: 5}, {Name: "oldest transaction", Value: 1.25, Limit: 60, Unit: "s"}},
		}}},
	}}
	for i := range 40 {
		name := tenant.Name(fmt.Sprintf("client-%03d", i))
		o := upgrade.Outcome{Member: upgrade.Member{Tenant: name, Instance: "shared-1", Schema: "tenant_" + name.Ident(), Ring: "general"}, Wave: 2, Result: upgrade.Upgraded, Attempts: 1, Before: map[string]*uint64{"core": &five}}
		switch {
		case i%10 == 0:
			o.Wave, o.Ring = 1, "canary"
		case i >= 24:
			o.Wave, o.Result, o.Attempts = 3, upgrade.Pending, 0
		case i == 11 || i == 12 || i == 15:
			o.Result = upgrade.Failed
			o.Failure = &upgrade.Failure{
				Service: "core", File: "000006_total.up.sql", Line: 3, Code: "23514", Message: fmt.Sprintf(`check constraint "total_positive" of relation "orders" is violated by some row of schema %s`, o.Schema),
				Statement: "alter table orders\n  add constraint total_positive check (total_cents >= 0)",
			}
		case i == 13:
			o.Result, o.Note = upgrade.Skipped, "it is being moved"
		}
		r.Tenants = append(r.Tenants, o)
	}
	return r
}

func someServices() []Service {
	var all []Service
	for i, name := range []string{"auth", "core", "core", "gateway", "users"} {
		s := Service{RunningService: registry.RunningService{
			ID: fmt.Sprintf("%s-%d", name, i), Service: name, URL: fmt.Sprintf("http://127.0.0.1:80%02d", i), Build: "v0.4.0", Started: now.Add(-3 * time.Hour), Seen: now,
			Serves: map[string]registry.ServedRange{name: {From: 4, To: 6}}, Calls: []string{"users"},
		}}
		if name == "users" {
			s.Why = "metrics: connection refused"
		} else {
			s.Traffic = &Traffic{Rate: 120.5 * float64(i+1), Errors: 0.002 * float64(i%2), P99: time.Duration(8*(i+1)) * time.Millisecond, Span: 2 * time.Second}
		}
		all = append(all, s)
	}
	return all
}

func someLogs() []LogLine {
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	said := func(n int64, level slog.Level, service, of, trace, text string) LogLine {
		return LogLine{Number: n, Time: now.Add(time.Duration(n-8) * time.Second), Level: level, Service: service, Tenant: tenant.Name(of), Trace: trace, Text: text}
	}
	return []LogLine{
		said(1, slog.LevelInfo, "gateway", "", "", "ready  address=127.0.0.1:8080"),
		said(2, slog.LevelInfo, "core", "client-004", trace, "order placed  order=4711  lines=3"),
		said(3, slog.LevelDebug, "core", "client-004", trace, "event written  type=order.placed"),
		said(4, slog.LevelWarn, "notifications", "client-004", trace, "message not handled  consumer=mail outcome=again attempt=1 error=\"connect to the mail server: dial tcp 127.0.0.1:25: connect: connection refused\""),
		said(5, slog.LevelInfo, "core", "client-009", "0af7651916cd43dd8448eb211c80319c", "order placed  order=12  lines=1"),
		said(6, slog.LevelInfo, "notifications", "client-004", trace, "mail sent  to=ann@example.com"),
		said(7, slog.LevelError, "core", "client-009", "", "request failed  route=\"GET /v1/orders\" status=500 error=\"column fax does not exist\""),
	}
}
