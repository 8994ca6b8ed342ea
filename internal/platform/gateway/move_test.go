package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/tenant"
)

// ledger is what the writers' applications did.
type ledger struct {
	mutex sync.Mutex
	done  map[string]string // side by id of the write
	wrong []string
	left  atomic.Value // the side that no write may reach, "" for none
}

func newLedger() *ledger {
	l := &ledger{done: map[string]string{}}
	l.left.Store("")
	return l
}

// keeps is an application's handler: a write takes some time, and its side must not be left before it is done.
func (l *ledger) keeps(side string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if r.Method == http.MethodGet {
			w.Header().Set("X-Side", side)
			return
		}
		time.Sleep(time.Duration(strings.Count(string(body), ".")*15) * time.Millisecond)
		l.mutex.Lock()
		defer l.mutex.Unlock()
		id := string(body)
		switch {
		case err != nil:
			l.wrong = append(l.wrong, fmt.Sprint("broken body: ", err))
		case l.done[id] != "":
			l.wrong = append(l.wrong, id+" twice")
		case l.left.Load() == side && strings.HasPrefix(r.Host, "client-x"):
			l.wrong = append(l.wrong, id+" on "+side+", which was left")
		}
		l.done[id] = side
		w.Header().Set("X-Side", side)
	}
}

// Tenants that write all the time are moved to the platform and back, through two gateways: each write is done once on the side
// that answered, none fails, and none is under way to a side whose leaving was acknowledged.
func TestMoveUnderWriters(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.begin()
	l := newLedger()
	b.legacy.does(l.keeps("legacy"))
	b.core.does(l.keeps("core"))

	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	var written atomic.Int64
	for i := range 8 {
		client, host := b.through(i%2), []string{"client-x.localhost", "client-y.localhost"}[i/4%2]
		writers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id := fmt.Sprint(host, " ", i, " ", n, strings.Repeat(".", n%5))
				a, err := b.do(client, http.MethodPost, host, "/v1/orders", strings.NewReader(id), nil)
				if err != nil || a.status != http.StatusOK {
					l.mutex.Lock()
					l.wrong = append(l.wrong, fmt.Sprint(id, ": ", a.status, a.body, err))
					l.mutex.Unlock()
					return
				}
				l.mutex.Lock()
				if l.done[id] != a.header.Get("X-Side") {
					l.wrong = append(l.wrong, id+" was answered by "+a.header.Get("X-Side"))
				}
				l.mutex.Unlock()
				written.Add(1)
			}
		})
	}
	progress := func() {
		before := written.Load()
		b.eventually(func() bool { return written.Load() > before+40 })
	}
	progress()
	for turn, to := range []tenant.Route{tenant.RoutePlatform, tenant.RouteLegacy, tenant.RoutePlatform} {
		from := []string{"legacy", "core"}[turn%2]
		b.route("client-x", tenant.RouteHold)
		l.left.Store(from)
		// What reads goes on where the data still is; the other tenant goes on altogether.
		a := b.ask(http.MethodGet, "client-x", "/v1/orders", nil, nil)
		require.Equal(t, from, a.header.Get("X-Side"))
		b.eventually(func() bool { return b.gateways[0].buffer.held()+b.gateways[1].buffer.held() == 4 })
		progress()
		_, err := b.records.SetRoute(t.Context(), "client-x", to, "ann")
		require.NoError(t, err)
		progress()
	}
	stop()
	writers.Wait()
	require.Empty(t, l.wrong)
	require.Greater(t, len(l.done), 200)
	for _, side := range []string{"legacy", "core"} {
		require.Contains(t, l.done, firstOn(l, side), "no write reached %s", side)
	}
}

func firstOn(l *ledger, side string) string {
	for id, on := range l.done {
		if on == side && strings.HasPrefix(id, "client-x") {
			return id
		}
	}
	return ""
}

