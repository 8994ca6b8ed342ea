package fleet

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Proxy stands between a program and a server, and cuts.
type Proxy struct {
	listener net.Listener
	target   string

	mutex sync.Mutex
	open  map[net.Conn]bool
	all   sync.WaitGroup
}

// NewProxy passes what connects to a listener on to an address; nil is a listener of its own. It ends with t.
func NewProxy(t testing.TB, listener net.Listener, target string) *Proxy {
	t.Helper()
	if listener == nil {
		var err error
		listener, err = net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
	}
	p := &Proxy{listener: listener, target: target, open: map[net.Conn]bool{}}
	p.all.Go(p.accept)
	t.Cleanup(func() { _ = p.listener.Close(); p.Cut(); p.all.Wait() })
	return p
}

// Address is where it listens.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

func (p *Proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = in.Close()
			continue
		}
		p.mutex.Lock()
		p.open[in], p.open[out] = true, true
		p.mutex.Unlock()
		for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
			p.all.Go(func() {
				_, _ = io.Copy(pair[0], pair[1])
				_, _ = pair[0].Close(), pair[1].Close()
			})
		}
	}
}

// Cut ends every connection in the middle of whatever it carries.
func (p *Proxy) Cut() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for conn := range p.open {
		_ = conn.Close()
		delete(p.open, conn)
	}
}
