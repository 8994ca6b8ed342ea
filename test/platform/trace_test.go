package platform

import (
	"bufio"
	"cmp"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/test/collector"
)

// mailServer takes mails and keeps them.
func mailServer(t *testing.T) (address string, mails <-chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	taken := make(chan string, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			take(conn, taken)
		}
	}()
	return listener.Addr().String(), taken
}

// take speaks as much SMTP as one mail needs.
func take(conn net.Conn, taken chan<- string) {
	defer func() { _ = conn.Close() }()
	say := func(text string) { _, _ = conn.Write([]byte(text + "\r\n")) }
	say("220 here")
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		switch command, _, _ := strings.Cut(lines.Text(), " "); command {
		case "DATA":
			say("354 go on")
			var mail strings.Builder
			for lines.Scan() && lines.Text() != "." {
				mail.WriteString(lines.Text() + "\n")
			}
			taken <- mail.String()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 yes")
		}
	}
}

// step is a span or a line, as one can tell them apart.
type step struct{ service, what string }

// A click leads to a mail, and one trace through all that lies between: in every span, in every line, and in the mail.
func TestATraceLeadsFromTheClickToTheMail(t *testing.T) {
	t.Parallel()
	mails, taken := mailServer(t)
	spans := collector.Start(t)
	s := newStageWith(t, "platform: { mail: { url: \"${SMTP_URL}\", from: shop@example.com }, logs: kept, telemetry: { endpoint: "+spans.URL+" } }\n",
		[]string{"SMTP_URL=smtp://" + mails}, "acme")
	s.create("acme", "/v1/customers", `{"code":"c","name":"c"}`, "code")
	got := s.send(request{method: "PUT", path: "/v1/notifications/preferences", host: host("acme"), token: s.tokens["acme"], body: `{"mail":"immediate","address":"a@example.com"}`})
	require.Equal(t, http.StatusOK, got.status, got.body)
	got = s.send(request{method: "POST", path: "/v1/orders", host: host("acme"), token: s.tokens["acme"], body: `{"customer_code":"c"}`})
	require.Equal(t, http.StatusCreated, got.status, got.body)
	trace := got.header.Get("X-Trace-Id")
	require.Regexp(t, "^[0-9a-f]{32}$", trace)
	select {
	case mail := <-taken:
		require.Contains(t, mail, "was placed")
		require.Contains(t, mail, "X-Trace-Id: "+trace+"\n")
	case <-time.After(time.Minute):
		t.Fatal("no mail came")
	}

	path := []step{
		{"gateway", "POST"},
		{"core", "POST /v1/orders"},
		{"core", "create order.placed"},
		{"bus", "send order.placed"},
		{"notifications", "process order.placed"},
		{"notifications", "create mail.ready"},
		{"bus", "send mail.ready"},
		{"notifications", "process mail.ready"},
		{"notifications", "send mail"},
	}
	var seen []step
	require.Eventually(t, func() bool {
		seen = nil
		for _, span := range spans.Trace(trace) {
			require.Equal(t, "acme", span.Attributes["tenant"], span)
			seen = append(seen, step{span.Service, span.Name})
		}
		return !slices.ContainsFunc(path, func(at step) bool { return !slices.Contains(seen, at) })
	}, 30*time.Second, 100*time.Millisecond, "%v", &seen)
	require.Equal(t, path, firsts(slices.DeleteFunc(seen, func(at step) bool { return !slices.Contains(path, at) })), "in this order")
	requireOneTree(t, spans.Trace(trace))
	for _, span := range spans.Spans() {
		for key, value := range span.Attributes {
			require.NotContains(t, value, password, key)
			require.NotContains(t, value, s.tokens["acme"], key)
		}
	}

	require.Equal(t, []step{
		{"bus", "event sent order.placed"},
		{"notifications", "message handled order.placed"},
		{"bus", "event sent mail.ready"},
		{"notifications", "mail sent"},
		{"notifications", "message handled mail.ready"},
	}, s.linesAfter(trace, 2))
	requireEveryLineToSayWhose(t, filepath.Join(s.dir, "kept", "serve-1.log"))
}

// firsts leaves out what came again: an event that is sent while its queue is being made, is sent once more.
func firsts(steps []step) (once []step) {
	for _, at := range steps {
		if !slices.Contains(once, at) {
			once = append(once, at)
		}
	}
	return once
}

// requireOneTree wants each span but the first below another one.
func requireOneTree(t *testing.T, spans []collector.Span) {
	t.Helper()
	ids, roots := map[string]bool{}, 0
	for _, span := range spans {
		ids[span.ID] = true
	}
	for _, span := range spans {
		if span.Above == "" {
			roots++
			continue
		}
		require.True(t, ids[span.Above], "%s of %s hangs in the air", span.Name, span.Service)
	}
	require.Equal(t, 1, roots)
}

// linesAfter are the lines of a trace, as `tenantctl logs` gives them, after the first so many: those are of requests, whose lines are
// written at their ends, when an event may be on its way already.
func (s *stage) linesAfter(trace string, requests int) []step {
	s.t.Helper()
	var found []step
	var answered int
	require.Eventually(s.t, func() bool {
		found, answered = nil, 0
		lines := strings.Split(strings.TrimSpace(s.tenantctl("", "logs", "--trace", trace, "-o", "json")), "\n")
		require.True(s.t, slices.IsSortedFunc(lines, func(a, b string) int { return cmp.Compare(timeOf(s.t, a), timeOf(s.t, b)) }))
		for _, text := range lines {
			var line struct{ Kind, Service, Msg, Type, Tenant, Trace string }
			require.NoError(s.t, json.Unmarshal([]byte(text), &line), text)
			require.Equal(s.t, []string{"LogLine", "acme", trace}, []string{line.Kind, line.Tenant, line.Trace}, text)
			if line.Msg == "request" {
				answered++
				continue
			}
			found = append(found, step{line.Service, strings.TrimSpace(line.Msg + " " + line.Type)})
		}
		found = firsts(found)
		return answered == requests && len(found) >= 5
	}, 30*time.Second, 200*time.Millisecond, "%v", &found)
	return found
}

func timeOf(t *testing.T, text string) int64 {
	t.Helper()
	var line struct{ Time time.Time }
	require.NoError(t, json.Unmarshal([]byte(text), &line), text)
	return line.Time.UnixNano()
}

// requireEveryLineToSayWhose wants each line to name its service, and each about a request its tenant and trace.
func requireEveryLineToSayWhose(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	require.NotEmpty(t, lines)
	for _, raw := range lines {
		var line map[string]any
		require.NoError(t, json.Unmarshal([]byte(raw), &line), raw)
		wanted := []string{"time", "level", "msg", "service"}
		if slices.Contains([]string{"request", "event sent", "message handled", "mail sent"}, line["msg"].(string)) {
			wanted = append(wanted, "trace", "span")
		}
		if len(wanted) > 4 && line["route"] != "GET /v1/auth/keys" { // which are everybody's
			wanted = append(wanted, "tenant")
		}
		for _, key := range wanted {
			require.NotEmpty(t, line[key], "%s of %s", key, raw)
		}
	}
}
