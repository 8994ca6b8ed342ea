package logs

import (
	"container/heap"
	"context"
	"errors"
	"iter"
	"slices"
	"time"
)

const (
	// ahead is how many lines of a file are read before the first of them is given: those of several goroutines may stand in
	// another order than that of their times.
	ahead = 64
	// pollEvery is how often files that are followed are looked at again.
	pollEvery = 200 * time.Millisecond
)

// Logs are the lines of some sources.
type Logs struct {
	sources []Source
	known   map[string]bool
	tails   []*tail
}

// Open looks at no source yet. What it returns is for one use of Lines or Follow, and for one goroutine.
func Open(sources ...Source) *Logs {
	return &Logs{sources: sources, known: map[string]bool{}}
}

// Lines gives what is there, by time. The last that it gives may be an error.
func (l *Logs) Lines(ctx context.Context, q Query) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		defer l.close()
		if err := l.past(ctx, q, true, yield); err != nil && !errors.Is(err, errEnough) {
			yield(Line{}, err)
		}
	}
}

// Follow gives what is there, by time, and goes on with what is written until ctx ends. Lines that several processes write at the same
// moment come in the order of their times, too. A Stream is read to its end first.
func (l *Logs) Follow(ctx context.Context, q Query) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		defer l.close()
		err := l.past(ctx, q, false, yield)
		ticker := time.NewTicker(pollEvery)
		defer ticker.Stop()
		for err == nil && slices.ContainsFunc(l.sources, grows) {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			err = l.present(q, yield)
		}
		if err != nil && !errors.Is(err, errEnough) && ctx.Err() == nil {
			yield(Line{}, err)
		}
	}
}

// grows tells what may have more later.
func grows(s Source) bool {
	_, is := s.(*stream)
	return !is
}

// errEnough is a reader that wants no more.
var errEnough = errors.New("enough")

// past gives what is there.
func (l *Logs) past(ctx context.Context, q Query, whole bool, yield func(Line, error) bool) error {
	if err := l.discover(); err != nil {
		return err
	}
	give := func(line Line) error {
		if !yield(line, nil) {
			return errEnough
		}
		return nil
	}
	if q.Last <= 0 {
		return l.merge(ctx, q, whole, give)
	}
	var newest []Line
	err := l.merge(ctx, q, whole, func(line Line) error {
		if newest = append(newest, line); len(newest) >= 2*q.Last {
			newest = append([]Line(nil), newest[len(newest)-q.Last:]...) // a new array, since the old one would keep all lines
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, line := range newest[max(0, len(newest)-q.Last):] {
		if err := give(line); err != nil {
			return err
		}
	}
	return nil
}

// merge brings the tails' lines into one order.
func (l *Logs) merge(ctx context.Context, q Query, whole bool, give func(Line) error) error {
	var waiting queue
	read := func(t *tail, n int) error {
		for range n {
			line, there, err := t.next(&q, whole)
			if err != nil || !there {
				return err
			}
			waiting.add(t, line)
		}
		return nil
	}
	for _, t := range l.tails {
		if err := read(t, t.ahead()); err != nil {
			return err
		}
	}
	for waiting.Len() > 0 {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		first := heap.Pop(&waiting).(item)
		if err := give(first.line); err != nil {
			return err
		}
		if err := read(first.tail, 1); err != nil {
			return err
		}
	}
	return nil
}

// ahead is how many lines are read before the first is given. A stream's come when they come, and in order.
func (t *tail) ahead() int {
	if t.path == "" {
		return 1
	}
	return ahead
}

// present gives what was written since the last look.
func (l *Logs) present(q Query, yield func(Line, error) bool) error {
	if err := l.discover(); err != nil {
		return err
	}
	var waiting queue
	for _, t := range l.tails {
		for {
			line, there, err := t.next(&q, false)
			if err != nil {
				return err
			}
			if !there {
				break
			}
			waiting.add(t, line)
		}
	}
	for waiting.Len() > 0 {
		if !yield(heap.Pop(&waiting).(item).line, nil) {
			return errEnough
		}
	}
	return nil
}

func (l *Logs) discover() error {
	for _, s := range l.sources {
		found, err := s.discover(l.known)
		if err != nil {
			return err
		}
		l.tails = append(l.tails, found...)
	}
	return nil
}

func (l *Logs) close() {
	for _, t := range l.tails {
		t.close()
	}
	l.tails, l.known = nil, map[string]bool{}
}

// item is a line that waits for its turn.
type item struct {
	line Line
	tail *tail
	seq  int // among lines of one time, the order in which they were read
}

// queue is ordered by time.
type queue struct {
	items []item
	added int
}

func (q *queue) add(t *tail, line Line) {
	q.added++
	heap.Push(q, item{line, t, q.added})
}

// Len implements heap.Interface, as do the others.
func (q *queue) Len() int { return len(q.items) }

// Less implements heap.Interface.
func (q *queue) Less(i, j int) bool {
	a, b := q.items[i], q.items[j]
	if a.line.Time.Equal(b.line.Time) {
		return a.seq < b.seq
	}
	return a.line.Time.Before(b.line.Time)
}

// Swap implements heap.Interface.
func (q *queue) Swap(i, j int) { q.items[i], q.items[j] = q.items[j], q.items[i] }

// Push implements heap.Interface.
func (q *queue) Push(x any) { q.items = append(q.items, x.(item)) }

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := q.items[len(q.items)-1]
	q.items[len(q.items)-1] = item{}
	q.items = q.items[:len(q.items)-1]
	return last
}
