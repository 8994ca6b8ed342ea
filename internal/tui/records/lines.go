package records

import (
	"context"
	"strings"
	"sync"
	"time"

	"tenantctl/internal/telemetry/logs"
	"tenantctl/internal/tenant"
	"tenantctl/internal/tui"
)

const (
	// linesKept is how many lines wait for a page that asks twice a second.
	linesKept = 5000
	// longestLine is as much of a line as any screen shows, in bytes.
	longestLine = 4 << 10
	// idleReader is how long nobody has to ask for lines before they aren't followed any more.
	idleReader = 10 * time.Second
)

// reader follows the lines of one query, for as long as somebody asks for them.
type reader struct {
	query  tui.LogQuery
	from   int64 // the number of the last line that was given before it
	cancel context.CancelFunc
	done   chan struct{}
	idle   *time.Timer

	mu     sync.Mutex
	lines  []tui.LogLine
	number int64
	err    error
}

// Logs implements tui.Source.
func (s *Source) Logs(ctx context.Context, q tui.LogQuery) (tui.Logs, error) {
	dir, err := s.LogsDir()
	if err != nil || dir == "" {
		return tui.Logs{Why: s.whyNoLogs(err)}, nil
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	r := s.readerOf(ctx, dir, q)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return tui.Logs{Why: s.Mask(r.err.Error())}, nil
	}
	made := tui.Logs{Where: dir, Anew: q.After > 0 && q.After == r.from}
	for i := len(r.lines) - 1; i >= 0 && r.lines[i].Number > q.After; i-- {
		made.Lines = append(made.Lines, tui.LogLine{})
	}
	copy(made.Lines, r.lines[len(r.lines)-len(made.Lines):])
	return made, nil
}

func (s *Source) whyNoLogs(err error) string {
	if err != nil {
		return s.Mask(err.Error())
	}
	return "services keep no lines here: platform.logs of tenants.yaml says so"
}

// readerOf is the reader of a query. One of another query ends; a page that is gone back to begins anew, and numbers go on.
func (s *Source) readerOf(ctx context.Context, dir string, q tui.LogQuery) *reader {
	after := q.After
	q.After = 0
	if r := s.reader; r != nil && r.query == q && r.idle.Reset(idleReader) {
		return r
	}
	s.closeReader()
	// It outlives the question, and ends with the next query or without questions.
	following, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &reader{query: q, cancel: cancel, done: make(chan struct{}), from: after, number: after, idle: time.AfterFunc(idleReader, cancel)}
	s.reader = r
	go func() {
		defer close(r.done)
		r.follow(following, s.Mask, logs.Open(logs.Folder(dir)))
	}()
	return r
}

// Close ends what the source has under way.
func (s *Source) Close() {
	s.reading.Lock()
	defer s.reading.Unlock()
	s.closeReader()
}

func (s *Source) closeReader() {
	if s.reader == nil {
		return
	}
	s.reader.idle.Stop()
	s.reader.cancel()
	<-s.reader.done
	s.reader = nil
}

func (r *reader) follow(ctx context.Context, mask func(string) string, from *logs.Logs) {
	for l, err := range from.Follow(ctx, logs.Query{Tenant: string(r.query.Tenant), Trace: r.query.Trace, Last: linesKept}) {
		r.mu.Lock()
		if err != nil {
			r.err = err
		} else {
			r.add(l, mask)
		}
		r.mu.Unlock()
	}
}

func (r *reader) add(l logs.Line, mask func(string) string) {
	r.number++
	r.lines = append(r.lines, tui.LogLine{
		Number: r.number, Time: l.Time, Level: l.Level, Service: l.Service, Tenant: tenant.Name(l.Tenant), Trace: l.Trace, Text: mask(said(l)),
	})
	if len(r.lines) >= 2*linesKept {
		r.lines = append([]tui.LogLine(nil), r.lines[linesKept:]...)
	}
}

// said is a line's message and attributes, without what nobody can look at.
func said(l logs.Line) string {
	var text strings.Builder
	text.WriteString(l.Message[:min(len(l.Message), longestLine)])
	for _, other := range l.Others {
		if text.Len() >= longestLine {
			break
		}
		text.WriteString("  " + other.Key + "=" + other.Value[:min(len(other.Value), longestLine)])
	}
	return strings.ToValidUTF8(text.String()[:min(text.Len(), longestLine)], "")
}
