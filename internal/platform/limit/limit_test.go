package limit

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tenantctl/internal/tenant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type clock struct{ now time.Time }

func (c *clock) forward(d time.Duration) { c.now = c.now.Add(d) }

func setup(opts RateOptions) (*Rate, *clock) {
	c := &clock{now: time.Unix(1_000_000, 0)}
	opts.Now = func() time.Time { return c.now }
	return NewRate(opts), c
}

// allowed counts the requests that go through until one doesn't, and says how long that one has to wait.
func allowed(r *Rate, name tenant.Name, perSecond int) (n int, wait time.Duration) {
	for {
		wait, ok := r.Allow(name, perSecond)
		if !ok {
			return n, wait
		}
		if n++; n > 10_000 {
			return n, 0
		}
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	r, c := setup(RateOptions{})
	n, wait := allowed(r, "a", 10)
	require.Equal(t, 10, n)
	require.Equal(t, 100*time.Millisecond, wait)
	n, _ = allowed(r, "b", 10)
	require.Equal(t, 10, n, "one tenant's requests count for another")

	c.forward(wait)
	n, _ = allowed(r, "a", 10)
	require.Equal(t, 1, n, "after the wait that was told, one goes through")
	c.forward(time.Hour)
	n, _ = allowed(r, "a", 10)
	require.Equal(t, 10, n, "no more than the burst is saved up")
	_, ok := r.Allow("a", 0)
	require.True(t, ok, "no limit")
}

func TestRateChangesLive(t *testing.T) {
	t.Parallel()
	r, c := setup(RateOptions{Burst: 2 * time.Second})
	n, _ := allowed(r, "a", 10)
	require.Equal(t, 20, n)
	c.forward(100 * time.Millisecond)
	n, wait := allowed(r, "a", 1000)
	require.Equal(t, 1, n, "a higher limit gives no burst that wasn't earned")
	require.Equal(t, time.Millisecond, wait)
	c.forward(time.Second)
	n, _ = allowed(r, "a", 1000)
	require.Equal(t, 1000, n)
	c.forward(time.Minute)
	n, _ = allowed(r, "a", 10)
	require.Equal(t, 20, n, "a lower limit holds at once")
}

func TestRateIsShared(t *testing.T) {
	t.Parallel()
	r, c := setup(RateOptions{})
	r.Share(4)
	n, wait := allowed(r, "a", 10)
	require.Equal(t, 3, n)
	require.Equal(t, 400*time.Millisecond, wait)
	r.Share(0)
	allowed(r, "a", 10)
	c.forward(time.Minute)
	n, _ = allowed(r, "a", 10)
	require.Equal(t, 10, n)
	r.Share(100)
	c.forward(time.Minute)
	n, _ = allowed(r, "a", 10)
	require.Equal(t, 1, n, "a share below one request is one at a time")
}

func TestRateRemembersSoMany(t *testing.T) {
	t.Parallel()
	r, _ := setup(RateOptions{Tenants: 3})
	for i := range 100 {
		r.Allow(tenant.Name(fmt.Sprint("t", i)), 1)
		r.Allow("busy", 1)
	}
	require.Len(t, r.buckets, 3)
	require.Equal(t, 3, r.recent.Len())
	_, ok := r.Allow("busy", 1)
	require.False(t, ok, "who asks all the time is not forgotten")
	_, ok = r.Allow("t0", 1)
	require.True(t, ok)
}

func TestSlots(t *testing.T) {
	t.Parallel()
	s := NewSlots(2, 1)
	require.NoError(t, s.Acquire(t.Context(), "a"))
	require.NoError(t, s.Acquire(t.Context(), "a"))
	require.NoError(t, s.Acquire(t.Context(), "b"), "another tenant has slots of its own")

	first := waiter(t, s, "a", s.Acquire)
	require.ErrorIs(t, s.Acquire(t.Context(), "a"), ErrFull, "the one place to wait is taken")
	second := waiter(t, s, "a", s.AcquireQueued)
	s.Release("a")
	require.NoError(t, <-first)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.AcquireQueued(gone, "a"), context.Canceled)
	s.Release("a")
	require.NoError(t, <-second)
	s.Release("a")
	s.Release("a")
	s.Release("b")
	require.Empty(t, s.tenants, "something is kept of tenants without requests")
}

// waiter acquires in the background, and returns when it waits.
func waiter(t *testing.T, s *Slots, name tenant.Name, acquire func(context.Context, tenant.Name) error) chan error {
	waiting := func() int {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		return s.tenants[name].waiting.Len()
	}
	before, done := waiting(), make(chan error, 1)
	go func() { done <- acquire(t.Context(), name) }()
	require.Eventually(t, func() bool { return waiting() == before+1 }, time.Minute, time.Millisecond)
	return done
}

// Whatever gives up at whatever moment, never are more under way than slots, and none is lost.
func TestSlotsUnderLoad(t *testing.T) {
	t.Parallel()
	s := NewSlots(3, 1000)
	var under, most atomic.Int64
	var group sync.WaitGroup
	for i := range 64 {
		group.Go(func() {
			for j := range 200 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration((i*j)%7+1)*20*time.Microsecond)
				if s.Acquire(ctx, "a") == nil {
					n := under.Add(1)
					for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
					}
					under.Add(-1)
					s.Release("a")
				}
				cancel()
			}
		})
	}
	group.Wait()
	require.LessOrEqual(t, most.Load(), int64(3))
	require.Positive(t, most.Load())
	require.Empty(t, s.tenants)
}
