package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// streamBody is an event stream. When its tenant is moved it ends as if the service had ended it: the client comes back, and
// finds the other side.
type streamBody struct {
	io.ReadCloser
	ctx context.Context //nolint:containedctx // the request's, whose body this is
}

// Read implements io.Reader.
func (b *streamBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	if cause := context.Cause(b.ctx); errors.Is(cause, errMoved) || errors.Is(cause, errEnding) {
		return n, io.EOF
	}
	return n, err
}

// writer is where an answer goes. The client has to go on taking it: it may pause for as long as idle, 0 for any time.
type writer struct {
	http.ResponseWriter
	control *http.ResponseController
	idle    time.Duration
	begun   bool
	status  int // 0: none yet
}

// WriteHeader implements http.ResponseWriter.
func (w *writer) WriteHeader(status int) {
	if !w.begun {
		w.status = status
	}
	w.begun = w.begun || status >= http.StatusOK || status == http.StatusSwitchingProtocols
	w.extend()
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *writer) Write(p []byte) (int, error) {
	if !w.begun {
		w.status = http.StatusOK
	}
	w.begun = true
	w.extend()
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach what is below.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *writer) extend() {
	deadline := time.Time{}
	if w.idle > 0 {
		deadline = time.Now().Add(w.idle)
	}
	_ = w.control.SetWriteDeadline(deadline) // a connection without deadlines has none to miss
}

// end is for what the server still has to send.
func (w *writer) end() { w.extend() }

// pool keeps the buffers with which bodies are copied.
type pool struct{ sync.Pool }

const copyBuffer = 32 << 10

func newPool() *pool {
	return &pool{sync.Pool{New: func() any { return new([copyBuffer]byte) }}}
}

// Get implements httputil.BufferPool.
func (p *pool) Get() []byte { return p.Pool.Get().(*[copyBuffer]byte)[:] }

// Put implements httputil.BufferPool.
func (p *pool) Put(b []byte) { p.Pool.Put((*[copyBuffer]byte)(b)) }
