package idempotency_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/idempotency"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/tenant"
	"tenantctl/test/fleet"
)

func TestMain(m *testing.M) { localtest.Main(m) }

const description = `
openapi: 3.0.3
info: { title: shop, version: "1" }
paths:
  /v1/sales:
    post:
      operationId: sell
      requestBody: { required: true, content: { application/json: { schema: { type: object } } } }
      responses: { "201": { description: sold } }
  /v1/orders:
    post:
      operationId: order
      requestBody: { required: true, content: { application/json: { schema: { type: object } } } }
      responses: { "201": { description: sold } }
`

// shop sells: each sale is a customer of that name, and takes as long as wait says.
type shop struct {
	*fleet.Fleet
	keys *token.Keyring
	url  string
	runs atomic.Int64
	wait chan struct{}

	asked   atomic.Int64
	refused atomic.Bool // whom an order asks says no
}

func open(t *testing.T) *shop {
	t.Helper()
	s := &shop{Fleet: fleet.New(t, fleet.Options{}), wait: make(chan struct{})}
	s.Provision(t, "a", "b")
	var err error
	s.keys, err = token.OpenKeyring(t.TempDir(), token.KeyringOptions{})
	require.NoError(t, err)
	writes := idempotency.Writes{Store: s.Pools(t, scope.PoolOptions{MaxConns: 8, Share: 8}), Service: "core", Since: 7}
	made, err := service.New(service.Options{
		Version: service.Version{Service: "shop"}, Description: []byte(description),
		Authorize: &scope.Authorizer{Tenants: s.Directory(t), Verifier: s.keys},
		Handlers:  map[string]service.Handler{"sell": writes.Handler(s.sell), "order": writes.Asking(s.ask, s.sell)},
	})
	require.NoError(t, err)
	server := httptest.NewServer(made.Handler())
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *shop) sell(ctx context.Context, r *service.Request, tx scope.Tx) (service.Response, error) {
	run := s.runs.Add(1)
	var sale struct{ Name, Fail string }
	if err := r.Decode(&sale); err != nil {
		return service.Response{}, err
	}
	if _, err := tx.Exec(ctx, `insert into customers (name) values ($1)`, sale.Name); err != nil {
		return service.Response{}, err
	}
	switch sale.Fail {
	case "wait":
		<-s.wait
	case "refuse":
		return service.Response{}, service.Refuse(http.StatusConflict, "sold-out", "nothing left")
	case "break":
		_, _ = tx.Exec(ctx, `select 1/0`)
	case "panic":
		panic("broken")
	}
	answer := service.Created("/v1/sales/1", map[string]any{"run": run})
	return answer, nil
}

func (s *shop) ask(*service.Request) error {
	s.asked.Add(1)
	if s.refused.Load() {
		return service.Refuse(http.StatusUnprocessableEntity, "no-user", "not users here")
	}
	return nil
}

func (s *shop) post(t *testing.T, name tenant.Name, subject, body string, keys ...string) (int, http.Header, string) {
	t.Helper()
	return s.postTo(t, "/v1/sales", name, subject, body, keys...)
}

func (s *shop) postTo(t *testing.T, path string, name tenant.Name, subject, body string, keys ...string) (int, http.Header, string) {
	t.Helper()
	raw, err := s.keys.Sign(token.Claims{Tenant: name, Subject: subject, Use: token.Access})
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+raw)
	r.Header.Set("Content-Type", "application/json")
	r.Header[idempotency.Header] = keys
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, answer.Header, string(text)
}

func (s *shop) sold(t *testing.T, name tenant.Name) string {
	t.Helper()
	return s.Text(t, `select count(*) || ' ' || (select count(*) from tenant_`+string(name)+`.core_idempotency) from tenant_`+string(name)+`.customers`)
}

func TestTheSameKeyIsTheSameAnswer(t *testing.T) {
	t.Parallel()
	s := open(t)
	status, header, body := s.post(t, "a", "1", `{"name": "x"}`, "k")
	require.Equal(t, 201, status)
	require.Empty(t, header.Get(idempotency.Replayed))
	again, replayed, same := s.post(t, "a", "1", `{"name": "x"}`, "k")
	require.Equal(t, 201, again)
	require.Equal(t, "true", replayed.Get(idempotency.Replayed))
	require.Equal(t, header.Get("Location"), replayed.Get("Location"))
	require.Equal(t, header.Get("Content-Type"), replayed.Get("Content-Type"))
	require.Equal(t, body, same)
	require.Equal(t, "1 1", s.sold(t, "a"))

	status, _, body = s.post(t, "a", "1", `{"name": "y"}`, "k")
	require.Equal(t, 422, status)
	require.Contains(t, body, "idempotency-key-reused")
	require.NotContains(t, body, "run")
	for _, other := range []struct {
		name    tenant.Name
		subject string
	}{{"a", "2"}, {"b", "1"}} {
		status, header, _ = s.post(t, other.name, other.subject, `{"name": "x"}`, "k")
		require.Equal(t, 201, status)
		require.Empty(t, header.Get(idempotency.Replayed), "a key is its user's own")
	}
	require.Equal(t, "2 2", s.sold(t, "a"))
	for _, wrong := range [][]string{{""}, {"a", "b"}, {"ä"}, {strings.Repeat("k", 256)}} {
		status, _, _ = s.post(t, "a", "1", `{"name": "x"}`, wrong...)
		require.Equal(t, 422, status, wrong)
	}
	require.Equal(t, "2 2", s.sold(t, "a"))
}

