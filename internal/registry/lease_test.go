package registry

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/tenant"
)

func TestLeaseIsHeldByOne(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	first, err := r.Acquire(ctx, leaseOf, "ann@laptop pid 7")
	require.NoError(t, err)
	_, err = r.Acquire(ctx, leaseOf, "bob@ci pid 8")
	require.ErrorIs(t, err, tenant.ErrLocked)
	require.Regexp(t, `acquire lease "tenant:client-x": ann@laptop pid 7 holds it since \d{4}-\d\d-\d\d .* UTC: locked`, err.Error())
	require.Len(t, tenant.Hints(err), 1)
	other, err := r.Acquire(ctx, LeaseName("client-y"), "bob@ci pid 8")
	require.NoError(t, err, "another tenant's lease is another lease")
	require.NoError(t, other.Release(ctx))

	require.NoError(t, first.Check(ctx))
	require.NoError(t, first.Release(ctx))
	require.NoError(t, first.Release(ctx), "released twice")
	second, err := r.Acquire(ctx, leaseOf, "bob@ci pid 8")
	require.NoError(t, err)
	require.Greater(t, second.Token(), first.Token())
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, second.Check(canceled), context.Canceled)
	require.NoError(t, second.Check(ctx), "a canceled check let the lease go")
	require.NoError(t, second.Release(canceled), "a canceled context keeps the lease from being released")
	third, err := r.Acquire(ctx, leaseOf, "ann@laptop pid 7")
	require.NoError(t, err)
	require.NoError(t, third.Release(ctx))
}

// A check that its caller gives up on doesn't close the session that is the lease.
func TestInterruptedCheckKeepsTheLease(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	lease, err := r.Acquire(ctx, leaseOf, "ann")
	require.NoError(t, err)
	conn := connect(t, r.dsn)
	_, err = conn.Exec(ctx, `begin; lock table tenantctl.lease in access exclusive mode`)
	require.NoError(t, err)
	impatient, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	checked := make(chan error)
	go func() { checked <- lease.Check(impatient) }()
	<-impatient.Done()
	_, err = conn.Exec(ctx, `commit`)
	require.NoError(t, err)
	require.NoError(t, <-checked)
	require.NoError(t, lease.Check(ctx))
	require.NoError(t, lease.Release(ctx))
}

// Many want the lease again and again; never do two have it, and tokens only rise.
func TestLeaseUnderContention(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	r.timing.patience = 30 * time.Second
	r.timing.poll = time.Millisecond
	var inside atomic.Int32
	var last atomic.Int64
	var group sync.WaitGroup
	for i := range 6 {
		group.Go(func() {
			for range 4 {
				lease, err := r.Acquire(ctx, leaseOf, fmt.Sprintf("process %d", i))
				require.NoError(t, err)
				require.EqualValues(t, 1, inside.Add(1), "two have the lease")
				require.Greater(t, lease.Token(), last.Swap(lease.Token()))
				require.NoError(t, lease.Check(ctx))
				inside.Add(-1)
				require.NoError(t, lease.Release(ctx))
			}
		})
	}
	group.Wait()
}

// A lease's row that has long been silent must not make a process that has just taken the lock look dead to a third.
func TestOldRowDoesNotCondemnANewHolder(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	_, err := r.Pool().Exec(ctx, `
		insert into tenantctl.lease (name, token, holder, backend_pid, acquired_at, heartbeat_at)
		values ($1, 5, 'someone yesterday', 1, now() - interval '1 day', now() - interval '1 day')`, leaseOf)
	require.NoError(t, err)
	taking := connect(t, r.dsn) // has the lock, and not yet written its row
	_, err = taking.Exec(ctx, `select pg_advisory_lock(tenantctl.lease_key($1))`, leaseOf)
	require.NoError(t, err)
	_, err = r.Acquire(ctx, leaseOf, "ann")
	require.ErrorIs(t, err, tenant.ErrLocked)
	require.ErrorContains(t, err, "another process is just taking")
	require.NoError(t, taking.Ping(ctx), "it was ended")

	_, err = taking.Exec(ctx, `select pg_advisory_unlock_all()`)
	require.NoError(t, err)
	lease, err := r.Acquire(ctx, leaseOf, "ann")
	require.NoError(t, err)
	require.Greater(t, lease.Token(), int64(5))
	require.NoError(t, lease.Release(ctx))
}