// One tenant's slow write delays the acknowledgment of its own hold and no other's.
func TestAcknowledgedWhenDrained(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	goOn, arrived := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(goOn) })
	defer release()
	b.legacy.does(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			close(arrived)
			<-goOn
		}
		w.WriteHeader(http.StatusCreated)
	})
	slow := make(chan answer, 1)
	go func() { slow <- b.ask(http.MethodPost, "client-x", "/v1/orders", strings.NewReader("x"), nil) }()
	<-arrived
	epoch, err := b.records.SetRoute(t.Context(), "client-x", tenant.RouteHold, "ann")
	require.NoError(t, err)
	b.route("client-y", tenant.RouteHold)
	missing, err := b.records.WaitAcknowledged(t.Context(), epoch, 100*time.Millisecond)
	require.NoError(t, err)
	require.Len(t, missing, 1, "acknowledged while a write is under way")
	release()
	require.Equal(t, http.StatusCreated, (<-slow).status)
	missing, err = b.records.WaitAcknowledged(t.Context(), epoch, 20*time.Second)
	require.NoError(t, err)
	require.Empty(t, missing)
}

// A write that doesn't end is cut, and its client is told that nobody knows whether it was done.
func TestLateWritesAreCut(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.Drain, o.Beat = 50*time.Millisecond, 20*time.Millisecond })
	arrived, ended := make(chan struct{}), make(chan struct{})
	b.legacy.does(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-r.Context().Done()
		close(ended)
	})
	slow := make(chan answer, 1)
	go func() { slow <- b.ask(http.MethodPost, "client-x", "/v1/orders", strings.NewReader("x"), nil) }()
	<-arrived
	b.route("client-x", tenant.RouteHold)
	a := <-slow
	require.Equal(t, http.StatusServiceUnavailable, a.status)
	require.Equal(t, "cut", a.problem(t).Type)
	require.Empty(t, a.header.Get("Retry-After"), "told to do again what may have been done")
	<-ended
	require.Contains(t, b.log.String(), "a write was cut")
}

func TestHoldIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) {
		o.Hold = HoldLimits{Requests: 2, RequestsAll: 3, Body: 8, Bytes: 12, Wait: time.Minute}
	})
	b.route("client-x", tenant.RouteHold)
	b.route("client-y", tenant.RouteHold)
	answers := make(chan answer, 10)
	write := func(name tenant.Name, body string) {
		go func() { answers <- b.ask(http.MethodPost, name, "/v1/orders", strings.NewReader(body), nil) }()
	}
	refused := func(name tenant.Name) {
		t.Helper()
		a := b.ask(http.MethodPost, name, "/v1/orders", strings.NewReader("more"), nil)
		require.Equal(t, http.StatusServiceUnavailable, a.status)
		require.Equal(t, "held", a.problem(t).Type)
		require.Equal(t, "5", a.header.Get("Retry-After"))
	}
	long := strings.Repeat("0123456789", 10)
	write("client-x", long)
	b.waits(1)
	write("client-x", long)
	b.waits(2)
	refused("client-x")
	write("client-y", "short")
	b.waits(3)
	refused("client-y")
	bytes := func() int64 {
		b.gateways[0].buffer.mutex.Lock()
		defer b.gateways[0].buffer.mutex.Unlock()
		return b.gateways[0].buffer.all.bytes
	}
	b.eventually(func() bool { return bytes() == 12+5 })
	// client-p isn't held, and not hindered.
	require.Equal(t, http.StatusOK, b.ask(http.MethodPost, "client-p", "/v1/orders", strings.NewReader("p"), nil).status)

	b.route("client-x", tenant.RoutePlatform)
	for range 2 {
		a := <-answers
		require.Equal(t, long, a.seen(t).Body, "beginning and rest don't make the whole")
		require.Equal(t, "core", a.header.Get("X-Side"))
	}
	b.route("client-y", tenant.RouteLegacy)
	a := <-answers
	require.Equal(t, "short", a.seen(t).Body)
	require.Equal(t, "legacy", a.header.Get("X-Side"))
	b.waits(0)
	b.eventually(func() bool { return bytes() == 0 && len(b.gateways[0].traffic.lanes) == 0 })
}

