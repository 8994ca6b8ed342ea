package bench_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"tenantctl/internal/platform/core"
	"tenantctl/internal/platform/resource"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
	fleets "tenantctl/test/fleet"
)

const (
	scopeClients  = 4
	scopeRequests = 4000 // a turn
	// The bars are times, and the reciprocals of what is promised in requests per second: 0.75, and 20 times.
	scopeBar      = 1 / 0.75
	connectionBar = 1.0 / 20
)

// BenchmarkScope asks core itself, once over tenants' transactions, which nothing else can be reached from, once over a plain pool on
// one schema for all, and over a connection for each request, as a tenant and on the one schema: for a page of customers, and for one.
// Then the reads of one without a service.
func BenchmarkScope(b *testing.B) {
	for b.Loop() {
		s := newScopeStage(b)
		requests := scaled(b, scopeRequests)
		ours, plain, scoping, fresh := s.serve(b, s.pools), s.serve(b, s.plain), s.serve(b, s.scoping), s.serve(b, s.fresh)
		s.meet(b)
		for _, asked := range []struct {
			name string
			path func(tenant.Name) string
		}{{"page", pageOf}, {"one", oneOf}} {
			lap := func(name, url string, requests int) func() laps {
				return func() laps {
					return laps{name: s.ask(b, url, asked.path, requests) * time.Duration(scaled(b, scopeRequests)) / time.Duration(requests)}
				}
			}
			scoped, unscoped := "scoped-"+asked.name, "unscoped-"+asked.name
			connecting, unscopedConnecting := "connection-per-request-"+asked.name, "unscoped-connection-per-request-"+asked.name
			lap(scoped, ours, requests)()
			lap(unscoped, plain, requests)()
			compete(b, scoped, []func() laps{
				lap(scoped, ours, requests), lap(unscoped, plain, requests),
				lap(connecting, scoping, max(requests/20, 1)), lap(unscopedConnecting, fresh, max(requests/20, 1)),
			}, bar{unscoped, scopeBar}, bar{connecting, connectionBar}, bar{unscopedConnecting, 0})
		}
		query := func(name string, from resource.Store) func() laps {
			return func() laps { return laps{name: s.query(b, from, requests)} }
		}
		compete(b, "scoped-query", []func() laps{query("scoped-query", s.pools), query("bare-query", s.plain)}, bar{"bare-query", 0})
	}
}

// BenchmarkScopeMemory is what a backend keeps of 500 tenants of a cell.
func BenchmarkScopeMemory(b *testing.B) {
	for b.Loop() {
		s := newScopeStage(b)
		pools := s.fleet.Pools(b, scope.PoolOptions{Service: core.Service, MaxConns: 1})
		cell := s.tenants[0].Cell
		touch := func(t scope.Tenant) {
			require.NoError(b, pools.Read(b.Context(), t, func(batch *pgx.Batch) {
				for _, table := range []string{"customers", "products", "orders o left join order_items on order_id = o.id", "invoices"} {
					batch.Queue(`select count(*) from ` + table)
				}
			}))
		}
		touch(s.tenants[0])
		var pid int
		require.NoError(b, pools.Read(b.Context(), s.tenants[0], func(batch *pgx.Batch) {
			batch.Queue(`select pg_backend_pid()`).QueryRow(func(row pgx.Row) error { return row.Scan(&pid) })
		}))
		before, touched := residentAnonymous(b, pid), 0
		for _, t := range s.tenants {
			if t.Cell == cell {
				touch(t)
				touched++
			}
		}
		after := residentAnonymous(b, pid)
		fmt.Printf("\n  a backend's own memory: %.1f MB after one tenant, %.1f MB after %d, %.0f kB for each\n", before, after, touched, (after-before)*1024/float64(touched))
		b.ReportMetric(after, "MB/backend")
	}
}

// residentAnonymous is a process's memory that isn't shared, in MB.
func residentAnonymous(b *testing.B, pid int) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(b, err)
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "RssAnon:" {
			kilobytes, err := strconv.Atoi(fields[1])
			require.NoError(b, err)
			return float64(kilobytes) / 1024
		}
	}
	require.Fail(b, "no RssAnon")
	return 0
}

