package copy

import (
	"sync"
	"sync/atomic"
)

// Progress counts what has passed, for people to see. Its methods work on nil.
type Progress struct {
	mu     sync.Mutex
	tables map[string]*tableProgress
}

type tableProgress struct {
	rows, bytes, chunks atomic.Int64
}

// Counted is how far one table is.
type Counted struct {
	Rows, Bytes int64 // bytes in COPY form
	Chunks      int   // committed
}

// NewProgress starts at nothing.
func NewProgress() *Progress { return &Progress{tables: map[string]*tableProgress{}} }

// Snapshot tells how far each table is that has begun.
func (p *Progress) Snapshot() map[string]Counted {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	counted := make(map[string]Counted, len(p.tables))
	for name, t := range p.tables {
		counted[name] = Counted{Rows: t.rows.Load(), Bytes: t.bytes.Load(), Chunks: int(t.chunks.Load())}
	}
	return counted
}

func (p *Progress) table(name string) *tableProgress {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.tables[name]
	if t == nil {
		t = &tableProgress{}
		p.tables[name] = t
	}
	return t
}

// Meter returns a counter of rows for a table.
func (p *Progress) Meter(name string) func([]byte) error {
	if p == nil {
		return nil
	}
	t := p.table(name)
	return func(row []byte) error {
		t.rows.Add(1)
		t.bytes.Add(int64(len(row)))
		return nil
	}
}

func (p *Progress) add(name string, s Sum) {
	if p == nil {
		return
	}
	t := p.table(name)
	t.rows.Add(s.Rows)
	t.bytes.Add(s.Bytes)
}

// restart forgets all that was counted.
func (p *Progress) restart() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.tables)
}

// arrived counts a committed chunk.
func (p *Progress) arrived(name string) {
	if p != nil {
		p.table(name).chunks.Add(1)
	}
}

// take returns what an attempt had counted that came to nothing.
func (p *Progress) take(name string, s Sum) {
	p.add(name, Sum{Rows: -s.Rows, Bytes: -s.Bytes})
}
