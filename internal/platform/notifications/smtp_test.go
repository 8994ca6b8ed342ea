package notifications_test

import (
	"bufio"
	"fmt"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/notifications"
)

// postOffice is a mail server of a test's own.
type postOffice struct {
	address string

	mu       sync.Mutex
	listener net.Listener
	got      []*mail.Message
	to       []string
	wg       sync.WaitGroup
}

func newPostOffice(t *testing.T) *postOffice {
	t.Helper()
	p := &postOffice{}
	p.open(t, "127.0.0.1:0")
	t.Cleanup(func() { p.shut(); p.wg.Wait() })
	return p
}

func (p *postOffice) open(t *testing.T, address string) {
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

func (p *postOffice) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.listener.Close()
}

func (p *postOffice) serve(conn net.Conn) {
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

func (p *postOffice) take(to, text string) {
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		panic(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got, p.to = append(p.got, m), append(p.to, to)
}

// received are the Message-IDs of what came for an address, and how often each came.
func (p *postOffice) received(address string) map[string]int {
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

func (p *postOffice) mailer(t *testing.T) *notifications.SMTP {
	t.Helper()
	m, err := notifications.OpenSMTP("smtp://"+p.address, "Shop <shop@example.com>")
	require.NoError(t, err)
	return m
}

func TestMailAddressesAreChecked(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "http://x", "smtp://", "smtp://user:secret@host:bad"} {
		_, err := notifications.OpenSMTP(url, "a@example.com")
		require.Error(t, err, url)
		require.NotContains(t, err.Error(), "secret")
	}
	_, err := notifications.OpenSMTP("smtp://host", "nobody")
	require.Error(t, err)
}

// What an event says can't become a header, or a further recipient.
func TestNothingOfAnEventIsAHeader(t *testing.T) {
	t.Parallel()
	p := newPostOffice(t)
	m := p.mailer(t)
	require.NoError(t, m.Send(t.Context(), notifications.Mail{ID: "1", To: "ann@example.com", Subject: "Grüße\r\nBcc: eve@example.com", Body: "Ünicode\r\n.\r\nQUIT\r\n"}))
	require.Error(t, m.Send(t.Context(), notifications.Mail{ID: "2", To: "ann@example.com>\r\nRCPT TO:<eve@example.com", Subject: "x", Body: "y"}))
	require.Equal(t, map[string]int{"<1@example.com>": 1}, p.received("ann@example.com"))
	require.Empty(t, p.received("eve@example.com"))
	require.Empty(t, p.got[0].Header.Get("Bcc"))
}
