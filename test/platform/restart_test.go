package platform

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/test/fleet"
)

// burden is writes and reads of a tenant, one after the other by several people, and what was answered.
type burden struct {
	mu      sync.Mutex
	ledger  []string // products that were acknowledged
	failed  map[int]int
	slowest time.Duration // of an answer that wasn't 2xx
	last    time.Time     // when something failed last
}

// put sends a request of a burden and writes down what became of it. The error is what can't be told from a lost answer.
func (s *stage) put(ctx context.Context, b *burden, method, path, body string) error {
	r, err := http.NewRequestWithContext(ctx, method, s.scheme+s.address+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Host = host("acme")
	r.Header.Set("Authorization", "Bearer "+s.tokens["acme"])
	r.Header.Set("Content-Type", "application/json")
	began := time.Now()
	answer, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if answer.StatusCode >= http.StatusMultipleChoices {
		b.failed[answer.StatusCode]++
		b.slowest, b.last = max(b.slowest, time.Since(began)), time.Now()
		return nil
	}
	if method == http.MethodPost {
		var made struct{ SKU string }
		err = json.Unmarshal(text, &made)
		b.ledger = append(b.ledger, made.SKU)
	}
	return err
}

// bear puts a burden on the platform while do runs, and for as long as it takes until everything works again.
func (s *stage) bear(name string, do func()) *burden {
	s.t.Helper()
	b := &burden{failed: map[int]int{}}
	ctx, stop := context.WithCancel(s.t.Context())
	var people sync.WaitGroup
	errs := make(chan error, 4)
	for p := range 3 {
		people.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				sku := fmt.Sprintf("%s-%d-%d", name, p, n)
				err := s.put(context.WithoutCancel(ctx), b, http.MethodPost, "/v1/products", `{"sku":"`+sku+`","name":"x"}`)
				if err == nil {
					err = s.put(context.WithoutCancel(ctx), b, http.MethodGet, "/v1/products/1", "")
				}
				if err != nil {
					errs <- err
					return
				}
				time.Sleep(5 * time.Millisecond) // people, not a flood
			}
		})
	}
	acknowledged := func() int { b.mu.Lock(); defer b.mu.Unlock(); return len(b.ledger) }
	require.Eventually(s.t, func() bool { return acknowledged() > 20 }, 10*time.Second, time.Millisecond)
	do()
	back, so := time.Now(), acknowledged()
	require.Eventually(s.t, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.ledger) > so+50 && time.Since(b.last) > 500*time.Millisecond
	}, 15*time.Second, 10*time.Millisecond, "works again")
	stop()
	people.Wait()
	require.Empty(s.t, errs, "every request has an answer")
	if len(b.failed) > 0 {
		s.t.Logf("%s: %d acknowledged, refused %v, the slowest refusal took %v, the last came %v after the server was back", name, len(b.ledger), b.failed, b.slowest, b.last.Sub(back))
	}
	return b
}

// TestServersRestartUnderLoad: while PostgreSQL is away requests are refused soon and clearly, and all is well within seconds; without Redis
// nothing is refused. What was acknowledged is there.
func TestServersRestartUnderLoad(t *testing.T) {
	t.Parallel()
	redis := fleet.NewRedis(t)
	server := localtest.NewServer(t, map[string]string{"synchronous_commit": "on"}, localtest.ServerOptions{})
	s := openStageOn(t, server, `platform: { redis: { url: "${REDIS_URL}" } }
defaults: { limits: { requestsPerSecond: 100000 } }
services: { users: {}, auth: {}, core: {} }
tenants: { acme: {} }
`, "REDIS_URL="+redis.URL)
	s.tenantctl("", "provision", "--all")
	s.serve("all")
	s.tenantctl(password, "user", "add", "acme", "admin", "--password-stdin")
	s.tokens["acme"] = s.login("acme")
	s.create("acme", "/v1/products", `{"name":"Tea"}`, "id")

	without := s.bear("redis", func() { redis.Stop(t); time.Sleep(time.Second); redis.Start(t) })
	require.Empty(t, without.failed)
	killed := s.bear("postgres", func() {
		require.NoError(t, server.Kill(t.Context()))
		time.Sleep(time.Second)
		require.NoError(t, server.Start(t.Context()))
	})
	for status := range killed.failed {
		require.Contains(t, []int{http.StatusServiceUnavailable, http.StatusGatewayTimeout}, status)
	}
	require.NotEmpty(t, killed.failed)
	require.Less(t, killed.slowest, 5*time.Second)
	ledger := append(without.ledger, killed.ledger...)
	quoted := "'" + strings.Join(ledger, "','") + "'"
	require.Equal(t, fmt.Sprint(len(ledger)), s.text(`select count(*)::text from tenant_acme.products where sku in (`+quoted+`)`), "acknowledged and lost")
}