// Tokens rise although the control database was restored from a backup of before the lease's last holders.
func TestTokensOutliveTheirTable(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	before, err := r.Acquire(ctx, leaseOf, "ann")
	require.NoError(t, err)
	require.NoError(t, before.Release(ctx))
	_, err = r.Pool().Exec(ctx, `delete from tenantctl.lease`)
	require.NoError(t, err)
	after, err := r.Acquire(ctx, leaseOf, "ann")
	require.NoError(t, err)
	require.Greater(t, after.Token(), before.Token())
	require.NoError(t, after.Release(ctx))
}

func TestLeaseLostWhenItsSessionEnds(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	r.timing = shortTiming()
	lease, err := r.Acquire(ctx, leaseOf, "ann")
	require.NoError(t, err)
	work, cancel := lease.Context(ctx)
	defer cancel()
	_, err = r.Pool().Exec(ctx, `select pg_terminate_backend(pid) from tenantctl.held_lease where name = $1`, leaseOf)
	require.NoError(t, err)
	select {
	case <-work.Done():
	case <-time.After(10 * time.Second):
		require.Fail(t, "nobody noticed")
	}
	require.ErrorIs(t, context.Cause(work), tenant.ErrLeaseLost)
	require.Len(t, tenant.Hints(context.Cause(work)), 1)
	require.ErrorIs(t, lease.Check(ctx), tenant.ErrLeaseLost)
	require.ErrorIs(t, lease.Release(ctx), tenant.ErrLeaseLost)
}

func TestKilledHolderFreesItsLeaseAtOnce(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	r := openAt(t, dsn) // with the timing of production: nothing here waits for a heartbeat to grow old
	c := startChild(t, "hold", dsn)
	require.Equal(t, "holding", c.answer())
	_, err := r.Acquire(t.Context(), leaseOf, "ann")
	require.ErrorIs(t, err, tenant.ErrLocked)
	require.ErrorContains(t, err, fmt.Sprintf("pid %d holds it", c.cmd.Process.Pid))

	require.NoError(t, c.cmd.Process.Kill())
	began := time.Now()
	lease, err := r.Acquire(t.Context(), leaseOf, "ann")
	require.NoError(t, err)
	require.Less(t, time.Since(began), 5*time.Second)
	require.NoError(t, lease.Release(t.Context()))
}

// A stopped process loses its lease to the next, and what it writes when it wakes is refused by the instance.
func TestStoppedHolderIsTakenOver(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	ctx, r := t.Context(), openAt(t, dsn)
	r.timing = shortTiming()
	c := startChild(t, "hold", dsn)
	require.Equal(t, "holding", c.answer())
	require.Equal(t, "ok", c.ask("begin"))
	require.Equal(t, "ok", c.ask("commit"))

	require.NoError(t, c.cmd.Process.Signal(syscall.SIGSTOP))
	lease := takeOverWhenStale(t, r)
	defer func() { require.NoError(t, lease.Release(ctx)) }()
	instance := connect(t, dsn)
	require.NoError(t, RaiseToken(ctx, instance, leaseOf, lease.Token(), RaiseOptions{}))

	require.NoError(t, c.cmd.Process.Signal(syscall.SIGCONT))
	require.Equal(t, "lease lost", c.ask("begin"), "a write under the old token was let through")
	require.Equal(t, "lease lost", c.ask("check"))
	require.Equal(t, "ok", c.ask("lost"))
	chunks, err := Chunks(ctx, instance, operation)
	require.NoError(t, err)
	require.Len(t, chunks, 1, "only what was written under the lease is there")
	require.NoError(t, lease.Check(ctx))
	require.Contains(t, types(t, r), "lease.taken_over")
}