func TestHoldIsBoundedInTime(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.Hold.Wait = 30 * time.Millisecond })
	b.route("client-x", tenant.RouteHold)
	a := b.ask(http.MethodPost, "client-x", "/v1/orders", strings.NewReader("x"), nil)
	require.Equal(t, http.StatusServiceUnavailable, a.status)
	require.Equal(t, "held", a.problem(t).Type)
	a = b.ask(http.MethodDelete, "client-x", "/v1/orders/1", nil, nil)
	require.Equal(t, http.StatusServiceUnavailable, a.status, "what has no body waits, too")
	a = b.ask(http.MethodGet, "client-x", "/v1/orders/1", nil, http.Header{"X-Http-Method-Override": {"DELETE"}})
	require.Equal(t, http.StatusServiceUnavailable, a.status, "what calls itself another method waits, too")
	require.Equal(t, http.StatusOK, b.ask(http.MethodHead, "client-x", "/v1/orders/1", nil, nil).status)
	b.waits(0)
}

// A client that gives up makes room for another, whether its body has come or not.
func TestClientGivesUpWhileHeld(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.Hold.Requests = 1 })
	var arrived atomic.Int64
	b.core.does(func(http.ResponseWriter, *http.Request) { arrived.Add(1) })
	b.route("client-x", tenant.RouteHold)
	for _, body := range []string{
		"POST /v1/orders HTTP/1.1\r\nHost: client-x.localhost\r\nContent-Length: 4\r\n\r\nbody",
		"POST /v1/orders HTTP/1.1\r\nHost: client-x.localhost\r\nContent-Length: 4\r\n\r\nbo",
		"POST /v1/orders HTTP/1.1\r\nHost: client-x.localhost\r\nContent-Length: 0\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", b.addresses[0])
		require.NoError(t, err)
		_, err = io.WriteString(conn, body)
		require.NoError(t, err)
		b.waits(1)
		require.NoError(t, conn.Close())
		b.waits(0)
	}
	last := make(chan answer)
	go func() { last <- b.ask(http.MethodPost, "client-x", "/v1/orders", bytes.NewReader([]byte("x")), nil) }()
	b.waits(1)
	b.route("client-x", tenant.RoutePlatform)
	require.Equal(t, http.StatusOK, (<-last).status)
	require.EqualValues(t, 1, arrived.Load(), "a write whose client gave up was sent on")
}

// A slow client's body that has come in part when the hold ends goes through whole.
func TestBodyComesWhileHoldEnds(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.route("client-x", tenant.RouteHold)
	reader, writer := io.Pipe()
	done := make(chan answer)
	go func() { done <- b.ask(http.MethodPost, "client-x", "/v1/orders", reader, nil) }()
	_, err := io.WriteString(writer, "first,")
	require.NoError(t, err)
	b.waits(1)
	b.route("client-x", tenant.RoutePlatform)
	b.eventually(func() bool { return b.gateways[0].metricFlying("core") == 1 })
	_, err = io.WriteString(writer, "second,")
	require.NoError(t, err)
	_, err = io.WriteString(writer, "third")
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	require.Equal(t, "first,second,third", (<-done).seen(t).Body)
}

// A gateway that ends answers what it has, and is waited for no longer.
func TestShutdown(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	arrived, goOn := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(goOn) })
	defer release()
	b.legacy.does(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-goOn
	})
	slow, held := make(chan answer, 1), make(chan answer, 1)
	go func() { slow <- b.ask(http.MethodPost, "client-y", "/v1/orders", strings.NewReader("x"), nil) }()
	<-arrived
	b.route("client-x", tenant.RouteHold)
	go func() { held <- b.ask(http.MethodPost, "client-x", "/v1/orders", strings.NewReader("x"), nil) }()
	b.waits(1)
	ended := make(chan error)
	go func() { ended <- b.stops[0]() }()
	b.eventually(func() bool { _, err := net.DialTimeout("tcp", b.addresses[0], time.Second); return err != nil })
	b.route("client-x", tenant.RoutePlatform) // acknowledged although it ends
	require.Equal(t, http.StatusOK, (<-held).status)
	release()
	require.Equal(t, http.StatusOK, (<-slow).status)
	require.NoError(t, <-ended)
	missing, err := b.records.WaitAcknowledged(t.Context(), 1<<40, 0)
	require.NoError(t, err)
	require.Empty(t, missing)
}
