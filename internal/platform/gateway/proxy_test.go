package gateway

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/tenant"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for _, c := range []struct {
		name         tenant.Name
		method, path string
		side         string // or the type of the problem
	}{
		{"client-x", http.MethodGet, "/v1/orders", "legacy"},
		{"client-x", http.MethodGet, "/of/the%2Fapplication//itself", "legacy"},
		{"client-x", http.MethodPost, "/v1/internal/sync", "legacy"},
		{"client-p", http.MethodGet, "/v1/orders?limit=3&after=a%2Fb", "core"},
		{"client-p", http.MethodGet, "/v1/orders/7", "core"},
		{"client-p", http.MethodDelete, "/v1/orders/a%20b", "core"},
		{"client-p", http.MethodPost, "/v1/orders", "core"},
		{"client-p", http.MethodGet, "/v1/nothing", "not-found"},
		{"client-p", http.MethodGet, "/v1/orders/7/lines", "not-found"},
		{"client-p", http.MethodGet, "/v1/orders/", "not-found"},
		{"client-p", http.MethodPatch, "/v1/orders", "method-not-allowed"},
		{"client-l", http.MethodPost, "/any/path", "upstream"},
		{"client-l", http.MethodPost, "/v1/orders", "upstream"},
		{"client-s", http.MethodGet, "/v1/orders", "tenant-suspended"},
		{"client-a", http.MethodGet, "/v1/orders", "not-found"},
		{"client-none", http.MethodGet, "/v1/orders", "not-found"},
	} {
		a := b.ask(c.method, c.name, c.path, nil, nil)
		if a.status != http.StatusOK {
			require.Equal(t, c.side, a.problem(t).Type, c)
			continue
		}
		require.Equal(t, c.side, a.header.Get("X-Side"), c)
		s := a.seen(t)
		require.Equal(t, c.method+" "+c.path, s.Method+" "+s.URI, "the request doesn't arrive as it was sent")
		require.Equal(t, string(c.name)+".localhost", s.Host)
	}
	a := b.ask(http.MethodPatch, "client-p", "/v1/orders", nil, nil)
	require.Equal(t, "GET, POST", a.header.Get("Allow"))
	require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
	archived, unknown := b.ask(http.MethodGet, "client-a", "/", nil, nil).problem(t), b.ask(http.MethodGet, "client-none", "/", nil, nil).problem(t)
	archived.Instance, unknown.Instance = "", ""
	require.Equal(t, unknown, archived, "the answer tells that there was such a tenant")
}

// No way of writing a path leads to an operation that is for services only, and none is read by us in one way and by the
// service in another.
func TestInternalOperationsAreOutOfReach(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	mux := http.NewServeMux()
	for _, o := range operations() {
		mux.HandleFunc(o.Method+" "+o.Path, func(w http.ResponseWriter, _ *http.Request) {
			if o.Internal {
				w.WriteHeader(http.StatusTeapot)
			}
		})
	}
	b.core.does(mux.ServeHTTP)
	direct, err := http.Post(b.core.URL+"/v1/internal/sync", "", nil)
	require.NoError(t, err)
	require.NoError(t, direct.Body.Close())
	require.Equal(t, http.StatusTeapot, direct.StatusCode, "the test would see nothing")
	for _, path := range []string{
		"/v1/internal/sync", "/v1/internal/sync/", "/v1/internal/sync?x=1", "/v1/internal/sync;x", "/v1/internal/./sync", "//v1/internal/sync", "/v1//internal/sync",
		"/v1/orders/../internal/sync", "/v1/orders/%2e%2e/internal/sync", "/v1/orders/%2E%2e/internal/sync", "/v1/orders/..%2finternal%2fsync",
		"/v1/internal%2fsync", "/v1%2Finternal%2Fsync", "/v1/%69nternal/sync", "/v1/internal/syn%63", "/v1/orders\\..\\internal\\sync", "/v1/orders/%5c..%5cinternal/sync",
		"/v1/internal/sync%00", "/v1/internal/sync%2f", "/v1/orders/1/recount", "/v1/orders/1/recount/", "/v1/orders/%2e/recount", "/v1/orders/1/%72ecount",
		"/v1/orders/1%2frecount", "/v1/orders/1/2/%2e%2e/recount", "/V1/internal/sync", "/v1/internal/sync/..", "/v1/orders/..", "/v1/orders/.", "/v1/orders/%2e%2e%2finternal%2fsync",
		"http://client-p.localhost/v1/internal/sync", "http://client-p.localhost//v1/internal/sync",
	} {
		for _, method := range []string{http.MethodPost, http.MethodGet, "post"} {
			response := b.raw(method + " " + path + " HTTP/1.1\r\nHost: client-p.localhost\r\nContent-Length: 0\r\n\r\n")
			require.Contains(t, []int{http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed}, response.status, "%s %s", method, path)
		}
	}
}

