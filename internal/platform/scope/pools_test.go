package scope_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/tenant"
	"tenantctl/test/fleet"
)

// occupy holds connections of a tenant until what it returns is called.
func occupy(t *testing.T, pools *scope.Pools, of scope.Tenant, connections int) (release func()) {
	t.Helper()
	var begun, ended sync.WaitGroup
	let := make(chan struct{})
	for range connections {
		begun.Add(1)
		ended.Go(func() {
			_ = pools.Tx(context.Background(), of, func(context.Context, scope.Tx) error {
				begun.Done()
				<-let
				return nil
			})
		})
	}
	begun.Wait()
	release = sync.OnceFunc(func() { close(let); ended.Wait() })
	t.Cleanup(release)
	return release
}

func TestASlowTenantLeavesConnectionsToTheOthers(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleet.Options{})
	f.Provision(t, "a", "b", "c")
	a, b, c := f.Tenant(t, "a"), f.Tenant(t, "b"), f.Tenant(t, "c")
	pools := f.Pools(t, scope.PoolOptions{MaxConns: 4, Share: 2, Acquire: 100 * time.Millisecond})
	registry := prometheus.NewRegistry()
	registry.MustRegister(pools)
	release := occupy(t, pools, a, 2)
	_, err := read(t.Context(), pools, a, 1)
	requireProblem(t, err, http.StatusServiceUnavailable, "busy")
	_, err = read(t.Context(), pools, b, 1)
	require.NoError(t, err)

	occupy(t, pools, b, 2)
	_, err = read(t.Context(), pools, c, 1)
	requireProblem(t, err, http.StatusServiceUnavailable, "busy")
	require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP db_pool_connections Connections of a cell's pool, by what they do.
# TYPE db_pool_connections gauge
db_pool_connections{cell="c1",instance="shared-1",service="notes",state="idle"} 0
db_pool_connections{cell="c1",instance="shared-1",service="notes",state="in_use"} 4
db_pool_connections{cell="c1",instance="shared-1",service="notes",state="opening"} 0
# HELP db_pool_refused_total Requests that got no connection, by why.
# TYPE db_pool_refused_total counter
db_pool_refused_total{cell="c1",instance="shared-1",reason="cell",service="notes"} 1
db_pool_refused_total{cell="c1",instance="shared-1",reason="tenant",service="notes"} 1
`), "db_pool_connections", "db_pool_refused_total"))
	release()
	_, err = read(t.Context(), pools, c, 1)
	require.NoError(t, err)
	require.Equal(t, 1, pools.Sharing(), "shares are forgotten with their last use")
}

func TestAWaitEndsWithItsRequest(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleet.Options{})
	f.Provision(t, "a", "b")
	pools := f.Pools(t, scope.PoolOptions{MaxConns: 1, Share: 1, Acquire: time.Minute})
	occupy(t, pools, f.Tenant(t, "a"), 1)
	for _, name := range []tenant.Name{"a", "b"} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, write(ctx, pools, f.Tenant(t, name), 2, "x"), context.DeadlineExceeded)
	}
}

func TestACanceledStatementEndsAndLeavesItsConnection(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleet.Options{})
	f.Provision(t, "a")
	a := f.Tenant(t, "a")
	pools := f.Pools(t, one())
	require.NoError(t, sleep(t.Context(), pools, a, 0))
	before := f.Backends(t, "notes")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := sleep(ctx, pools, a, time.Minute)
	requireProblem(t, err, http.StatusGatewayTimeout, "timeout")
	require.NoError(t, sleep(t.Context(), pools, a, 0))
	require.Equal(t, before, f.Backends(t, "notes"))
	require.Equal(t, "0", f.Text(t, `select count(*)::text from pg_stat_activity where datname = current_database() and state = 'active' and query like '%pg_sleep%' and pid <> pg_backend_pid()`))
}

func TestAPasswordIsRotatedUnderLoad(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleet.Options{})
	f.Provision(t, "a")
	a := f.Tenant(t, "a")
	pools := f.Pools(t, scope.PoolOptions{MaxConns: 2})
	require.NoError(t, sleep(t.Context(), pools, a, 0))
	before := f.Backends(t, "notes")
	require.NoError(t, f.Provisioner.RotateLogin(t.Context(), "c1", "notes"))
	require.NoError(t, sleep(t.Context(), pools, a, 0))
	f.Exec(t, `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tenantctl/notes' and datname = current_database()`)
	require.NoError(t, sleep(t.Context(), pools, a, 0), "new connections log in with the new password")
	require.NotEqual(t, before, f.Backends(t, "notes"))
}

func TestASettingOfTheDatabaseOrTheLoginDoesNotMatter(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleet.Options{})
	f.Provision(t, "a")
	f.Exec(t, `alter role PREFIX_tenantctl_c1__notes set search_path = pg_catalog; alter database "`+f.Config.Database+`" set statement_timeout = '100ms';
		alter database "`+f.Config.Database+`" set datestyle = 'German, DMY'`)
	pools := f.Pools(t, one())
	for i := range 3 {
		require.NoError(t, write(t.Context(), pools, f.Tenant(t, "a"), 10+i, "x"))
	}
	require.NoError(t, sleep(t.Context(), pools, f.Tenant(t, "a"), 200*time.Millisecond))
	require.NoError(t, pools.Read(t.Context(), f.Tenant(t, "a"), func(b *pgx.Batch) {
		b.Queue(`select date '2026-11-28'`).QueryRow(func(row pgx.Row) error {
			var day string
			require.NoError(t, row.Scan(&day))
			require.Equal(t, "2026-11-28", day)
			return nil
		})
	}))
	require.Len(t, f.Backends(t, "notes"), 1)
}

