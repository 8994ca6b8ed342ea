package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/tenant"
)

// events is a handler that sends an event for each one that it is given.
func events(next <-chan string, left chan<- string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case event := <-next:
				_, _ = fmt.Fprintf(w, "data: %s\n\n", event)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				left <- r.URL.Path
				return
			}
		}
	}
}

// open begins a request whose answer goes on.
func (b *testBundle) open(name tenant.Name, path string) *http.Response {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://"+string(name)+".localhost"+path, nil)
	require.NoError(b, err)
	response, err := b.client.Do(r)
	require.NoError(b, err)
	b.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// Events come one by one as they are sent; a stream ends, whole, when its side is left, and one that began on the side that reads
// go to while writes are held lives until the switch.
func TestEventStream(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.Concurrent, o.Streams = 1, 2 })
	next, left := make(chan string), make(chan string, 10)
	b.legacy.does(events(next, left))
	response := b.open("client-x", "/v1/events/1")
	lines := bufio.NewReader(response.Body)
	for _, event := range []string{"one", "two"} {
		next <- event
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "data: "+event+"\n", line)
		_, err = lines.ReadString('\n')
		require.NoError(t, err)
	}
	// It takes none of the places for what ends.
	second := b.open("client-x", "/v1/events/2")
	require.Equal(t, http.StatusOK, second.StatusCode)
	third := b.open("client-x", "/v1/events/3")
	require.Equal(t, http.StatusServiceUnavailable, third.StatusCode)
	require.NotEmpty(t, third.Header.Get("Retry-After"))
	require.Equal(t, "/v1/events/3", <-left)

	b.route("client-x", tenant.RouteHold)
	rest, err := io.ReadAll(lines)
	require.NoError(t, err, "the stream was torn")
	require.Empty(t, rest)
	require.ElementsMatch(t, []string{"/v1/events/1", "/v1/events/2"}, []string{<-left, <-left})

	held := b.open("client-x", "/v1/events/4")
	b.route("client-x", tenant.RoutePlatform)
	_, err = io.ReadAll(held.Body)
	require.NoError(t, err)
	require.Equal(t, "/v1/events/4", <-left)
}

func TestClientLeavesStream(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	left := make(chan string, 1)
	b.legacy.does(events(nil, left))
	require.NoError(t, b.open("client-x", "/v1/events/1").Body.Close())
	require.Equal(t, "/v1/events/1", <-left)
	b.eventually(func() bool { return b.gateways[0].metricFlying("legacy") == 0 })
}

func (b *testBundle) dial(name tenant.Name) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Second)
	defer cancel()
	client := *b.client
	client.Timeout = 0
	conn, response, err := websocket.Dial(ctx, "ws://"+string(name)+".localhost/v1/socket", &websocket.DialOptions{HTTPClient: &client})
	if err == nil && response.StatusCode != http.StatusSwitchingProtocols {
		err = fmt.Errorf("answered %d", response.StatusCode)
	}
	return conn, err
}

func echo(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		for {
			kind, message, err := conn.Read(r.Context())
			if err != nil || conn.Write(r.Context(), kind, append([]byte(name+" "), message...)) != nil {
				return
			}
		}
	}
}

// A WebSocket passes; a hold closes it before it is acknowledged, and a new one waits for where it goes.
func TestWebSocket(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.legacy.does(echo("legacy"))
	b.core.does(echo("core"))
	say := func(conn *websocket.Conn) (string, error) {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
			return "", err
		}
		_, message, err := conn.Read(t.Context())
		return string(message), err
	}
	conn, err := b.dial("client-x")
	require.NoError(t, err)
	defer func() { _ = conn.CloseNow() }()
	for range 3 {
		answer, err := say(conn)
		require.NoError(t, err)
		require.Equal(t, "legacy hello", answer)
	}
	b.route("client-x", tenant.RouteHold)
	_, err = say(conn)
	require.Error(t, err, "it goes on to the side that was left")

	type dialed struct {
		conn *websocket.Conn
		err  error
	}
	second := make(chan dialed)
	go func() {
		conn, err := b.dial("client-x")
		second <- dialed{conn, err}
	}()
	b.waits(1)
	b.route("client-x", tenant.RouteLegacy)
	again := <-second
	require.NoError(t, again.err)
	answer, err := say(again.conn)
	require.NoError(t, err)
	require.Equal(t, "legacy hello", answer)
	b.waits(0)
	require.NoError(t, b.stops[0](), "a gateway that ends waits for sockets")
	_, err = say(again.conn)
	require.Error(t, err)
}

// Other protocols would be ways around the gateway.
func TestOnlyWebSocketsAreTunnels(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.legacy.does(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" || r.Header.Get("Http2-Settings") != "" {
			w.WriteHeader(http.StatusTeapot)
		}
	})
	header := http.Header{"Connection": {"Upgrade, HTTP2-Settings"}, "Upgrade": {"h2c"}, "Http2-Settings": {"AAMAAABkAARAAAAAAAIAAAAA"}}
	require.Equal(t, http.StatusBadRequest, b.ask(http.MethodGet, "client-x", "/", nil, header).status)
	header.Set("Connection", "Upgrade")
	require.Equal(t, http.StatusOK, b.ask(http.MethodGet, "client-x", "/", nil, header).status)
	header.Set("Upgrade", "websocket")
	require.Equal(t, http.StatusOK, b.ask(http.MethodPost, "client-x", "/", nil, header).status)
}

// Bodies pass as they come: the application has the beginning before the client has sent the rest, and the other way round.
func TestBodiesStream(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	got, next := make(chan string), make(chan string)
	b.legacy.does(func(w http.ResponseWriter, r *http.Request) {
		lines := bufio.NewReader(r.Body)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				break
			}
			got <- line
		}
		for line := range next {
			_, _ = io.WriteString(w, line)
			_ = http.NewResponseController(w).Flush()
		}
	})
	reader, writer := io.Pipe()
	begun := make(chan *http.Response)
	go func() {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://client-x.localhost/", reader)
		require.NoError(t, err)
		response, err := b.client.Do(r)
		require.NoError(t, err)
		begun <- response
	}()
	words := []string{"one\n", "two\n", "three\n"}
	for _, word := range words {
		_, err := io.WriteString(writer, word)
		require.NoError(t, err)
		require.Equal(t, word, <-got)
	}
	require.NoError(t, writer.Close())
	next <- words[0]
	response := <-begun
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewReader(response.Body)
	for i := range words {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, words[i], line)
		if i+1 < len(words) {
			next <- words[i+1]
		}
	}
	close(next)
	_, err := lines.ReadString('\n')
	require.ErrorIs(t, err, io.EOF)
}
