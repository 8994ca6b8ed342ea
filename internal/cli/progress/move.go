package progress

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/look"
	"tenantctl/internal/migrate"
	"tenantctl/internal/operation"
	"tenantctl/internal/tenant"
)

// Move shows how a move goes. It implements migrate.Observer and may be told from several goroutines. Close it at the end.
type Move struct {
	streams *terminal.Streams
	tenant  tenant.Name
	mode    Mode
	now     func() time.Time

	mutex   sync.Mutex
	step    string // that runs; "" between steps
	began   time.Time
	rows    *migrate.Progress // of the running step; nil where it has none
	meter   look.Meter
	said    time.Time // when Plain last said how far it is
	ticking chan struct{}
	ticked  chan struct{}
}

const (
	redrawEvery = 100 * time.Millisecond
	sayEvery    = 5 * time.Second
)

// NewMove begins to show a move.
func NewMove(streams *terminal.Streams, mode Mode, name tenant.Name) *Move {
	m := &Move{streams: streams, tenant: name, mode: mode.on(streams), now: time.Now}
	if m.mode == Bar || m.mode == Plain {
		m.ticking, m.ticked = make(chan struct{}), make(chan struct{})
		go m.tick()
	}
	return m
}

// on decides what Auto means, and that a terminal which can't redraw gets lines.
func (m Mode) on(streams *terminal.Streams) Mode {
	switch {
	case m == Auto && streams.CanRedraw():
		return Bar
	case m == Auto || (m == Bar && !streams.CanRedraw()):
		return Plain
	}
	return m
}

// Close takes the bars away and ends what draws them.
func (m *Move) Close() {
	if m.ticking != nil {
		close(m.ticking)
		<-m.ticked
		m.ticking = nil
	}
	m.streams.Show()
}

// tick redraws a step that tells nothing of itself, so that a person sees time pass.
func (m *Move) tick() {
	defer close(m.ticked)
	ticker := time.NewTicker(redrawEvery)
	defer ticker.Stop()
	for {
		select {
		case <-m.ticking:
			return
		case <-ticker.C:
			m.mutex.Lock()
			m.refresh()
			m.mutex.Unlock()
		}
	}
}

// refresh shows where the running step stands: at each tick on a terminal, every few seconds in a log.
func (m *Move) refresh() {
	if m.step == "" {
		return
	}
	if m.mode == Bar {
		m.streams.Show(m.block()...)
		return
	}
	if now := m.now(); now.Sub(m.said) >= sayEvery {
		m.said = now
		m.line("%s: %s", m.step, m.standing())
	}
}

// Step implements migrate.Observer.
func (m *Move) Step(e operation.StepEvent) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	switch m.mode {
	case JSON:
		event := event{Type: "step", Step: e.Step, State: string(e.State), Attempt: e.Attempt, Seconds: e.Elapsed.Seconds()}
		if e.Err != nil {
			event.Error = e.Err.Error()
		}
		m.json(event)
	case Bar, Plain:
		m.stepForPeople(e)
	case Auto, None:
	}
}

func (m *Move) stepForPeople(e operation.StepEvent) {
	switch e.State {
	case operation.StepStarted:
		m.step, m.began, m.said, m.rows, m.meter = e.Step, m.now(), m.now(), nil, look.Meter{}
		if m.mode == Bar {
			m.streams.Show(m.block()...)
		}
		return
	case operation.StepSkipped:
		m.left(terminal.Green, look.SignDone, e.Step, "done", "by an earlier run")
		return
	case operation.StepDone:
		m.step = ""
		m.streams.Show()
		m.left(terminal.Green, look.SignDone, e.Step, "done", look.Duration(e.Elapsed)+m.total(e.Elapsed))
	case operation.StepFailed:
		m.step = ""
		m.streams.Show()
		m.left(terminal.Red, look.SignFailed, e.Step, "failed", look.Duration(e.Elapsed))
	}
}

// left is the line that a step leaves, as the dashboard lists it.
func (m *Move) left(style terminal.Style, sign, step, state, rest string) {
	m.line("%s %s", m.mark(style, sign), migrate.StepText(step, state, rest))
}

func (m *Move) mark(style terminal.Style, sign string) string { return m.streams.PaintErr(style, sign) }

// total is what a step moved, for the line that it leaves.
func (m *Move) total(elapsed time.Duration) string {
	if m.rows == nil || m.rows.Rows == 0 {
		return ""
	}
	text := fmt.Sprintf("  %s, %s", look.Plural(m.rows.Rows, "row", "rows"), look.Bytes(m.rows.Bytes))
	if elapsed > time.Second {
		text += fmt.Sprintf("  %s/s", look.Bytes(int64(float64(m.rows.Bytes)/elapsed.Seconds())))
	}
	return text
}

// Rows implements migrate.Observer.
func (m *Move) Rows(p migrate.Progress) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.rows = &p
	m.meter.Add(m.now(), p.Share(), p.Bytes)
	switch m.mode {
	case JSON:
		if now := m.now(); now.Sub(m.said) >= time.Second || p.Share() >= 1 {
			m.said = now
			m.json(event{Type: "progress", Step: p.Phase, Progress: &p, Share: p.Share(), BytesPerSecond: m.meter.Rate()})
		}
	case Bar, Plain:
		m.refresh()
	case Auto, None:
	}
}

// Finding implements migrate.Observer.
func (m *Move) Finding(message string) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	switch m.mode {
	case JSON:
		m.json(event{Type: "finding", Message: message})
	case None:
	case Bar, Plain, Auto:
		m.line("%s %s", m.mark(terminal.Yellow, "warning:"), message)
	}
}

func (m *Move) line(format string, args ...any) {
	_, _ = fmt.Fprintf(m.streams.Err, format+"\n", args...) // nobody left to tell
}

// event is a line of JSON progress.
type event struct {
	APIVersion     string            `json:"apiVersion"`
	Kind           string            `json:"kind"`
	Time           time.Time         `json:"time"`
	Tenant         tenant.Name       `json:"tenant,omitempty"`
	Type           string            `json:"type"` // step, progress, finding, fleet, wave, tenant or gate
	Step           string            `json:"step,omitempty"`
	State          string            `json:"state,omitempty"`
	Attempt        int               `json:"attempt,omitempty"`
	Seconds        float64           `json:"seconds,omitempty"`
	Error          string            `json:"error,omitempty"`
	Message        string            `json:"message,omitempty"`
	Share          float64           `json:"share,omitempty"` // of the bytes, 0 to 1
	BytesPerSecond int64             `json:"bytesPerSecond,omitempty"`
	Progress       *migrate.Progress `json:"progress,omitempty"`
	Wave           int               `json:"wave,omitempty"`
	Done           int               `json:"done,omitempty"`
	Failed         int               `json:"failed,omitempty"`
	Of             int               `json:"of,omitempty"`
}

func (m *Move) json(e event) {
	e.Tenant, e.Time = m.tenant, m.now().UTC()
	writeEvent(m.streams.Err, e)
}

func writeEvent(out io.Writer, e event) {
	e.APIVersion, e.Kind = output.APIVersion, "ProgressEvent"
	body, err := json.Marshal(e)
	if err != nil {
		return // progress is for show
	}
	_, _ = out.Write(append(body, '\n'))
}
