package migrate

import (
	"context"
	"sort"
	"time"
)

// Progress is how far the rows are.
type Progress struct {
	Phase  string          `json:"phase"`
	Tables []TableProgress `json:"tables"`
	Rows   int64           `json:"rows"`
	Bytes  int64           `json:"bytes"` // in the form in which they travel
	Of     int64           `json:"of"`    // bytes on the legacy server's disk: what bars are drawn against
	Since  time.Time       `json:"since"`
}

// TableProgress is how far one table is.
type TableProgress struct {
	Name     string `json:"name"`
	Rows     int64  `json:"rows"`
	Expected int64  `json:"expected"` // rows, as the legacy server estimates
	Bytes    int64  `json:"bytes"`
	Of       int64  `json:"of"`
	Done     bool   `json:"done"`
}

// Share is how much of the bytes is through, from 0 to 1. Rows travel in another form than they lie on disk: a table counts in
// full when it is done and never before.
func (p Progress) Share() float64 {
	var done, of float64
	for _, t := range p.Tables {
		done += t.Share() * float64(max(t.Of, 1))
		of += float64(max(t.Of, 1))
	}
	if of == 0 {
		return 0
	}
	return done / of
}

// TablesDone counts the tables that are through.
func (p Progress) TablesDone() int {
	done := 0
	for _, t := range p.Tables {
		if t.Done {
			done++
		}
	}
	return done
}

// UnderWay are the tables that have begun and aren't through, the largest first.
func (p Progress) UnderWay() []TableProgress {
	var tables []TableProgress
	for _, t := range p.Tables {
		if !t.Done && t.Bytes > 0 {
			tables = append(tables, t)
		}
	}
	sort.SliceStable(tables, func(i, j int) bool { return tables[i].Of > tables[j].Of })
	return tables
}

const almost = 0.99

// Share is how much of the table is through, from 0 to 1.
func (t TableProgress) Share() float64 {
	switch {
	case t.Done:
		return 1
	case t.Expected > 0:
		return min(float64(t.Rows)/float64(t.Expected), almost)
	case t.Of > 0:
		return min(float64(t.Bytes)/float64(t.Of), almost)
	}
	return 0
}

const (
	observeEvery = 200 * time.Millisecond
	saveEvery    = time.Second
)

// report tells the observer and the registry how the rows go, until the returned function is called.
func (m *Move) report(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	since := time.Now()
	go func() {
		defer close(done)
		ticker := time.NewTicker(observeEvery)
		defer ticker.Stop()
		var saved time.Time
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-ticker.C:
				progress := m.progress(since)
				if m.Observer != nil {
					m.Observer.Rows(progress)
				}
				if now.Sub(saved) >= saveEvery {
					saved = now
					_ = m.Registry.SaveProgress(ctx, m.op.ID, progress) // for display only; the marks are what counts
				}
			}
		}
	}()
	return func() {
		cancel()
		<-done
		progress := m.progress(since)
		if m.Observer != nil {
			m.Observer.Rows(progress)
		}
		final, release := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer release()
		_ = m.Registry.SaveProgress(final, m.op.ID, progress)
	}
}

func (m *Move) progress(since time.Time) Progress {
	counted := m.watch.Snapshot()
	progress := Progress{Phase: PhaseCopy, Since: since, Tables: make([]TableProgress, len(m.plan.Tables))}
	for i, t := range m.plan.Tables {
		c := counted[t.Name]
		progress.Tables[i] = TableProgress{Name: t.Name, Rows: c.Rows, Expected: t.Source.Rows, Bytes: c.Bytes, Of: t.Source.Bytes, Done: c.Chunks == len(t.Chunks(m.plan.ChunkBytes, m.plan.Version))}
		progress.Rows += c.Rows
		progress.Bytes += c.Bytes
		progress.Of += t.Source.Bytes
	}
	return progress
}