// raw sends bytes that no client would, and reads one answer.
func (b *testBundle) raw(request string) answer {
	b.Helper()
	conn, err := net.Dial("tcp", b.addresses[0])
	require.NoError(b, err)
	defer func() { _ = conn.Close() }()
	require.NoError(b, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, request)
	require.NoError(b, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(b, err, request)
	body, err := io.ReadAll(response.Body)
	require.NoError(b, err)
	return answer{response.StatusCode, response.Header, string(body)}
}

// What a client says of itself where only a gateway may doesn't arrive; what is the client's to say does.
func TestHeaders(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	evil := http.Header{}
	for _, name := range []string{
		"X-Forwarded-Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Prefix", "X_Forwarded_Host", "Forwarded", "X-Tenant", "X-Tenant-Id", "X_Tenant", "x-tenant-role",
		"X-Real-Ip", "X-Original-Url", "X-Rewrite-Url", "X-Host", "True-Client-Ip",
	} {
		evil[name] = []string{"client-y.localhost"}
	}
	evil["X-Request-Id"] = []string{"bad id\t", "another"}
	evil["Cookie"], evil["Idempotency-Key"], evil["X-Custom"] = []string{"a=1"}, []string{"k-1"}, []string{"one", "two"}
	a := b.ask(http.MethodPost, "client-x", "/", strings.NewReader("x"), evil)
	got := a.seen(t)
	for name, values := range got.Header {
		require.NotContains(t, values, "client-y.localhost", name)
	}
	require.Equal(t, "client-x.localhost", got.Header.Get("X-Forwarded-Host"))
	require.Equal(t, "127.0.0.1", got.Header.Get("X-Forwarded-For"))
	require.Equal(t, "http", got.Header.Get("X-Forwarded-Proto"))
	require.Equal(t, []string{"one", "two"}, got.Header["X-Custom"])
	require.Equal(t, "a=1", got.Header.Get("Cookie"))
	require.Equal(t, "k-1", got.Header.Get("Idempotency-Key"))
	require.Regexp(t, `^[A-Z0-9]{26}$`, got.Header.Get("X-Request-Id"))
	require.Equal(t, got.Header["X-Request-Id"], a.header["X-Request-Id"], "answer and service have different ids, or several")
	a = b.ask(http.MethodGet, "client-x", "/", nil, http.Header{"X-Request-Id": {"mine-1"}})
	require.Equal(t, "mine-1", a.seen(t).Header.Get("X-Request-Id"))
}

func TestSmuggling(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for name, request := range map[string]string{
		"two hosts":           "GET / HTTP/1.1\r\nHost: client-x.localhost\r\nHost: client-y.localhost\r\n\r\n",
		"no host":             "GET / HTTP/1.1\r\n\r\n",
		"empty host":          "GET / HTTP/1.1\r\nHost:\r\n\r\n",
		"two authorizations":  "GET / HTTP/1.1\r\nHost: client-x.localhost\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
		"token stripped":      "GET / HTTP/1.1\r\nHost: client-x.localhost\r\nConnection: close, authorization\r\nAuthorization: Bearer a\r\n\r\n",
		"host stripped":       "GET / HTTP/1.1\r\nHost: client-x.localhost\r\nConnection: x-forwarded-host\r\n\r\n",
		"key stripped":        "POST / HTTP/1.1\r\nHost: client-x.localhost\r\nConnection: x, Idempotency-Key\r\nContent-Length: 0\r\n\r\n",
		"two lengths":         "POST / HTTP/1.1\r\nHost: client-x.localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"unknown encoding":    "POST / HTTP/1.1\r\nHost: client-x.localhost\r\nTransfer-Encoding: xchunked\r\n\r\n",
		"connect":             "CONNECT client-y.localhost:80 HTTP/1.1\r\nHost: client-y.localhost:80\r\n\r\n",
		"trace":               "TRACE / HTTP/1.1\r\nHost: client-x.localhost\r\n\r\n",
		"space in a name":     "GET / HTTP/1.1\r\nHost: client-x.localhost\r\nX-Tenant : client-y\r\n\r\n",
		"newline in the path": "GET /\nX-Tenant:y HTTP/1.1\r\nHost: client-x.localhost\r\n\r\n",
	} {
		a := b.raw(request)
		require.GreaterOrEqual(t, a.status, 400, name)
		require.Empty(t, a.header.Get("X-Side"), "%s reached an application", name)
	}
	// The target's host counts, as RFC 9112 has it, for us and for who comes behind.
	a := b.raw("GET http://client-p.localhost/v1/orders HTTP/1.1\r\nHost: client-x.localhost\r\n\r\n")
	require.Equal(t, "core", a.header.Get("X-Side"))
	require.Equal(t, "client-p.localhost", a.seen(t).Host)
	require.Equal(t, "/v1/orders", a.seen(t).URI)
	// Both framings: chunks count, and what follows is no second request of ours to the application.
	a = b.raw("POST / HTTP/1.1\r\nHost: client-x.localhost\r\nContent-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")
	if a.status == http.StatusOK {
		require.Equal(t, "a", a.seen(t).Body)
		require.Empty(t, a.seen(t).Header.Get("Content-Length"))
	}
	for _, host := range []string{"CLIENT-X.LocalHost", "client-x.localhost:8080", "client-x.localhost."} {
		require.Equal(t, http.StatusOK, b.raw("GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n").status, host)
	}
	for _, host := range []string{"client-x.localhost.evil", "client-xlocalhost", "a.client-x.localhost", "client-x", "localhost", "client_x.localhost", ".localhost"} {
		require.Equal(t, http.StatusNotFound, b.raw("GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n").status, host)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	valid := b.token("client-p", nil)
	expired := b.token("client-p", func(c *token.Claims) { c.Issued, c.Expires = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour) })
	other, err := token.OpenKeyring(t.TempDir(), token.KeyringOptions{})
	require.NoError(t, err)
	forged, err := other.Sign(token.Claims{Tenant: "client-p", Subject: "1", Use: token.Access, Expires: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	for _, c := range []struct {
		host, method, path, bearer string
		answer                     string // side, or type of the problem
	}{
		{"client-p.localhost", "GET", "/v1/orders", valid, "core"},
		{"api.example", "GET", "/v1/orders", valid, "core"},
		{"api.example", "GET", "/v1/orders", "", "not-found"},
		{"client-x.localhost", "GET", "/v1/orders", valid, "forbidden"},
		{"client-x.localhost", "POST", "/v1/login", valid, "forbidden"},
		{"client-none.localhost", "GET", "/v1/orders", valid, "forbidden"},
		{"client-p.localhost", "GET", "/v1/orders", expired, "token-expired"},
		{"client-p.localhost", "GET", "/v1/orders", forged, "token-invalid"},
		{"client-p.localhost", "GET", "/v1/orders", "x", "token-invalid"},
		{"client-p.localhost", "GET", "/v1/orders", strings.Repeat("x", 20_000), "token-invalid"},
		{"api.example", "GET", "/v1/orders", forged, "token-invalid"},
		{"api.example", "GET", "/v1/orders", b.token("client-none", nil), "not-found"},
		{"api.example", "GET", "/v1/orders", b.token("client-s", nil), "tenant-suspended"},
		{"api.example", "GET", "/v1/orders", b.token("client-a", nil), "not-found"},
		// Who logs in may still have an old token.
		{"client-p.localhost", "POST", "/v1/login", expired, "core"},
		{"client-p.localhost", "POST", "/v1/login", "x", "core"},
		{"client-p.localhost", "POST", "/v1/login", "", "core"},
		// Applications that aren't ours have tokens of their own; one of ours that has expired is known to have.
		{"client-l.localhost", "GET", "/", "their-own", "upstream"},
		{"client-x.localhost", "GET", "/", "their-own", "legacy"},
		{"client-l.localhost", "GET", "/", b.token("client-l", func(c *token.Claims) {
			c.Issued, c.Expires = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		}), "token-expired"},
		{"api.example", "GET", "/", b.token("client-l", nil), "upstream"},
		{"client-p.localhost", "GET", "/v1/orders", b.token("client-p", func(c *token.Claims) { c.Use, c.Service, c.Subject, c.Login = token.Service, "auth", "", "" }), "token-invalid"},
	} {
		header := http.Header{}
		if c.bearer != "" {
			header.Set("Authorization", "Bearer "+c.bearer)
		}
		a, err := b.do(b.client, c.method, c.host, c.path, nil, header)
		require.NoError(t, err)
		if a.status != http.StatusOK {
			require.Equal(t, c.answer, a.problem(t).Type, c)
			continue
		}
		require.Equal(t, c.answer, a.header.Get("X-Side"), c)
		require.Equal(t, header["Authorization"], a.seen(t).Header["Authorization"])
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	require.NoError(t, b.records.SetLimits(t.Context(), "client-p", tenant.Limits{RequestsPerSecond: 1}, "ann"))
	var limited answer
	b.eventually(func() bool {
		limited = b.ask(http.MethodGet, "client-p", "/v1/orders", nil, nil)
		return limited.status == http.StatusTooManyRequests
	})
	require.Equal(t, "rate-limited", limited.problem(t).Type)
	require.Equal(t, "1", limited.header.Get("Retry-After"))
	require.Equal(t, http.StatusOK, b.ask(http.MethodGet, "client-x", "/v1/orders", nil, nil).status)
	require.NoError(t, b.records.SetLimits(t.Context(), "client-p", tenant.Limits{RequestsPerSecond: 100_000}, "ann"))
	b.eventually(func() bool { return b.ask(http.MethodGet, "client-p", "/v1/orders", nil, nil).status == http.StatusOK })
}

// A tenant whose application hangs uses up its own places and no one else's.
func TestHangingUpstream(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.Concurrent, o.Queue, o.Header = 4, 20*time.Millisecond, 2*time.Second })
	var hanging atomic.Int64
	b.legacy.does(func(_ http.ResponseWriter, r *http.Request) {
		hanging.Add(1)
		<-r.Context().Done()
	})
	var group sync.WaitGroup
	var busy, late atomic.Int64
	for range 20 {
		group.Go(func() {
			switch a := b.ask(http.MethodGet, "client-x", "/", nil, nil); a.status {
			case http.StatusServiceUnavailable:
				busy.Add(1)
			case http.StatusGatewayTimeout:
				late.Add(1)
			}
		})
	}
	b.eventually(func() bool { return busy.Load() == 16 })
	b.eventually(func() bool { return hanging.Load() == 4 })
	for range 50 {
		require.Equal(t, http.StatusOK, b.ask(http.MethodGet, "client-p", "/v1/orders", nil, nil).status)
	}
	require.Zero(t, late.Load(), "the others waited until the hanging ones were given up")
	group.Wait()
	require.EqualValues(t, 4, late.Load())
}

// Clients that send or take bytes too slowly lose their places.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.Concurrent, o.Queue, o.Idle = 1, time.Millisecond, 100*time.Millisecond })
	a := b.raw("POST / HTTP/1.1\r\nHost: client-x.localhost\r\nContent-Length: 10\r\n\r\nhalf")
	require.Equal(t, http.StatusRequestTimeout, a.status)
	b.eventually(func() bool { return b.ask(http.MethodGet, "client-x", "/", nil, nil).status == http.StatusOK })

	ended := make(chan struct{})
	b.legacy.does(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	})
	conn, err := net.Dial("tcp", b.addresses[0])
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: client-x.localhost\r\n\r\n")
	require.NoError(t, err)
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("an answer that nobody takes is kept")
	}
	b.eventually(func() bool { return b.gateways[0].metricFlying("legacy") == 0 })
}