func TestALogInThatIsNotThereIsNoMissingTenant(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleet.Options{})
	f.Provision(t, "a")
	a := f.Tenant(t, "a")
	elsewhere := a
	elsewhere.Cell = "c9"
	_, err := read(t.Context(), f.Pools(t, one()), elsewhere, 1)
	requireProblem(t, err, http.StatusServiceUnavailable, "unavailable")
	wrong := f.Pools(t, scope.PoolOptions{Login: func(ctx context.Context, cell scope.Cell) (string, error) {
		dsn, err := f.Login("notes")(ctx, cell)
		return strings.Replace(dsn, f.Config.Database, "db_missing", 1), err
	}})
	_, err = read(t.Context(), wrong, a, 1)
	requireProblem(t, err, http.StatusServiceUnavailable, "unavailable")
	login, lost := f.Provisioner.Login("c1", "notes")
	require.NoError(t, lost)
	require.NotContains(t, err.Error(), login.Password)
}

// TestTheServerRestartsUnderLoad kills the server while tenants write: what was acknowledged is there, what failed says at once
// that it is for a moment, and the same pools go on by themselves.
func TestTheServerRestartsUnderLoad(t *testing.T) {
	t.Parallel()
	server := localtest.NewServer(t, map[string]string{"fsync": "on", "synchronous_commit": "on"}, localtest.ServerOptions{})
	f := newFleet(t, fleet.Options{Server: server})
	f.Provision(t, "a", "b")
	pools := f.Pools(t, scope.PoolOptions{MaxConns: 4})
	tenants := []scope.Tenant{f.Tenant(t, "a"), f.Tenant(t, "b")}
	var next, failed atomic.Int64
	var mu sync.Mutex
	acknowledged := map[int]bool{}
	stop := make(chan struct{})
	var group errgroup.Group
	for range 6 {
		group.Go(func() error {
			for {
				select {
				case <-stop:
					return nil
				default:
				}
				id, began := int(next.Add(1))+1, time.Now()
				err := write(t.Context(), pools, tenants[id%2], id, "x")
				if took := time.Since(began); took > 3*time.Second {
					return fmt.Errorf("took %v: %w", took, err)
				}
				if err != nil {
					failed.Add(1)
					if p := problem(err); p != "503 unavailable" {
						return fmt.Errorf("a caller is told %s: %w", p, err)
					}
					time.Sleep(5 * time.Millisecond)
					continue
				}
				mu.Lock()
				acknowledged[id] = true
				mu.Unlock()
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	require.NoError(t, server.Kill(t.Context()))
	require.NoError(t, server.Start(t.Context()))
	up := time.Now()
	require.Eventually(t, func() bool { return write(t.Context(), pools, tenants[0], int(next.Add(1))+1, "x") == nil }, 5*time.Second, 5*time.Millisecond)
	recovered := time.Since(up)
	time.Sleep(200 * time.Millisecond)
	close(stop)
	require.NoError(t, group.Wait())
	require.Positive(t, failed.Load())
	after := fleetIDs(t, server.DSN(f.Config.Database))
	for id := range acknowledged {
		require.True(t, after[id], "write %d was acknowledged and is lost", id)
	}
	t.Logf("%d acknowledged, %d failed, recovered %v after the server", len(acknowledged), failed.Load(), recovered)
}

func fleetIDs(t *testing.T, dsn string) map[int]bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), `select id from tenant_a.notes union all select id from tenant_b.notes`)
	require.NoError(t, err)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	require.NoError(t, err)
	found := map[int]bool{}
	for _, id := range ids {
		found[id] = true
	}
	return found
}

// TestThroughPgBouncer has many more clients than the pooler has connections, so that transactions of different tenants take turns
// on each.
func TestThroughPgBouncer(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleet.Options{})
	f.Provision(t, "a", "b", "c")
	pools := f.Pools(t, scope.PoolOptions{MaxConns: 8, Login: f.PgBouncer(t, "notes", "c1")})
	tenants := []scope.Tenant{f.Tenant(t, "a"), f.Tenant(t, "b"), f.Tenant(t, "c")}
	var group errgroup.Group
	for worker := range 8 {
		group.Go(func() error {
			for i := range 30 {
				mine := tenants[(worker+i)%3]
				id := 10 + worker*100 + i
				if err := write(t.Context(), pools, mine, id, string(mine.Name)); err != nil {
					return err
				}
				if body, err := read(t.Context(), pools, mine, id); err != nil || body != string(mine.Name) {
					return fmt.Errorf("tenant %s reads %q: %w", mine.Name, body, err)
				}
				_ = pools.Tx(t.Context(), mine, func(ctx context.Context, tx scope.Tx) error {
					_, err := tx.Exec(ctx, `set search_path = public`)
					return err
				})
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	for _, each := range tenants {
		require.Equal(t, "80 "+string(each.Name), f.Text(t, `select count(*) || ' ' || min(body) from `+each.Schema+`.notes where id >= 10 and body = '`+string(each.Name)+`'`))
	}
	slow := tenants[0]
	slow.Limits.StatementTimeout = 50 * time.Millisecond
	requireProblem(t, sleep(t.Context(), pools, slow, time.Minute), http.StatusGatewayTimeout, "timeout")
	require.NoError(t, sleep(t.Context(), pools, tenants[1], 60*time.Millisecond))
	require.LessOrEqual(t, len(f.Backends(t, "notes")), 2, "the pooler's connections")
}
