package cache_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/cache"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/tenant"
	"tenantctl/test/fleet"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// both runs a test on a cache in the process and on one in Redis.
func both(t *testing.T, opts cache.Options, test func(t *testing.T, c *cache.Cache)) {
	t.Helper()
	opts.Service = "core"
	t.Run("local", func(t *testing.T) {
		t.Parallel()
		c, err := cache.Local(opts)
		require.NoError(t, err)
		defer func() { require.NoError(t, c.Close()) }()
		test(t, c)
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		c, err := cache.Redis(fleet.NewRedis(t).URL, opts)
		require.NoError(t, err)
		defer func() { require.NoError(t, c.Close()) }()
		test(t, c)
	})
}

func named(name tenant.Name) scope.Tenant { return scope.Tenant{Name: name, Epoch: 1} }

// get asks for a thing whose present value is given.
func get(t *testing.T, c *cache.Cache, of scope.Tenant, kind, id, present string) string {
	t.Helper()
	value, err := c.Get(t.Context(), of, kind, id, func(context.Context) ([]byte, error) { return []byte(present), nil })
	require.NoError(t, err)
	return string(value)
}

func TestWhatIsRememberedIsOneTenants(t *testing.T) {
	t.Parallel()
	both(t, cache.Options{}, func(t *testing.T, c *cache.Cache) {
		a, b := named("a"), named("b")
		require.Equal(t, "1", get(t, c, a, "product", "7", "1"))
		require.Equal(t, "1", get(t, c, a, "product", "7", "2"))
		require.Equal(t, "3", get(t, c, b, "product", "7", "3"))
		require.Equal(t, "4", get(t, c, a, "customer", "7", "4"))
		require.Equal(t, "5", get(t, c, named("a-b"), "product", "7", "5"))
		require.Equal(t, "6", get(t, c, a, "product", "7:x", "6"))
		// An id can't be made to look like another's place.
		require.Equal(t, "7", get(t, c, a, "product", "b:1:product:7", "7"))

		c.Forget(t.Context(), a, "product")
		require.Equal(t, "8", get(t, c, a, "product", "7", "8"))
		require.Equal(t, "3", get(t, c, b, "product", "7", "9"))
		require.Equal(t, "4", get(t, c, a, "customer", "7", "9"))

		moved := a
		moved.Epoch++
		require.Equal(t, "10", get(t, c, moved, "product", "7", "10"), "a tenant that moved begins with nothing")

		nobody := scope.Tenant{}
		require.Equal(t, "11", get(t, c, nobody, "product", "7", "11"))
		require.Equal(t, "12", get(t, c, nobody, "product", "7", "12"), "nothing is nobody's")
	})
}

func TestErrorsAreNotRemembered(t *testing.T) {
	t.Parallel()
	both(t, cache.Options{}, func(t *testing.T, c *cache.Cache) {
		mine := errors.New("mine")
		_, err := c.Get(t.Context(), named("a"), "product", "1", func(context.Context) ([]byte, error) { return nil, mine })
		require.ErrorIs(t, err, mine)
		require.Equal(t, "1", get(t, c, named("a"), "product", "1", "1"))
	})
}

func TestValuesHaveTheirTime(t *testing.T) {
	t.Parallel()
	both(t, cache.Options{Life: 300 * time.Millisecond}, func(t *testing.T, c *cache.Cache) {
		require.Equal(t, "1", get(t, c, named("a"), "product", "1", "1"))
		require.Eventually(t, func() bool { return get(t, c, named("a"), "product", "1", "2") == "2" }, 5*time.Second, 20*time.Millisecond)
	})
}

// TestASlowReaderPutsNothingOldBack reads before a write and remembers after it.
func TestASlowReaderPutsNothingOldBack(t *testing.T) {
	t.Parallel()
	both(t, cache.Options{}, func(t *testing.T, c *cache.Cache) {
		value, err := c.Get(t.Context(), named("a"), "product", "1", func(context.Context) ([]byte, error) {
			c.Forget(t.Context(), named("a"), "product") // the write of another, committed meanwhile
			return []byte("old"), nil
		})
		require.NoError(t, err)
		require.Equal(t, "old", string(value))
		require.Equal(t, "new", get(t, c, named("a"), "product", "1", "new"))
	})
}

func TestTheProcessKeepsNoMoreThanItMay(t *testing.T) {
	t.Parallel()
	c, err := cache.Local(cache.Options{Service: "core", Bytes: 100_000})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	big := strings.Repeat("x", 10_000)
	for i := range 1000 {
		get(t, c, named("a"), "product", fmt.Sprint(i), big)
	}
	again := 0
	for i := range 1000 {
		if get(t, c, named("a"), "product", fmt.Sprint(i), "other") == big {
			again++
		}
	}
	require.Less(t, again, 11)
}

// TestRedisRestartsUnderLoad has no request fail, and no one shown what was forgotten.
func TestRedisRestartsUnderLoad(t *testing.T) {
	t.Parallel()
	server := fleet.NewRedis(t)
	c, err := cache.Redis(server.URL, cache.Options{Service: "core"})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	var failed, slow atomic.Int64
	stop := make(chan struct{})
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
				began := time.Now()
				value, err := c.Get(context.Background(), named("a"), "product", fmt.Sprint(worker), func(context.Context) ([]byte, error) { return []byte("v"), nil })
				if err != nil || string(value) != "v" {
					failed.Add(1)
				}
				if time.Since(began) > 2*time.Second {
					slow.Add(1)
				}
			}
		})
	}
	hits := func() float64 { return total(t, registry, "hit") }
	require.Eventually(t, func() bool { return hits() > 10 }, 5*time.Second, 5*time.Millisecond)
	server.Stop(t)
	c.Forget(t.Context(), named("a"), "product") // is in vain, and no error
	require.Eventually(t, func() bool { return total(t, registry, "unavailable") > 10 }, 5*time.Second, 5*time.Millisecond)
	server.Start(t)
	before := hits()
	require.Eventually(t, func() bool { return hits() > before+10 }, 10*time.Second, 5*time.Millisecond)
	close(stop)
	group.Wait()
	require.Zero(t, failed.Load())
	require.Zero(t, slow.Load())
	require.Equal(t, 3, testutil.CollectAndCount(c))
}

func total(t *testing.T, from *prometheus.Registry, result string) (sum float64) {
	t.Helper()
	families, err := from.Gather()
	require.NoError(t, err)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "result" && label.GetValue() == result {
					sum += metric.GetCounter().GetValue()
				}
			}
		}
	}
	return sum
}

func TestAURLThatIsNotOneIsNotShown(t *testing.T) {
	t.Parallel()
	_, err := cache.Redis("redis://:secret@host:port/x", cache.Options{})
	require.ErrorIs(t, err, tenant.ErrInvalid)
	require.NotContains(t, err.Error(), "secret")
}