// Writes are sent once, whatever becomes of them; what reads is sent again where nobody was there to see it.
func TestNothingIsSentTwice(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	var got atomic.Int64
	b.legacy.does(func(http.ResponseWriter, *http.Request) {
		if got.Add(1) > 1 { // the first leaves an idle connection
			panic(http.ErrAbortHandler)
		}
	})
	require.Equal(t, http.StatusOK, b.ask(http.MethodGet, "client-x", "/", nil, nil).status)
	for _, header := range []http.Header{nil, {"Idempotency-Key": {"k-1"}}} {
		for _, body := range []io.Reader{nil, strings.NewReader("x")} {
			before := got.Load()
			a := b.ask(http.MethodPost, "client-x", "/", body, header)
			require.Equal(t, http.StatusBadGateway, a.status)
			require.Equal(t, "broken", a.problem(t).Type)
			require.EqualValues(t, before+1, got.Load())
		}
	}
	b.legacy.Close()
	a := b.ask(http.MethodPost, "client-x", "/", strings.NewReader("x"), nil)
	require.Equal(t, "unreachable", a.problem(t).Type)
	require.Equal(t, "1", a.header.Get("Retry-After"))
}

// The server closes a request's body when its answer begins: the transport may be about to look for more of it just then.
func TestALongAnswerToALongBodyComesWhole(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	long := strings.Repeat("x", 200_000)
	b.legacy.does(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, long)
	})
	for range 300 {
		require.Equal(t, long, b.ask(http.MethodPost, "client-x", "/", strings.NewReader(long[:70_000]), nil).body)
	}
}

