package records

import (
	"cmp"
	"context"
	"slices"
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
	// maxReaders is how many queries are followed at once, for several dashboards of one operator.
	maxReaders = 8
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
	// Numbers that weren't given here are of a reader before this one.
	made := tui.Logs{Where: dir, Anew: q.After > 0 && (q.After <= r.from || q.After > r.number)}
	given := 0
	if !made.Anew {
		given, _ = slices.BinarySearchFunc(r.lines, q.After+1, func(l tui.LogLine, n int64) int { return cmp.Compare(l.Number, n) })
	}
	made.Lines = slices.Clone(r.lines[given:])
	return made, nil
}

func (s *Source) whyNoLogs(err error) string {
	if err != nil {
		return s.Mask(err.Error())
	}
	return "services keep no lines here: platform.logs of tenants.yaml says so"
}

// readerOf is the reader of a query. One that nobody asks any more ends; who comes back begins anew, and numbers go on.
func (s *Source) readerOf(ctx context.Context, dir string, q tui.LogQuery) *reader {
	after := q.After
	q.After = 0
	s.readers = slices.DeleteFunc(s.readers, (*reader).ended)
	if i := slices.IndexFunc(s.readers, func(r *reader) bool { return r.query == q && r.idle.Reset(idleReader) }); i >= 0 {
		r := s.readers[i] // the last is who was asked last
		s.readers = append(slices.Delete(s.readers, i, i+1), r)
		return r
	}
	if len(s.readers) == maxReaders {
		s.readers[0].close()
	}
	// It outlives the question, and ends without further ones.
	following, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &reader{query: q, cancel: cancel, done: make(chan struct{}), from: after, number: after, idle: time.AfterFunc(idleReader, cancel)}
	s.readers = append(slices.DeleteFunc(s.readers, (*reader).ended), r)
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
	for _, r := range s.readers {
		r.close()
	}
	s.readers = nil
}

func (r *reader) close() {
	r.idle.Stop()
	r.cancel()
	<-r.done
}

func (r *reader) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
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
