package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// testBundle is a gateway before three applications: the legacy one, our service core, and a lifted tenant's.
type testBundle struct {
	*testing.T
	records                *registry.Registry
	keys                   *token.Keyring
	gateways               []*Gateway
	addresses              []string
	legacy, core, upstream *testServer
	options                Options
	log                    *syncBuffer
	stops                  []func() error
	client                 *http.Client
	directory              *scope.Directory
}

// testServer is a server whose handler a test may change.
type testServer struct {
	*httptest.Server
	mutex  sync.Mutex
	handle http.HandlerFunc
}

func (a *testServer) does(handle http.HandlerFunc) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.handle = handle
}

func newApplication(t *testing.T, name string) *testServer {
	a := &testServer{}
	a.does(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.Header().Set("X-Side", name)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(seen{r.Method, r.RequestURI, r.Host, r.Header, string(body)})
	})
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mutex.Lock()
		handle := a.handle
		a.mutex.Unlock()
		handle(w, r)
	}))
	t.Cleanup(func() {
		a.CloseClientConnections()
		a.Close()
	})
	return a
}

// seen is what an application got, as it answers by default.
type seen struct {
	Method, URI, Host string
	Header            http.Header
	Body              string
}

type syncBuffer struct {
	mutex sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.Buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.Buffer.String()
}

// operations are core's.
func operations() []service.Operation {
	return []service.Operation{
		{ID: "listOrders", Method: http.MethodGet, Path: "/v1/orders"},
		{ID: "createOrder", Method: http.MethodPost, Path: "/v1/orders"},
		{ID: "order", Method: http.MethodGet, Path: "/v1/orders/{id}"},
		{ID: "deleteOrder", Method: http.MethodDelete, Path: "/v1/orders/{id}"},
		{ID: "recount", Method: http.MethodPost, Path: "/v1/orders/{id}/recount", Internal: true},
		{ID: "sync", Method: http.MethodPost, Path: "/v1/internal/sync", Internal: true},
		{ID: "login", Method: http.MethodPost, Path: "/v1/login", Public: true},
	}
}

// setup begins a gateway. client-x and client-y are still on their legacy, client-p is on the platform, client-l is lifted.
func setup(t *testing.T, change func(*Options)) *testBundle {
	t.Helper()
	b := &testBundle{T: t, log: &syncBuffer{}}
	var err error
	b.records, err = registry.Open(t.Context(), localtest.Database(t))
	require.NoError(t, err)
	t.Cleanup(b.records.Close)
	b.keys, err = token.OpenKeyring(t.TempDir(), token.KeyringOptions{})
	require.NoError(t, err)
	b.legacy, b.core, b.upstream = newApplication(t, "legacy"), newApplication(t, "core"), newApplication(t, "upstream")
	for _, spec := range []tenant.Spec{
		{Name: "client-x", Legacy: true, Services: []string{"core"}},
		{Name: "client-y", Legacy: true, Services: []string{"core"}},
		{Name: "client-p", Services: []string{"core"}},
		{Name: "client-l", Upstream: b.upstream.URL},
		{Name: "client-s", Services: []string{"core"}, State: tenant.Suspended},
		{Name: "client-a", Services: []string{"core"}, State: tenant.Archived},
	} {
		spec.Instance, spec.Schema, spec.Ring = "shared-1", spec.Name.Ident(), "general"
		require.NoError(t, b.records.UpsertTenant(t.Context(), spec, "ann"))
	}
	b.options = Options{
		Records: b.records, Verifier: b.keys, LegacyURL: func(tenant.Name) string { return b.legacy.URL },
		Services: []Backend{{Name: "core", URL: b.core.URL, Operations: operations()}},
		Log:      slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&b.options)
	}
	b.begin()
	b.client = b.through(0)
	return b
}

