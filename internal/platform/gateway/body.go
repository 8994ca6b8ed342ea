package gateway

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// body is a client's request body. A client has to go on sending: it may pause for as long as idle.
type body struct {
	io.ReadCloser
	control *http.ResponseController
	idle    time.Duration
	left    int64 // bytes that are to come; negative: not known
	failure atomic.Pointer[error]
}

// Read implements io.Reader. A body of which everything was read has ended, whatever its source says then: the server closes the
// source when the answer begins, and the transport, which looks for more once it has sent all, would take that for a failure and
// break the answer off.
func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	_ = b.control.SetReadDeadline(time.Now().Add(b.idle)) // a connection without deadlines has none to miss
	n, err := b.ReadCloser.Read(p)
	if b.left > 0 {
		if b.left -= int64(n); b.left == 0 && err == nil {
			err = io.EOF
		}
	}
	switch {
	case errors.Is(err, io.EOF):
		// The server goes on reading to see whether the client is there: that may take as long as the answer does.
		_ = b.control.SetReadDeadline(time.Time{})
	case err != nil && !errors.Is(err, http.ErrBodyReadAfterClose):
		b.failure.Store(&err)
	}
	return n, err
}

// failed is why the body didn't come whole. Where there is no body, none failed.
func (b *body) failed() error {
	if b == nil || b.failure.Load() == nil {
		return nil
	}
	return *b.failure.Load()
}

// waitingBody takes in the beginning of a body while its request waits, so that the client gets rid of it, and so that a client
// that gives up is noticed. It never takes more than it finds room for.
type waitingBody struct {
	source  io.ReadCloser
	control *http.ResponseController
	room    room

	mutex  sync.Mutex
	more   sync.Cond
	taken  []byte // not yet given on
	size   int64  // taken so far
	err    error  // of the source, after what was taken
	stop   bool   // take no more
	filled bool   // nothing is being read from the source
	gone   chan struct{}
}

// room is where the beginnings of bodies are kept.
type room interface {
	// take takes room for bytes of a body, of which some are there already, and returns how many may be read.
	take(has, want int64) int64
	give(bytes int64)
}

// chunk is how much is read at a time.
const chunk = 16 << 10

// takeIn begins to read.
func takeIn(source io.ReadCloser, control *http.ResponseController, room room) *waitingBody {
	b := &waitingBody{source: source, control: control, room: room, gone: make(chan struct{})}
	b.more.L = &b.mutex
	go b.fill()
	return b
}

func (b *waitingBody) fill() {
	defer func() {
		b.mutex.Lock()
		b.filled = true
		b.more.Broadcast()
		b.mutex.Unlock()
	}()
	for {
		b.mutex.Lock()
		stop, size := b.stop, b.size
		b.mutex.Unlock()
		if stop {
			return
		}
		n := b.room.take(size, chunk)
		if n == 0 {
			return
		}
		piece := make([]byte, n)
		read, err := b.source.Read(piece)
		b.room.give(n - int64(read))
		b.mutex.Lock()
		b.taken = append(b.taken, piece[:read]...)
		b.size += int64(read)
		b.err = err
		b.more.Broadcast()
		b.mutex.Unlock()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				close(b.gone)
			}
			return
		}
	}
}

// Read implements io.Reader: first what was taken, then the rest.
func (b *waitingBody) Read(p []byte) (int, error) {
	b.mutex.Lock()
	b.stop = true
	for len(b.taken) == 0 && !b.filled {
		b.more.Wait()
	}
	if len(b.taken) > 0 {
		n := copy(p, b.taken)
		b.taken = b.taken[n:]
		b.mutex.Unlock()
		return n, nil
	}
	err := b.err
	b.mutex.Unlock()
	if err != nil {
		return 0, err
	}
	return b.source.Read(p)
}

// Close implements io.Closer. It ends a reading that the client keeps waiting; used returns when it has ended.
func (b *waitingBody) Close() error {
	b.used()
	return b.source.Close()
}

// used is the room that was taken. Nothing is read any more.
func (b *waitingBody) used() int64 {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.stop = true
	for !b.filled {
		// The reader may be about to set a deadline of its own: ours is set again until it has seen it.
		_ = b.control.SetReadDeadline(time.Unix(1, 0))
		b.mutex.Unlock()
		time.Sleep(time.Millisecond)
		b.mutex.Lock()
	}
	return b.size
}
