package upgrade_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
)

// While a rollout runs, readers and writers of every tenant see no error, and wait for no lock longer than the rollout itself
// may: their own lock timeout, which leaves room for the work behind the lock, would tell.
func TestTrafficGoesOn(t *testing.T) {
	t.Parallel()
	const tenants, clients = 8, 4
	f := files{{"001_base", `create table customers (id bigint generated always as identity primary key, name text);
		create view shown as select id, name from customers`, ""}}
	b := setup(t, f, tenants)
	b.pace.LongestLock, b.pace.FirstLock, b.pace.Attempts = 200*time.Millisecond, 20*time.Millisecond, 100
	b.pace.Concurrent = time.Minute
	f = f.and("002_column", "alter table customers add city text default 'here'", "").
		and("003_view", "drop view shown; create view shown as select id, name, city from customers", "").
		and("004_index", "create index concurrently customers_name on customers (name)", "").
		and("005_check", "alter table customers add constraint named check (name is not null) not valid", "").
		and("006_valid", "alter table customers validate constraint named", "").
		and("007_default", "alter table customers alter city drop default; create table notes (id int); comment on table notes is 'new'", "")

	done := make(chan struct{})
	var statements atomic.Int64
	var wait sync.WaitGroup
	errs := make([]error, clients)
	for i := range clients {
		wait.Go(func() { errs[i] = b.traffic(done, tenants, &statements) })
	}
	report, err := b.upgrade(t, f)
	close(done)
	wait.Wait()
	require.NoError(t, err)
	require.Equal(t, map[upgrade.Result]int{upgrade.Upgraded: tenants}, results(report))
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Greater(t, statements.Load(), int64(100), "there was no traffic to speak of")
}

// traffic works as a service does: in transactions of a tenant's role and path.
func (b *bundle) traffic(done <-chan struct{}, tenants int, statements *atomic.Int64) error {
	conn, err := postgres.Connect(context.WithoutCancel(b.ctx), b.dsn, postgres.Options{Application: "traffic", LockTimeout: 2 * time.Second})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for {
		select {
		case <-done:
			return nil
		default:
		}
		name := tenant.Name(fmt.Sprintf("t%02d", 1+rand.IntN(tenants)))
		role, err := name.RoleFor(b.prefix, service)
		if err != nil {
			return err
		}
		sql := fmt.Sprintf(`begin; set local role %s; set local search_path = tenant_%s; insert into customers (name) values ('x');
			update customers set name = 'y' where id = (select max(id) from customers); select id, name from shown limit 10; commit`, postgres.Ident(role), name.Ident())
		if err := postgres.Script(context.Background(), conn, sql); err != nil {
			return fmt.Errorf("tenant %s: %w", name, err)
		}
		statements.Add(1)
	}
}