// begin begins another gateway, with a directory of its own.
func (b *testBundle) begin() {
	b.Helper()
	d, err := scope.OpenDirectory(b.Context(), b.records, nil, b.options.Log)
	require.NoError(b, err)
	b.directory = d
	ctx, stop := context.WithCancel(context.Background())
	var following sync.WaitGroup
	following.Go(func() { d.Run(ctx) })
	opts := b.options
	opts.Directory = d
	g, err := New(opts)
	require.NoError(b, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	serving, end := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- g.Serve(serving, listener) }()
	b.gateways, b.addresses = append(b.gateways, g), append(b.addresses, listener.Addr().String())
	done := sync.OnceValue(func() error {
		end()
		err := <-served
		stop()
		following.Wait()
		return err
	})
	b.stops = append(b.stops, done)
	b.Cleanup(func() { require.NoError(b, done()) })
	b.eventually(func() bool {
		_, err := b.get(b.through(len(b.gateways)-1), "nobody", "/healthz", "")
		return err == nil
	})
}

func (b *testBundle) eventually(is func() bool) {
	b.Helper()
	require.Eventually(b, is, 20*time.Second, 2*time.Millisecond)
}

// through is a client that reaches every host at a gateway.
func (b *testBundle) through(gateway int) *http.Client {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", b.addresses[gateway])
		},
		MaxIdleConnsPerHost: 100, DisableCompression: true,
	}
	b.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// answer is one, whole.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) problem(t testing.TB) service.Problem {
	t.Helper()
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), a.body)
	var p service.Problem
	require.NoError(t, json.Unmarshal([]byte(a.body), &p))
	require.Equal(t, a.status, p.Status)
	require.Equal(t, a.header.Get("X-Request-Id"), p.Instance)
	return p
}

func (a answer) seen(t testing.TB) seen {
	t.Helper()
	require.Equal(t, http.StatusOK, a.status, a.body)
	var s seen
	require.NoError(t, json.Unmarshal([]byte(a.body), &s))
	return s
}

func (b *testBundle) do(client *http.Client, method string, host string, path string, body io.Reader, header http.Header) (answer, error) {
	r, err := http.NewRequestWithContext(b.Context(), method, "http://"+host+path, body)
	if err != nil {
		return answer{}, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	response, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	content, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(content)}, errors.Join(err, response.Body.Close())
}

func (b *testBundle) get(client *http.Client, host, path, bearer string) (answer, error) {
	header := http.Header{}
	if bearer != "" {
		header.Set("Authorization", "Bearer "+bearer)
	}
	return b.do(client, http.MethodGet, host, path, nil, header)
}

// ask is a request of a tenant by its host, which must be answered.
func (b *testBundle) ask(method string, name tenant.Name, path string, body io.Reader, header http.Header) answer {
	b.Helper()
	a, err := b.do(b.client, method, string(name)+".localhost", path, body, header)
	require.NoError(b, err)
	return a
}

func (b *testBundle) token(name tenant.Name, change func(*token.Claims)) string {
	b.Helper()
	claims := token.Claims{Tenant: name, Subject: "1", Login: "ann", Use: token.Access, Expires: time.Now().Add(time.Hour)}
	if change != nil {
		change(&claims)
	}
	raw, err := b.keys.Sign(claims)
	require.NoError(b, err)
	return raw
}

// route changes a tenant's, and waits until the gateways have acknowledged it.
func (b *testBundle) route(name tenant.Name, to tenant.Route) {
	b.Helper()
	epoch, err := b.records.SetRoute(b.Context(), name, to, "ann")
	require.NoError(b, err)
	missing, err := b.records.WaitAcknowledged(b.Context(), epoch, 20*time.Second)
	require.NoError(b, err)
	require.Empty(b, missing)
}

func (b *testBundle) waits(n int) {
	b.Helper()
	b.eventually(func() bool { return b.gateways[0].buffer.held() == n })
}

// metricFlying is how many requests are under way to a target.
func (g *Gateway) metricFlying(target string) int {
	var m dto.Metric
	if err := g.metrics.flying.WithLabelValues(target).Write(&m); err != nil {
		return -1
	}
	return int(m.GetGauge().GetValue())
}

func contextWith(r *http.Request, x *exchange) context.Context {
	return context.WithValue(r.Context(), exchangeKey{}, x)
}
