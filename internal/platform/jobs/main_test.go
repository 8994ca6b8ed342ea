package jobs_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/jobs"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
	"tenantctl/test/fleet"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		child(text)
		return
	}
	localtest.Main(m)
}

const (
	patience = 30 * time.Second
	tick     = 10 * time.Millisecond
	queue    = "shop" // the service whose jobs these are; its table effects tells what was done, and keeps nothing from being done twice
)

// bundle is a fleet with that service and the queue.
type bundle struct {
	*fleet.Fleet
	pools *scope.Pools
	known *tenants
}

// tenants are the fleet's, with limits of the test's own.
type tenants struct {
	directory *scope.Directory
	mutex     sync.Mutex
	limits    map[tenant.Name]tenant.Limits
	states    map[tenant.Name]tenant.State
}

func (k *tenants) All() []scope.Tenant {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	list := k.directory.All()
	for i, t := range list {
		if limits, given := k.limits[t.Name]; given {
			list[i].Limits = limits
		}
		if state, given := k.states[t.Name]; given {
			list[i].State = state
		}
	}
	return list
}

func (k *tenants) Tenant(name tenant.Name) (scope.Tenant, error) { return k.directory.Tenant(name) }

func (k *tenants) limit(name tenant.Name, limits tenant.Limits) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.limits[name] = limits
}

func (k *tenants) set(name tenant.Name, state tenant.State) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.states[name] = state
}

func shop(t testing.TB) *stream.Stream {
	t.Helper()
	s, err := stream.Read(queue, os.DirFS("testdata/shop"))
	require.NoError(t, err)
	return s
}

func setup(t *testing.T, names ...tenant.Name) *bundle {
	t.Helper()
	return setupOn(t, localtest.Server(t), names...)
}

func setupOn(t *testing.T, server *local.Postgres, names ...tenant.Name) *bundle {
	t.Helper()
	own, err := jobs.Stream()
	require.NoError(t, err)
	f := fleet.New(t, fleet.Options{Streams: []*stream.Stream{shop(t), own}, Server: server})
	f.Provision(t, names...)
	known := &tenants{directory: f.Directory(t), limits: map[tenant.Name]tenant.Limits{}, states: map[tenant.Name]tenant.State{}}
	for _, name := range names {
		known.limit(name, tenant.Limits{Jobs: 100, Weight: 1})
	}
	return &bundle{Fleet: f, pools: f.Pools(t, scope.PoolOptions{}), known: known}
}

// worker runs a worker until t ends, or until it is stopped.
func (b *bundle) worker(t *testing.T, change func(*jobs.Options), kinds ...jobs.Kind) (stop func()) {
	t.Helper()
	opts := jobs.Options{
		Queue: queue, Instance: fleet.Instance, Pools: b.pools, Tenants: b.known, Kinds: kinds, Poll: 5 * time.Millisecond, Pause: 10 * time.Millisecond, Attempts: 3,
		DSN: func(ctx context.Context) (string, error) {
			return b.Login(jobs.Service)(ctx, scope.Cell{Cell: "shared"})
		},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if change != nil {
		change(&opts)
	}
	w, err := jobs.NewWorker(opts)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

// effect is a kind that notes in the tenant's effects that a job was done.
func effect(name string) jobs.Kind {
	return jobs.Kind{Name: name, Length: jobs.Short, Do: func(ctx context.Context, task *jobs.Task) error {
		return task.Complete(ctx, func(ctx context.Context, tx scope.Tx) (any, error) {
			_, err := tx.Exec(ctx, `insert into effects (job) values ($1::uuid)`, task.ID)
			return map[string]string{"of": string(task.Tenant.Name)}, err
		})
	}}
}

func (b *bundle) tenant(t testing.TB, name tenant.Name) scope.Tenant {
	t.Helper()
	found, err := b.known.directory.Tenant(name)
	require.NoError(t, err)
	return found
}

// in runs something in a transaction of a tenant.
func (b *bundle) in(t testing.TB, name tenant.Name, do func(ctx context.Context, tx scope.Tx) error) error {
	t.Helper()
	return b.pools.Tx(t.Context(), b.tenant(t, name), do)
}

// submit asks for n jobs in one transaction.
func (b *bundle) submit(t testing.TB, name tenant.Name, n int, r jobs.Request) (ids []string) {
	t.Helper()
	r.Queue = queue
	require.NoError(t, b.in(t, name, func(ctx context.Context, tx scope.Tx) error {
		for range n {
			id, err := jobs.Submit(ctx, tx, r)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	}))
	return ids
}

func (b *bundle) get(t testing.TB, name tenant.Name, id string) (job jobs.Job) {
	t.Helper()
	require.NoError(t, b.in(t, name, func(ctx context.Context, tx scope.Tx) (err error) {
		job, err = jobs.Get(ctx, tx, queue, id)
		return err
	}))
	return job
}

func (b *bundle) becomes(t testing.TB, name tenant.Name, id string, state jobs.State) jobs.Job {
	t.Helper()
	require.Eventually(t, func() bool { return b.get(t, name, id).State == state }, patience, tick, "job %s of %s is %+v", id, name, b.get(t, name, id))
	return b.get(t, name, id)
}

// effects tells how many jobs of a tenant had their effect, and how many had it more than once.
func (b *bundle) effects(t testing.TB, name tenant.Name) (done, twice int) {
	t.Helper()
	require.NoError(t, b.Root.QueryRow(context.Background(), fmt.Sprintf(
		`select count(distinct job), count(*) - count(distinct (job, part)) from tenant_%s.effects`, name.Ident())).Scan(&done, &twice))
	return done, twice
}

// record keeps whose jobs were done, in their order.
type record struct {
	mutex sync.Mutex
	names []tenant.Name
}

func (r *record) kind(name string, length jobs.Length) jobs.Kind {
	return jobs.Kind{Name: name, Length: length, Do: func(_ context.Context, task *jobs.Task) error {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		r.names = append(r.names, task.Tenant.Name)
		return nil
	}}
}

func (r *record) of() []tenant.Name {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return append([]tenant.Name(nil), r.names...)
}
