package bench_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/gateway"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/postgres"
	"tenantctl/internal/registry"
	"tenantctl/internal/tenant"
)

const (
	gatewayTenants  = 2000
	gatewayRequests = 10_000 // a turn
	gatewayClients  = 4
)

// BenchmarkGateway is the time of a request through the gateway to a service and back, against the service asked directly: the
// 99th percentile, with 2,000 tenants in the directory, whose turn is each request's in order. The service does what core does
// for a list of orders: it checks the token and asks PostgreSQL.
func BenchmarkGateway(b *testing.B) {
	for b.Loop() {
		f := newFront(b)
		slow := map[string][]time.Duration{}
		middle := map[string][]time.Duration{}
		sides := []struct{ name, address string }{{"gateway", f.gateway}, {"direct", f.service}}
		for range rounds(b) {
			for _, side := range sides {
				times := f.ask(side.address)
				slow[side.name] = append(slow[side.name], times[len(times)*99/100])
				middle[side.name] = append(middle[side.name], median(times))
			}
			slices.Reverse(sides)
		}
		for _, side := range sides {
			fmt.Printf("\n  %s: p99 %v, median %v", side.name, slow[side.name], middle[side.name])
		}
		fmt.Println()
		announce(b, "gateway/direct-p99", median(slow["gateway"]).Seconds()/median(slow["direct"]).Seconds(), 2.0)
		announce(b, "gateway/direct-median", median(middle["gateway"]).Seconds()/median(middle["direct"]).Seconds(), 0)
		f.close()
	}
}

// front is a service, and a gateway before it.
type front struct {
	*testing.B
	gateway, service string // addresses
	tokens           []string
	close            func()
}

func newFront(b *testing.B) *front {
	b.Helper()
	f := &front{B: b}
	dsn := localtest.Database(b) // nothing is written while it is measured
	records, err := registry.Open(b.Context(), dsn)
	require.NoError(b, err)
	keys, err := token.OpenKeyring(b.TempDir(), token.KeyringOptions{})
	require.NoError(b, err)
	for i := range gatewayTenants {
		name := tenant.Name(fmt.Sprintf("client-%d", i))
		require.NoError(b, records.UpsertTenant(b.Context(), tenant.Spec{
			Name: name, Instance: "shared-1", Schema: name.Ident(), Ring: "general", Services: []string{"core"}, Limits: tenant.Limits{RequestsPerSecond: 1_000_000},
		}, "bench"))
		raw, err := keys.Sign(token.Claims{Tenant: name, Subject: "1", Login: "ann", Use: token.Access, Permissions: []string{"*"}, Expires: time.Now().Add(time.Hour)})
		require.NoError(b, err)
		f.tokens = append(f.tokens, raw)
	}
	directory, err := scope.OpenDirectory(b.Context(), records, nil, slog.New(slog.DiscardHandler))
	require.NoError(b, err)
	core := f.coreLike(dsn, &scope.Authorizer{Tenants: directory, Verifier: keys, Domain: "localhost"})
	f.service = core.Listener.Addr().String()
	g, err := gateway.New(gateway.Options{
		Directory: directory, Records: records, Verifier: keys,
		Services: []gateway.Backend{{Name: "core", URL: core.URL, Operations: []service.Operation{{ID: "listOrders", Method: http.MethodGet, Path: "/v1/orders"}}}},
	})
	require.NoError(b, err)
	listener, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	require.NoError(b, err)
	f.gateway = listener.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { directory.Run(ctx) })
	var served error
	running.Go(func() { served = g.Serve(ctx, listener) })
	f.close = func() {
		stop()
		running.Wait()
		require.NoError(b, served)
		core.Close()
		records.Close()
	}
	return f
}

// coreLike is a service of one operation that lists orders.
func (f *front) coreLike(dsn string, authorize *scope.Authorizer) *httptest.Server {
	pool, err := postgres.Open(f.Context(), dsn, postgres.Options{Application: "bench", MaxConns: 2 * gatewayClients})
	require.NoError(f, err)
	f.Cleanup(pool.Close)
	_, err = pool.Exec(f.Context(), `create table orders as select i as id, 'customer ' || i as customer, now() as placed_at from generate_series(1, 10000) as i; alter table orders add primary key (id)`)
	require.NoError(f, err)
	type order struct {
		ID       int       `json:"id"`
		Customer string    `json:"customer"`
		Placed   time.Time `json:"placedAt"`
	}
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := authorize.Identify(r, token.Access)
		if err != nil {
			service.ProblemOf(err).Write(w)
			return
		}
		orders := make([]order, 0, 20)
		var o order
		err = postgres.Each(r.Context(), pool, `select id, customer, placed_at from orders where id > $1 order by id limit 20`, []any{len(who.Tenant.Name)},
			[]any{&o.ID, &o.Customer, &o.Placed}, func() error { orders = append(orders, o); return nil })
		if err != nil {
			service.ProblemOf(err).Write(w)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(orders)
	}))
}

// ask sends the requests of one turn, and returns their times in order of length.
func (f *front) ask(address string) []time.Duration {
	transport := &http.Transport{MaxIdleConnsPerHost: gatewayClients, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	requests := scaled(f.B, gatewayRequests)
	times := make([]time.Duration, requests)
	group, ctx := errgroup.WithContext(f.Context())
	for c := range gatewayClients {
		group.Go(func() error {
			for i := c; i < requests; i += gatewayClients {
				began := time.Now()
				if err := f.one(ctx, client, i%len(f.tokens)); err != nil {
					return err
				}
				times[i] = time.Since(began)
			}
			return nil
		})
	}
	require.NoError(f, group.Wait())
	slices.Sort(times)
	return times
}

func (f *front) one(ctx context.Context, client *http.Client, of int) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://client-%d.localhost/v1/orders", of), http.NoBody)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+f.tokens[of])
	r.Header.Set("X-Request-Id", rand.Text())
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s", response.Status)
	}
	return nil
}