func TestRoundTripperTriesReadsOnceMore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind  kind
		dials int
	}{{reads, 2}, {writes, 1}, {tunnels, 1}} {
		dials := 0
		transport := &http.Transport{Dial: func(string, string) (net.Conn, error) { //nolint:staticcheck // the simplest way to refuse
			dials++
			return nil, &net.OpError{Op: "dial", Err: errors.New("refused")}
		}}
		r := httptest.NewRequest(http.MethodGet, "http://nowhere.test/", http.NoBody)
		r.RequestURI = ""
		r = r.WithContext(contextWith(r, &exchange{kind: c.kind}))
		_, err := roundTripper{transport}.RoundTrip(r)
		require.Error(t, err)
		require.Equal(t, c.dials, dials)
	}
}

// Health is told where no tenant is named, and metrics to operators only; a tenant's host is the tenant's, with all its paths.
func TestObserve(t *testing.T) {
	t.Parallel()
	admin, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b := setup(t, func(o *Options) { o.Admin = admin })
	b.ask(http.MethodGet, "client-x", "/", nil, nil)
	for _, path := range []string{"/healthz", "/readyz", "/version", "/metrics"} {
		a, err := b.get(b.client, "10.0.0.1:8080", path, "")
		require.NoError(t, err)
		want := http.StatusOK
		if path == "/metrics" {
			want = http.StatusNotFound
		}
		require.Equal(t, want, a.status, path)
		require.Equal(t, "legacy", b.ask(http.MethodGet, "client-x", path, nil, nil).header.Get("X-Side"))
		told, err := http.Get("http://" + admin.Addr().String() + path)
		require.NoError(t, err)
		body, err := io.ReadAll(told.Body)
		require.NoError(t, errors.Join(err, told.Body.Close()))
		require.Equal(t, http.StatusOK, told.StatusCode)
		if path == "/metrics" {
			for _, line := range []string{`gateway_requests_total{target="legacy"} 5`, "gateway_held 0", "gateway_hold_seconds_count 0", fmt.Sprintf("gateway_epoch %d", b.gateways[0].Directory.Epoch())} {
				require.Contains(t, string(body), line+"\n")
			}
			require.Contains(t, string(body), `http_tenant_requests_total{service="gateway",tenant="client-x"} 5`)
		}
	}
	require.Equal(t, []string{"core"}, b.gateways[0].Version().Calls)
}

