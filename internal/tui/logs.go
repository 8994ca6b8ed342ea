package tui

import (
	"context"
	"log/slog"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"tenantctl/internal/tenant"
)

// LogQuery says which of the services' lines are wanted.
type LogQuery struct {
	Tenant tenant.Name // "": all
	Trace  string      // or its beginning; "": all
	After  int64       // a line's number; 0: the newest that there are
}

// LogLine is a line that a service wrote, without what is too long to look at.
type LogLine struct {
	Number  int64       `json:"number"` // rises in the order in which lines came
	Time    time.Time   `json:"time"`
	Level   slog.Level  `json:"level"`
	Service string      `json:"service,omitempty"`
	Tenant  tenant.Name `json:"tenant,omitempty"`
	Trace   string      `json:"trace,omitempty"`
	Text    string      `json:"text"` // the message, and what else the line says
}

// Logs are the lines after those that one has, the oldest first.
type Logs struct {
	Lines []LogLine `json:"lines"`
	Anew  bool      `json:"anew,omitempty"`  // they begin at the oldest that there is, and not where the last ones ended
	Where string    `json:"where,omitempty"` // they are read; "": nowhere, and Why says why
	Why   string    `json:"why,omitempty"`
}

// maxLogs is how many lines a page keeps.
const maxLogs = 5000

// logsPage follows what services write: all of it, a tenant's, or that of one trace.
type logsPage struct {
	feed[LogLine]
	query LogQuery
	kept  []LogLine
	logs  Logs
	read  bool
}

func newLogsPage(a *app, q LogQuery) *logsPage {
	p := &logsPage{query: q}
	p.feed = feed[LogLine]{
		app: a, of: "line", known: func() []LogLine { return p.kept }, id: func(l LogLine) int64 { return l.Number },
		text: func(l LogLine) string {
			return strings.Join([]string{l.Level.String(), l.Service, string(l.Tenant), l.Trace, l.Text}, " ")
		},
		line: func(l LogLine) line { return logLine(l, a.now()) },
	}
	return p
}

func (p *logsPage) crumb() string {
	switch {
	case p.query.Trace != "":
		return "trace " + p.query.Trace[:min(len(p.query.Trace), traceShown)]
	case p.query.Tenant != "":
		return "logs of " + string(p.query.Tenant)
	}
	return "logs"
}

const traceShown = 8

func (p *logsPage) targets() []tenant.Name { return tenantOf(p.query.Tenant) }

func (p *logsPage) ask(ctx context.Context, from Source) (any, error) {
	return from.Logs(ctx, p.query)
}

// take adds what came. An answer that was asked for before the last one came holds lines that are there already.
func (p *logsPage) take(answer any) {
	logs, ok := answer.(Logs)
	if !ok {
		return
	}
	p.logs, p.read = logs, true
	if logs.Anew && len(logs.Lines) > 0 {
		p.kept, p.query.After = nil, 0
	}
	for _, l := range logs.Lines {
		if l.Number > p.query.After {
			p.kept = append(p.kept, l)
			p.query.After = l.Number
		}
	}
	if over := len(p.kept) - maxLogs; over > 0 {
		p.kept = append([]LogLine(nil), p.kept[over:]...)
	}
}

func (p *logsPage) sift(f filter) bool { return p.feed.sift(f) }

func (p *logsPage) bindings() []binding {
	return append([]binding{{keys: "enter", does: "all that was written of the line's trace", short: "trace"}}, p.feed.bindings()...)
}

func (p *logsPage) key(msg tea.KeyMsg) tea.Cmd {
	if msg.String() != "enter" {
		return p.feed.key(msg)
	}
	l, there := p.here()
	if !there || l.Trace == "" {
		p.app.say("this line has no trace; k goes up to another")
		return nil
	}
	return p.app.open(newLogsPage(p.app, LogQuery{Trace: l.Trace}))
}

func (p *logsPage) lines(width, height int) []string {
	nothing := "no lines yet"
	switch {
	case !p.read:
		nothing = "reading what services wrote …"
	case p.logs.Where == "":
		nothing = p.logs.Why
	default:
		nothing += " in " + p.logs.Where
	}
	return p.feed.lines(width, height, nothing)
}

// logLine is a service's line: when, how grave, by whom, of whom.
func logLine(l LogLine, now time.Time) line {
	how, sign := plain, "  "
	switch {
	case l.Level >= slog.LevelError:
		how, sign = bad, "X "
	case l.Level >= slog.LevelWarn:
		how, sign = warn, "! "
	case l.Level < slog.LevelInfo:
		how = dim
	}
	made := text(dim, eventTime(l.Time, now)+" ").with(how, sign).with(accent, fit(l.Service, logService)+" ")
	if l.Tenant != "" {
		made = made.with(strong, string(l.Tenant)+" ")
	}
	made = made.with(how, l.Text)
	if l.Trace != "" {
		made = made.with(dim, "  "+l.Trace[:min(len(l.Trace), traceShown)])
	}
	return made
}

const logService = 13
