package fleet

import (
	"bufio"
	"fmt"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// PostOffice is a mail server of a test's own, which takes everything but what is for nobody@.
type PostOffice struct {
	address string

	mu       sync.Mutex
	listener net.Listener
	got      []*mail.Message
	to       []string
	wg       sync.WaitGroup
}

// NewPostOffice opens one, which ends with t.
func NewPostOffice(t testing.TB) *PostOffice {
	t.Helper()
	p := &PostOffice{}
	p.open(t, "127.0.0.1:0")
	t.Cleanup(func() { p.Shut(); p.wg.Wait() })
	return p
}

// URL is its address.
func (p *PostOffice) URL() string { return "smtp://" + p.address }

// Open opens it again, where it was.
func (p *PostOffice) Open(t testing.TB) {
	t.Helper()
	p.open(t, p.address)
}

func (p *PostOffice) open(t testing.TB, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	require.NoError(t, err)
	p.mu.Lock()
	p.listener, p.address = listener, listener.Addr().String()
	p.mu.Unlock()
	p.wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(conn) })
		}
	})
}

// Shut has it take no connections for a while.
func (p *PostOffice) Shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.listener.Close()
}

func (p *PostOffice) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	say := func(line string) { _, _ = fmt.Fprint(conn, line+"\r\n") }
	say("220 post office")
	lines := bufio.NewReader(conn)
	to := ""
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(strings.Fields(line + " x")[0]); {
		case verb == "RCPT" && strings.Contains(line, "nobody@"):
			say("550 nobody of that name")
		case verb == "RCPT":
			to = strings.TrimSpace(line[len("RCPT TO:"):])
			say("250 ok")
		case verb == "DATA":
			say("354 go on")
			var text strings.Builder
			for {
				line, err := lines.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				text.WriteString(line)
			}
			p.take(to, text.String())
			say("250 taken")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (p *PostOffice) take(to, text string) {
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		panic(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got, p.to = append(p.got, m), append(p.to, to)
}

// Received are the Message-IDs of what came for an address, and how often each came.
func (p *PostOffice) Received(address string) map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := map[string]int{}
	for i, m := range p.got {
		if p.to[i] == "<"+address+">" {
			ids[m.Header.Get("Message-ID")]++
		}
	}
	return ids
}

// First is the first mail that came.
func (p *PostOffice) First() *mail.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got[0]
}