// scopeStage is 1,000 tenants in two cells, and one schema that holds what all of them hold.
type scopeStage struct {
	fleet   *fleets.Fleet
	tenants []scope.Tenant
	keys    *token.Keyring
	tokens  []string
	people  *scope.Authorizer

	pools        *scope.Pools
	scoping      connecting
	plain, fresh unscoped
}

// connecting reads as its tenant, each time on a new connection of the log-in that the pools have.
type connecting struct{ *scope.Pools }

// Read implements resource.Store.
func (c connecting) Read(ctx context.Context, t scope.Tenant, queue func(*pgx.Batch)) error {
	dsn, err := c.Login(ctx, scope.Cell{Instance: t.Instance, Cell: t.Cell})
	if err != nil {
		return err
	}
	role, err := t.Role(core.Service)
	if err != nil {
		return err
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	batch := &pgx.Batch{}
	for _, statement := range []string{"begin read only", "set local role " + postgres.Ident(role), "set local search_path = " + postgres.Ident(t.Schema) + ", ext"} {
		batch.Queue(statement)
	}
	queue(batch)
	batch.Queue("rollback")
	return sendOnce(ctx, config, batch)
}

// sendOnce sends a batch on a connection of its own.
func sendOnce(ctx context.Context, config *pgx.ConnConfig, batch *pgx.Batch) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	return conn.SendBatch(ctx, batch).Close()
}

// unscoped reads from one schema for all, on connections of a plain pool, or each time on a new one.
type unscoped struct {
	*scope.Pools
	pool  *pgxpool.Pool
	fresh bool
}

// Read implements resource.Store.
func (u unscoped) Read(ctx context.Context, _ scope.Tenant, queue func(*pgx.Batch)) error {
	batch := &pgx.Batch{}
	queue(batch)
	if !u.fresh {
		return u.pool.SendBatch(ctx, batch).Close()
	}
	return sendOnce(ctx, u.pool.Config().ConnConfig, batch)
}

const (
	customersOf = 100 // a tenant's
	customerSQL = `select name from customers where code = $1`
	oneSchema   = `create schema everyone;
		create table everyone.customers (like tenant_t0.customers including all);
		alter database "%s" set search_path = everyone`
)

// pageOf asks for twenty of a tenant's customers, and oneOf for one. Codes are no two tenants', so that in one schema for all the same
// request has the same answer.
func pageOf(t tenant.Name) string {
	before, _ := json.Marshal(string(t) + "-")
	return "/v1/customers?limit=20&after=" + base64.RawURLEncoding.EncodeToString(before)
}

func oneOf(t tenant.Name) string { return "/v1/customers/" + code(t) }

func code(t tenant.Name) string { return string(t) + "-c1" }

func newScopeStage(b *testing.B) *scopeStage {
	b.Helper()
	count := scaled(b, 1000)
	s := &scopeStage{fleet: fleets.New(b, fleets.Options{Server: newServer(b), TenantsPerCell: max(count/2, 1)})}
	names := make([]tenant.Name, count)
	for i := range names {
		names[i] = tenant.Name(fmt.Sprintf("t%d", i))
	}
	s.fleet.Provision(b, names...)
	s.fleet.Exec(b, fmt.Sprintf(oneSchema, s.fleet.Config.Database))
	for _, name := range names {
		s.fleet.Exec(b, fmt.Sprintf(`insert into tenant_%[1]s.customers (code, name) select '%[1]s-c' || i, 'name ' || i from generate_series(1, %[2]d) i;
			insert into everyone.customers (code, name) select code, name from tenant_%[1]s.customers`, name, customersOf))
	}
	s.fleet.Exec(b, `vacuum analyze`)
	directory := s.fleet.Directory(b)
	s.tenants = directory.All()
	require.Len(b, s.tenants, count)
	var err error
	s.keys, err = token.OpenKeyring(b.TempDir(), token.KeyringOptions{})
	require.NoError(b, err)
	for _, t := range s.tenants {
		raw, err := s.keys.Sign(token.Claims{Tenant: t.Name, Subject: "1", Use: token.Access, Permissions: []string{"*"}, Expires: time.Now().Add(time.Hour)})
		require.NoError(b, err)
		s.tokens = append(s.tokens, raw)
	}
	s.people = &scope.Authorizer{Tenants: directory, Verifier: token.Remember(s.keys)}
	s.pools = s.fleet.Pools(b, scope.PoolOptions{Service: core.Service, MaxConns: scopeClients, Share: scopeClients})
	config, err := pgxpool.ParseConfig(s.fleet.Config.ConnString())
	require.NoError(b, err)
	config.MaxConns = scopeClients * 2 // as many as the two pools of ours
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	pool, err := pgxpool.NewWithConfig(b.Context(), config)
	require.NoError(b, err)
	b.Cleanup(pool.Close)
	s.scoping, s.plain, s.fresh = connecting{s.pools}, unscoped{s.pools, pool, false}, unscoped{s.pools, pool, true}
	return s
}