// TestWhatWasAnsweredIsNotAskedAgain has those whom a write asks change their mind after it.
func TestWhatWasAnsweredIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	s := open(t)
	order := func(body string, keys ...string) (int, http.Header, string) {
		return s.postTo(t, "/v1/orders", "a", "1", body, keys...)
	}
	status, header, body := order(`{"name": "x"}`, "k")
	require.Equal(t, 201, status)
	require.Empty(t, header.Get(idempotency.Replayed))
	s.refused.Store(true)
	status, header, again := order(`{"name": "x"}`, "k")
	require.Equal(t, 201, status)
	require.Equal(t, "true", header.Get(idempotency.Replayed))
	require.Equal(t, body, again)
	require.EqualValues(t, 1, s.asked.Load())
	status, _, body = order(`{"name": "y"}`, "k")
	require.Equal(t, 422, status)
	require.Contains(t, body, "idempotency-key-reused")
	for _, keys := range [][]string{nil, {"other"}} {
		status, _, body = order(`{"name": "x"}`, keys...)
		require.Equal(t, 422, status)
		require.Contains(t, body, "no-user")
	}
	require.Equal(t, "1 1", s.sold(t, "a"))
	s.refused.Store(false)
	status, _, _ = order(`{"name": "x"}`, "other")
	require.Equal(t, 201, status, "a refusal isn't kept")
	require.Equal(t, "2 2", s.sold(t, "a"))
}

func TestWhatFailedLeavesNoRecord(t *testing.T) {
	t.Parallel()
	s := open(t)
	for how, wanted := range map[string]int{"refuse": 409, "break": 500, "panic": 500} {
		for range 2 {
			status, header, _ := s.post(t, "a", "1", fmt.Sprintf(`{"name": "x", "fail": %q}`, how), how)
			require.Equal(t, wanted, status)
			require.Empty(t, header.Get(idempotency.Replayed))
		}
		require.Equal(t, "0 0", s.sold(t, "a"), how)
	}
	status, _, _ := s.post(t, "a", "1", `{"name": "x"}`, "refuse")
	require.Equal(t, 201, status, "the key is free")
}

func TestOfManyAtOnceOneRuns(t *testing.T) {
	t.Parallel()
	s := open(t)
	var group sync.WaitGroup
	type result struct {
		status   int
		replayed string
		body     string
	}
	results := make(chan result, 6)
	for range cap(results) {
		group.Go(func() {
			status, header, body := s.post(t, "a", "1", `{"name": "x", "fail": "wait"}`, "k")
			results <- result{status, header.Get(idempotency.Replayed), body}
		})
	}
	// All others wait for the row that the first has written.
	require.Eventually(t, func() bool {
		return s.Text(t, `select count(*)::text from pg_locks l join pg_stat_activity a using (pid) where datname = current_database() and not granted and locktype = 'transactionid'`) == "5"
	}, 10*time.Second, 10*time.Millisecond)
	close(s.wait)
	group.Wait()
	close(results)
	count := map[result]int{}
	for r := range results {
		count[r]++
	}
	require.Equal(t, map[result]int{{201, "", `{"run":1}`}: 1, {201, "true", `{"run":1}`}: 5}, count)
	require.Equal(t, "1 1", s.sold(t, "a"))
	require.EqualValues(t, 1, s.runs.Load())
}

func TestOldRecordsGo(t *testing.T) {
	t.Parallel()
	s := open(t)
	for i := range 3 {
		s.post(t, "a", "1", `{"name": "x"}`, fmt.Sprint(i))
	}
	s.Exec(t, `update tenant_a.core_idempotency set created_at = now() - interval '25 hours' where key < '2'`)
	status, header, _ := s.post(t, "a", "1", `{"name": "other"}`, "0")
	require.Equal(t, 201, status)
	require.Empty(t, header.Get(idempotency.Replayed))
	require.Equal(t, "4 2", s.sold(t, "a"), "the old ones went, and this came")
}