// A holder stopped inside a transaction keeps the new token waiting: that is said, or the transaction is ended.
func TestStoppedTransactionIsEnded(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	ctx, r := t.Context(), openAt(t, dsn)
	r.timing = shortTiming()
	c := startChild(t, "hold", dsn)
	require.Equal(t, "holding", c.answer())
	require.Equal(t, "ok", c.ask("begin"))
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGSTOP))
	lease := takeOverWhenStale(t, r)
	defer func() { require.NoError(t, lease.Release(ctx)) }()

	instance := connect(t, dsn)
	err := RaiseToken(ctx, instance, leaseOf, lease.Token(), RaiseOptions{Wait: 50 * time.Millisecond})
	require.ErrorIs(t, err, tenant.ErrLocked)
	require.Regexp(t, `session \d+ \(tenantctl/child, from 127\.0\.0\.1, since .* UTC\)`, err.Error())
	require.Len(t, tenant.Hints(err), 1)
	require.NoError(t, RaiseToken(ctx, instance, leaseOf, lease.Token(), RaiseOptions{Wait: 500 * time.Millisecond, Terminate: true}))

	require.NoError(t, c.cmd.Process.Signal(syscall.SIGCONT))
	require.Contains(t, c.ask("commit"), "error: ")
	chunks, err := Chunks(ctx, instance, operation)
	require.NoError(t, err)
	require.Empty(t, chunks)
}

// takeOverWhenStale asks for the lease until the holder's silence is long enough.
func takeOverWhenStale(t *testing.T, r *Registry) *Lease {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		lease, err := r.Acquire(t.Context(), leaseOf, "the next")
		if err == nil {
			return lease
		}
		require.ErrorIs(t, err, tenant.ErrLocked)
	}
	require.Fail(t, "the stopped holder keeps its lease")
	return nil
}

// The token rises before the silent holder's session is ended, once, however many saw its silence.
func TestTakingOverRaisesTheTokenOnce(t *testing.T) {
	t.Parallel()
	ctx, r := setup(t)
	silent, err := r.Acquire(ctx, leaseOf, "silent")
	require.NoError(t, err)
	defer func() { require.ErrorIs(t, silent.Release(ctx), tenant.ErrLeaseLost) }()
	taker := connect(t, r.dsn)
	held, err := r.holder(ctx, taker, leaseOf)
	require.NoError(t, err)
	require.Equal(t, silent.Token(), held.Token)
	require.True(t, held.Known)
	require.False(t, held.Stale)
	seen := *held
	seen.PID = 0 // so that its session isn't ended
	for range 2 {
		require.NoError(t, takeOver(ctx, taker, leaseOf, "taker", &seen))
	}
	require.Equal(t, []string{"lease.taken_over"}, types(t, r))
	raised, err := r.holder(ctx, taker, leaseOf)
	require.NoError(t, err)
	require.Greater(t, raised.Token, silent.Token())
	require.Equal(t, held.PID, raised.PID)
	require.ErrorIs(t, silent.Check(ctx), tenant.ErrLeaseLost, "its session lives, its lease doesn't")
}

// Two ask at once for the lease of a stopped holder: one gets it, the other is told who has it now.
func TestOneOfTwoTakesOver(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	ctx, r := t.Context(), openAt(t, dsn)
	r.timing = shortTiming()
	r.timing.beat = 20 * time.Millisecond
	c := startChild(t, "hold", dsn)
	require.Equal(t, "holding", c.answer())
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGSTOP))
	require.Eventually(t, func() bool {
		held, err := r.holder(ctx, connect(t, dsn), leaseOf)
		return err == nil && held != nil && held.Stale
	}, 10*time.Second, 50*time.Millisecond)
	leases, errs := make([]*Lease, 2), make([]error, 2)
	var group sync.WaitGroup
	for i := range leases {
		group.Go(func() { leases[i], errs[i] = r.Acquire(ctx, leaseOf, fmt.Sprintf("taker %d", i)) })
	}
	group.Wait()
	winner := 0
	if leases[0] == nil {
		winner = 1
	}
	require.NoError(t, errs[winner])
	require.NoError(t, leases[winner].Check(ctx))
	require.ErrorIs(t, errs[1-winner], tenant.ErrLocked)
	require.ErrorContains(t, errs[1-winner], fmt.Sprintf("taker %d holds it", winner))
	require.NoError(t, leases[winner].Release(ctx))
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGCONT))
}