// read reads a customer's name.
func (s *scopeStage) read(ctx context.Context, from resource.Store, of scope.Tenant, row func(pgx.Row) error) error {
	return from.Read(ctx, of, func(batch *pgx.Batch) { batch.Queue(customerSQL, code(of.Name)).QueryRow(row) })
}

// meet has every connection meet all tenants of its cell: a tenant's first read on a connection loads its tables' descriptions
// into the backend, as it happens once in a connection's ten minutes. It prints what such a read takes beside the next ones.
func (s *scopeStage) meet(b *testing.B) {
	b.Helper()
	first, again := s.together(b), s.together(b)
	reads := time.Duration(len(s.tenants))
	fmt.Printf("\n  a tenant's read on %d connections at once: %v where they meet it, %v after that\n", scopeClients, first/reads, again/reads)
}

// together reads of each tenant on all connections of its cell at the same time, each waiting for the others before it is given back.
func (s *scopeStage) together(b *testing.B) time.Duration {
	b.Helper()
	began := time.Now()
	for _, t := range s.tenants {
		var here sync.WaitGroup
		here.Add(scopeClients)
		var group errgroup.Group
		for range scopeClients {
			group.Go(func() error {
				arrive := sync.OnceFunc(here.Done)
				defer arrive()
				return s.read(b.Context(), s.pools, t, func(row pgx.Row) error {
					arrive()
					here.Wait()
					var name string
					return row.Scan(&name)
				})
			})
		}
		require.NoError(b, group.Wait())
	}
	return time.Since(began)
}

// serve is core over a store, without a cache.
func (s *scopeStage) serve(b *testing.B, over core.Pools) (url string) {
	b.Helper()
	made, err := core.New(core.Options{Pools: over, Authorize: s.people})
	require.NoError(b, err)
	server := httptest.NewServer(made.Handler())
	b.Cleanup(server.Close)
	return server.URL
}

// ask sends requests of all tenants in turn, by several clients that keep their connections.
func (s *scopeStage) ask(b *testing.B, url string, path func(tenant.Name) string, requests int) time.Duration {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: scopeClients}}
	defer client.CloseIdleConnections()
	s.people.Verifier = token.Remember(s.keys) // else it would be chance in whose turn they are checked again
	for _, raw := range s.tokens {
		_, err := s.people.Verifier.Verify(b.Context(), raw, token.Access)
		require.NoError(b, err)
	}
	var bodies [scopeClients]bytes.Buffer
	return s.inTurns(b, requests, func(ctx context.Context, i int) error {
		of, body := s.tenants[i%len(s.tenants)].Name, &bodies[i%scopeClients]
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+path(of), nil)
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+s.tokens[i%len(s.tokens)])
		answer, err := client.Do(r)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		body.Reset()
		if _, err := body.ReadFrom(answer.Body); err != nil || answer.StatusCode != http.StatusOK || !bytes.Contains(body.Bytes(), []byte(code(of))) {
			return fmt.Errorf("%s: %s: %w", answer.Status, body, err)
		}
		return nil
	})
}

func (s *scopeStage) query(b *testing.B, from resource.Store, requests int) time.Duration {
	b.Helper()
	return s.inTurns(b, requests, func(ctx context.Context, i int) error {
		var name string
		return s.read(ctx, from, s.tenants[i%len(s.tenants)], func(row pgx.Row) error { return row.Scan(&name) })
	})
}

func (s *scopeStage) inTurns(b *testing.B, requests int, do func(ctx context.Context, i int) error) time.Duration {
	b.Helper()
	began := time.Now()
	var group errgroup.Group
	for client := range scopeClients {
		group.Go(func() error {
			for i := client; i < requests; i += scopeClients {
				if err := do(b.Context(), i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(b, group.Wait())
	return time.Since(began)
}
