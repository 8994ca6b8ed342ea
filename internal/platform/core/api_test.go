package core_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/cache"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/platform/idempotency"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/tenant"
	"tenantctl/test/fleet"
)

// api is core, served for the tenants of a fleet.
type api struct {
	*fleet.Fleet
	keys *token.Keyring
	url  string
}

func serve(t *testing.T, f *fleet.Fleet, remember *cache.Cache) *api {
	t.Helper()
	a := &api{Fleet: f}
	var err error
	a.keys, err = token.OpenKeyring(t.TempDir(), token.KeyringOptions{})
	require.NoError(t, err)
	s, err := core.New(core.Options{
		Build: "test", Pools: f.Pools(t, scope.PoolOptions{Service: core.Service, MaxConns: 6}), Cache: remember, Announce: f.Has(bus.Service), Jobs: metricsOf(f),
		Authorize: &scope.Authorizer{Tenants: f.Directory(t), Verifier: a.keys, Domain: "localhost"},
	})
	require.NoError(t, err)
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

// user is who asks.
type user struct {
	*api
	token string
}

func (a *api) user(t *testing.T, name tenant.Name, subject string, permissions ...string) user {
	t.Helper()
	raw, err := a.keys.Sign(token.Claims{Tenant: name, Subject: subject, Use: token.Access, Permissions: permissions})
	require.NoError(t, err)
	return user{a, raw}
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var members map[string]any
	require.NoError(t, json.Unmarshal([]byte(a.body), &members), a.body)
	return members
}

// do asks; headers are names and values in turn.
func (u user) do(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, u.url+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+u.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	got, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	return answer{got.StatusCode, got.Header, string(text)}
}

// want is do with the status that must come.
func (u user) want(t *testing.T, status int, method, path, body string, headers ...string) answer {
	t.Helper()
	a := u.do(t, method, path, body, headers...)
	require.Equal(t, status, a.status, "%s %s: %s", method, path, a.body)
	return a
}

// problem is what was declined, and why.
func (u user) problem(t *testing.T, status int, kind, method, path, body string, headers ...string) service.Problem {
	t.Helper()
	a := u.want(t, status, method, path, body, headers...)
	var p service.Problem
	require.NoError(t, json.Unmarshal([]byte(a.body), &p))
	require.Equal(t, kind, p.Type, a.body)
	return p
}

func TestALifeOfEverything(t *testing.T) {
	t.Parallel()
	f := fleet.New(t, fleet.Options{})
	f.Provision(t, "a", "b")
	a := serve(t, f, nil)
	u, other := a.user(t, "a", "1", "*"), a.user(t, "b", "1", "*")

	made := u.want(t, 201, "POST", "/v1/customers", `{"code": "a/b c", "name": "Anna", "email": "anna@example.com", "extra": {"vip": true}}`)
	require.Equal(t, "/v1/customers/a%2Fb%20c", made.header.Get("Location"))
	require.NotEmpty(t, made.json(t)["created_at"])
	read := u.want(t, 200, "GET", made.header.Get("Location"), "")
	require.Equal(t, made.body, read.body)
	require.Equal(t, made.header.Get("Etag"), read.header.Get("Etag"))
	require.Equal(t, "active", read.json(t)["status"])
	other.problem(t, 404, "not-found", "GET", made.header.Get("Location"), "")
	other.problem(t, 404, "not-found", "PATCH", made.header.Get("Location"), `{"name": "mine"}`)
	other.problem(t, 404, "not-found", "DELETE", made.header.Get("Location"), "")
	require.NotEmpty(t, u.want(t, 201, "POST", "/v1/customers", `{"name": "no code"}`).json(t)["code"])
	u.problem(t, 409, "conflict", "POST", "/v1/customers", `{"code": "a/b c", "name": "again"}`)
	u.problem(t, 422, "invalid", "POST", "/v1/customers", `{"name": "a \u0000 b"}`)
	u.problem(t, 422, "invalid", "GET", "/v1/customers/%00", "")
	u.problem(t, 422, "invalid", "POST", "/v1/orders", `{"customer_code": "a/b c", "placed_at": "9999-99-99T00:00:00Z"}`)
	u.problem(t, 400, "malformed", "POST", "/v1/customers", `{"name": "x"} {"name": "y"}`)

	product := u.want(t, 201, "POST", "/v1/products", `{"name": "Tea", "price": "12.5", "stock": 3}`)
	require.Equal(t, "12.5000", product.json(t)["price"])
	at := product.header.Get("Location")
	require.Equal(t, "/v1/products/1", at)
	changed := u.want(t, 200, "PATCH", at, `{"price": null, "unit": "box"}`)
	require.Nil(t, changed.json(t)["price"])
	require.Equal(t, "box", changed.json(t)["unit"])
	require.EqualValues(t, 3, changed.json(t)["stock"])
	u.want(t, 200, "PATCH", at, `{"price": "9.99"}`)

	order := u.want(t, 201, "POST", "/v1/orders", `{"customer_code": "a/b c", "freight": "1.5", "items": [
		{"product_id": 1, "quantity": "2"}, {"product_id": 1, "quantity": "0.5", "unit_price": "100", "discount": "0.25", "note": "gift"}]}`)
	require.Equal(t, "58.9800", order.json(t)["total"])
	items, _ := order.json(t)["items"].([]any)
	require.Len(t, items, 2)
	require.Equal(t, "9.9900", items[0].(map[string]any)["unit_price"])
	changed = u.want(t, 200, "PATCH", "/v1/orders/1", `{"items": [{"product_id": 1, "quantity": "1"}], "note": "less"}`)
	require.Equal(t, "11.4900", changed.json(t)["total"])
	require.Equal(t, "11.4900", u.want(t, 200, "PATCH", "/v1/orders/1", `{"status": "shipped"}`).json(t)["total"])
	u.problem(t, 409, "conflict", "DELETE", "/v1/orders/1", "")
	u.problem(t, 409, "conflict", "DELETE", at, "")
	u.problem(t, 409, "conflict", "POST", "/v1/orders", `{"customer_code": "nobody"}`)
	draft := u.want(t, 201, "POST", "/v1/orders", `{"customer_code": "a/b c", "status": "draft"}`).header.Get("Location")
	require.Equal(t, "2", f.Text(t, `select count(*)::text from tenant_a.orders`), "what failed wrote nothing")
	u.want(t, 204, "DELETE", draft, "")

	invoice := u.want(t, 201, "POST", "/v1/invoices", `{"number": "R-1", "customer_code": "a/b c", "order_id": 1, "net": "11.49", "status": "issued", "issued_on": "2026-05-01"}`)
	require.Equal(t, "2026-05-01", invoice.json(t)["issued_on"])
	u.problem(t, 409, "conflict", "DELETE", "/v1/invoices/1", "")
	u.problem(t, 422, "invalid", "PATCH", "/v1/invoices/1", `{"due_on": "2026-04-01"}`)
	u.want(t, 200, "PATCH", "/v1/invoices/1", `{"status": "void"}`)
	require.JSONEq(t, `{"items": []}`, other.want(t, 200, "GET", "/v1/invoices", "").body)
}

func TestListsGoByPagesAndFilters(t *testing.T) {
	t.Parallel()
	f := fleet.New(t, fleet.Options{})
	f.Provision(t, "a")
	f.Exec(t, `set search_path = tenant_a; insert into customers (code, name) values ('x', 'X'), ('y', 'Y');
		insert into orders (customer_code, status) select case when i % 3 = 0 then 'x' else 'y' end, case when i % 2 = 0 then 'open' else 'closed' end
		from generate_series(1, 120) i; reset search_path`)
	u := serve(t, f, nil).user(t, "a", "1", "orders:read")
	all := func(query string) (ids []string, pages int) {
		t.Helper()
		for next := ""; ; pages++ {
			page := u.want(t, 200, "GET", "/v1/orders?"+query+next, "").json(t)
			for _, item := range page["items"].([]any) {
				ids = append(ids, fmt.Sprint(item.(map[string]any)["id"]))
			}
			token, more := page["next"].(string)
			if !more {
				return ids, pages + 1
			}
			next = "&after=" + token
		}
	}
	ids, pages := all("")
	require.Len(t, ids, 120)
	require.Equal(t, 3, pages)
	ids, pages = all("limit=40")
	require.Equal(t, 3, pages)
	require.Equal(t, "120", ids[119])
	ids, _ = all("limit=7&status=open&customer=x")
	require.Equal(t, strings.Fields(f.Text(t, `select string_agg(id::text, ' ' order by id) from tenant_a.orders where customer_code = 'x' and status = 'open'`)), ids)
	u.problem(t, 422, "invalid", "GET", "/v1/orders?limit=501", "")
	u.problem(t, 422, "invalid", "GET", "/v1/orders?after=nonsense", "")
	u.problem(t, 422, "invalid", "GET", "/v1/orders?after=InggMSI", "")
	u.problem(t, 422, "invalid", "GET", "/v1/orders?status=other", "")
	u.problem(t, 403, "forbidden", "GET", "/v1/invoices", "")
	u.problem(t, 403, "forbidden", "POST", "/v1/orders", `{"customer_code": "x"}`)
}

func TestChangesOfWhatWasChangedAreDeclined(t *testing.T) {
	t.Parallel()
	f := fleet.New(t, fleet.Options{})
	f.Provision(t, "a")
	u := serve(t, f, nil).user(t, "a", "1", "*")
	first := u.want(t, 201, "POST", "/v1/customers", `{"code": "x", "name": "X"}`).header.Get("Etag")
	second := u.want(t, 200, "PATCH", "/v1/customers/x", `{"name": "Y"}`, "If-Match", first).header.Get("Etag")
	require.NotEqual(t, first, second)
	u.problem(t, 412, "changed", "PATCH", "/v1/customers/x", `{"name": "Z"}`, "If-Match", first)
	u.problem(t, 412, "changed", "DELETE", "/v1/customers/x", "", "If-Match", first)
	u.problem(t, 404, "not-found", "DELETE", "/v1/customers/z", "", "If-Match", first)
	u.want(t, 200, "PATCH", "/v1/customers/x", `{"name": "Z"}`, "If-Match", first+", "+second)
	moved := u.want(t, 200, "PATCH", "/v1/customers/x", `{"code": "y"}`, "If-Match", "*")
	require.Equal(t, "y", moved.json(t)["code"])
	u.want(t, 204, "DELETE", "/v1/customers/y", "", "If-Match", moved.header.Get("Etag"))

	// Of writers who all saw the same version one wins.
	seen := u.want(t, 201, "POST", "/v1/customers", `{"code": "c", "name": "0"}`).header.Get("Etag")
	var group sync.WaitGroup
	results := make(chan int, 6)
	for i := range 6 {
		group.Go(func() {
			results <- u.do(t, "PATCH", "/v1/customers/c", fmt.Sprintf(`{"name": "%d"}`, i), "If-Match", seen).status
		})
	}
	group.Wait()
	close(results)
	count := map[int]int{}
	for status := range results {
		count[status]++
	}
	require.Equal(t, map[int]int{200: 1, 412: 5}, count)
}

// TestEveryVersionIsServed has a tenant at each version that the service says it serves, and one below.
func TestEveryVersionIsServed(t *testing.T) {
	t.Parallel()
	f := fleet.New(t, fleet.Options{})
	for version := uint64(3); version <= 7; version++ {
		f.Provisioner.Versions = map[string]uint64{core.Service: version}
		f.Provision(t, tenant.Name(fmt.Sprintf("v%d", version)))
	}
	a := serve(t, f, nil)
	a.user(t, "v3", "1", "*").problem(t, 404, "not-at-this-version", "GET", "/v1/customers", "")
	for version := 4; version <= 7; version++ {
		u := a.user(t, tenant.Name(fmt.Sprintf("v%d", version)), "1", "*")
		u.want(t, 201, "POST", "/v1/customers", `{"code": "x", "name": "X"}`)
		u.want(t, 201, "POST", "/v1/products", `{"name": "Tea", "price": "1"}`)
		require.Equal(t, "2.0000", u.want(t, 201, "POST", "/v1/orders", `{"customer_code": "x", "items": [{"product_id": 1, "quantity": "2"}]}`).json(t)["total"])
		if version < 5 {
			u.problem(t, 404, "not-at-this-version", "GET", "/v1/invoices", "")
		} else {
			u.want(t, 200, "GET", "/v1/invoices", "")
		}
		if version < 7 {
			u.problem(t, 422, "not-at-this-version", "POST", "/v1/customers", `{"name": "X"}`, idempotency.Header, "k")
		} else {
			u.want(t, 201, "POST", "/v1/customers", `{"name": "X"}`, idempotency.Header, "k")
		}
	}
}

func TestProductsAreRemembered(t *testing.T) {
	t.Parallel()
	f := fleet.New(t, fleet.Options{})
	f.Provision(t, "a", "b")
	remember, err := cache.Local(cache.Options{Service: core.Service})
	require.NoError(t, err)
	t.Cleanup(func() { _ = remember.Close() })
	a := serve(t, f, remember)
	u, other := a.user(t, "a", "1", "*"), a.user(t, "b", "1", "*")
	u.want(t, 201, "POST", "/v1/products", `{"name": "Tea"}`)
	other.problem(t, 404, "not-found", "GET", "/v1/products/1", "")
	first := u.want(t, 200, "GET", "/v1/products/1", "")
	f.Exec(t, `update tenant_a.products set name = 'behind our back'`)
	again := u.want(t, 200, "GET", "/v1/products/1", "")
	require.Equal(t, first.body, again.body)
	require.Equal(t, first.header.Get("Etag"), again.header.Get("Etag"))
	other.problem(t, 404, "not-found", "GET", "/v1/products/1", "")
	a.user(t, "a", "2", "orders:read").problem(t, 403, "forbidden", "GET", "/v1/products/1", "")
	u.want(t, 200, "PATCH", "/v1/products/1", `{"unit": "box"}`)
	require.Equal(t, "behind our back", u.want(t, 200, "GET", "/v1/products/1", "").json(t)["name"])
	u.want(t, 204, "DELETE", "/v1/products/1", "")
	u.problem(t, 404, "not-found", "GET", "/v1/products/1", "")
}