func TestTLS(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) {
		pair := httptest.NewUnstartedServer(nil)
		pair.StartTLS()
		defer pair.Close()
		o.TLS = pair.TLS.Clone()
		o.TLS.NextProtos = nil
	})
	conn, err := tls.Dial("tcp", b.addresses[0], &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // a test's own server
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: client-x.localhost\r\n\r\n")
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, "https", answer{response.StatusCode, response.Header, string(body)}.seen(t).Header.Get("X-Forwarded-Proto"))
}

func TestTable(t *testing.T) {
	t.Parallel()
	_, err := newTable([]Backend{{Name: "a", URL: "http://a", Operations: operations()}, {Name: "b", URL: "http://b", Operations: operations()[:1]}})
	require.ErrorIs(t, err, tenant.ErrConflict)
	_, err = newTable([]Backend{{Name: "a", URL: "http://a", Prefix: "/v1/a"}, {Name: "b", URL: "http://b", Prefix: "/v1/a/"}})
	require.ErrorIs(t, err, tenant.ErrConflict)
	_, err = newTable([]Backend{{Name: "a", URL: "a:80"}})
	require.ErrorIs(t, err, tenant.ErrInvalid)

	table, err := newTable([]Backend{
		{Name: "core", URL: "http://core", Operations: append(operations(), service.Operation{Method: http.MethodGet, Path: "/v1/orders/newest"})},
		{Name: "billing", URL: "http://billing", Prefix: "/v1/billing/"},
	})
	require.NoError(t, err)
	for path, name := range map[string]string{
		"/v1/billing": "billing", "/v1/billing/a/b": "billing", "/v1/billings": "", "/v1/orders/newest": "core", "/v1/orders/7": "core", "/v1": "", "/": "", "/v1/orders/7/x": "",
	} {
		e, err := table.find(http.MethodGet, path)
		require.Equal(t, name, e.service, path)
		require.Equal(t, name == "", errors.Is(err, tenant.ErrNotFound), path)
	}
}
