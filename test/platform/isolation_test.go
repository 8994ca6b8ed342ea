package platform

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/auth"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/platform/messaging"
	"tenantctl/internal/platform/notifications"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/users"
)

// marker stands in everything that the victim has, and must be in nothing that others are told.
const marker = "only-acme-knows"

// victim fills acme and returns the values that paths to its things have, by the path's beginning.
func victim(s *stage) map[string]string {
	user := s.create("acme", "/v1/users", `{"login":"`+marker+`","roles":["user"]}`, "id")
	conversation := s.create("acme", "/v1/conversations", `{"subject":"`+marker+`","participants":["`+user+`"]}`, "id")
	s.create("acme", "/v1/conversations/"+conversation+"/messages", `{"body":"`+marker+`"}`, "id")
	return map[string]string{
		"/v1/conversations": conversation,
		"/v1/customers":     s.create("acme", "/v1/customers", `{"code":"`+marker+`","name":"`+marker+`"}`, "code"),
		"/v1/products":      s.create("acme", "/v1/products", `{"sku":"`+marker+`","name":"`+marker+`","price":"1.00"}`, "id"),
		"/v1/orders": s.create("acme", "/v1/orders",
			`{"customer_code":"`+marker+`","note":"`+marker+`","items":[{"product_id":1,"quantity":"1","unit_price":"1.00"}]}`, "id"),
		"/v1/invoices": s.create("acme", "/v1/invoices", `{"number":"`+marker+`","customer_code":"`+marker+`","net":"1.00"}`, "id"),
		"/v1/users":    user,
		"/v1/roles":    s.create("acme", "/v1/roles", `{"name":"`+marker+`","permissions":["orders:read"]}`, "name"),
	}
}

func operations(t *testing.T) []service.Operation {
	t.Helper()
	var all []service.Operation
	for _, described := range []func() ([]service.Operation, error){users.Operations, auth.Operations, core.Operations, notifications.Operations, messaging.Operations} {
		operations, err := described()
		require.NoError(t, err)
		all = append(all, operations...)
	}
	require.NotEmpty(t, all)
	return all
}

// pathTo is an operation's path to something of the victim's.
func pathTo(o service.Operation, keys map[string]string) string {
	start := strings.Index(o.Path, "/{")
	if start < 0 {
		return o.Path
	}
	end := strings.Index(o.Path, "}")
	key := keys[o.Path[:start]]
	if key == "" {
		key = keys["/v1/users"] // /v1/auth/users/{id}, /v1/internal/users/{id}
	}
	return o.Path[:start+1] + key + o.Path[end+1:]
}

// all that acme can see of itself.
func (s *stage) everythingOf(tenant string, keys map[string]string) string {
	var seen strings.Builder
	for path, key := range keys {
		got := s.send(request{method: "GET", path: path + "/" + key, host: host(tenant), token: s.tokens[tenant]})
		require.Equal(s.t, http.StatusOK, got.status, path)
		seen.WriteString(got.body)
	}
	return seen.String()
}

// TestNoRouteLeadsToAnotherTenant tries every operation of every service with what another tenant's user can send.
func TestNoRouteLeadsToAnotherTenant(t *testing.T) {
	t.Parallel()
	s := newStage(t, "acme", "beta")
	keys := victim(s)
	order := []string{"/v1/customers", "/v1/products", "/v1/orders", "/v1/invoices", "/v1/users", "/v1/roles", "/v1/conversations"}
	before := map[string]string{}
	for _, path := range order {
		before[path] = s.everythingOf("acme", map[string]string{path: keys[path]})
	}
	heard := s.send(request{method: "GET", path: "/v1/conversations/stream", host: host("acme"), token: s.tokens["acme"], header: map[string]string{"Last-Event-Id": "0"}})
	require.Contains(t, heard.body, `"`+marker+`"`, "acme itself hears it")
	for _, o := range operations(t) {
		path := pathTo(o, keys)
		body := ""
		if o.Writes() && o.Method != http.MethodDelete {
			body = `{}`
		}
		try := func(what string, r request) response {
			r.method, r.path, r.body = o.Method, path, body
			r.header = maps.Clone(r.header)
			if r.header == nil {
				r.header = map[string]string{}
			}
			r.header["Last-Event-Id"] = "0" // of streams, all that there was
			got := s.send(r)
			require.NotContains(t, got.body, `"`+marker+`"`, "%s %s: %s: %d", o.Method, path, what, got.status)
			return got
		}
		if o.Internal {
			require.Equal(t, http.StatusNotFound, try("internal", request{host: host("acme"), token: s.tokens["acme"]}).status, o.ID)
			continue
		}
		if o.Public {
			try("public", request{host: host("beta")})
			continue
		}
		require.Equal(t, http.StatusForbidden, try("a token of beta for the host of acme", request{host: host("acme"), token: s.tokens["beta"]}).status, o.ID)
		require.Equal(t, http.StatusUnauthorized, try("no token", request{host: host("acme")}).status, o.ID)
		require.Equal(t, http.StatusUnauthorized, try("a token in a cookie", request{host: host("acme"), header: map[string]string{"Cookie": "token=" + s.tokens["acme"]}}).status, o.ID)
		for _, header := range []map[string]string{
			{}, {"X-Tenant": "acme"}, {"X-Tenant-Id": "acme"}, {"X-Forwarded-Host": host("acme")}, {"Forwarded": "host=" + host("acme")}, {"X-Original-Url": path},
		} {
			got := try("another's id", request{host: host("beta"), token: s.tokens["beta"], header: header})
			if strings.Contains(o.Path, "{") {
				require.GreaterOrEqual(t, got.status, http.StatusBadRequest, "%s: %s", o.ID, got.body)
			}
		}
		for what, raw := range forged(t, s.tokens["acme"]) {
			require.Equal(t, http.StatusUnauthorized, try(what, request{host: host("acme"), token: raw}).status, "%s: %s", o.ID, what)
		}
	}
	for _, path := range order {
		require.Equal(t, before[path], s.everythingOf("acme", map[string]string{path: keys[path]}), "something of acme's was changed")
	}
}

// forged are tokens made from a good one by who has no key.
func forged(t *testing.T, good string) map[string]string {
	t.Helper()
	parts := strings.Split(good, ".")
	require.Len(t, parts, 3)
	encode := func(value any) string {
		raw, err := json.Marshal(value)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	decode := func(part string) map[string]any {
		raw, err := base64.RawURLEncoding.DecodeString(part)
		require.NoError(t, err)
		var value map[string]any
		require.NoError(t, json.Unmarshal(raw, &value))
		return value
	}
	header, claims := decode(parts[0]), decode(parts[1])
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signed := parts[0] + "." + parts[1]
	header["alg"] = "none"
	none := encode(header) + "." + parts[1] + "."
	claims["exp"] = time.Now().Add(24 * time.Hour).Unix()
	return map[string]string{
		"algorithm none":     none,
		"another key":        signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(stranger, []byte(signed))),
		"a longer life":      parts[0] + "." + encode(claims) + "." + parts[2],
		"no signature":       signed + ".",
		"nothing of a token": "x",
	}
}

func TestAnIdempotencyKeyIsItsTenantsOwn(t *testing.T) {
	t.Parallel()
	s := newStage(t, "acme", "beta")
	header := map[string]string{"Idempotency-Key": "the-same"}
	write := request{method: "POST", path: "/v1/customers", body: `{"code":"c","name":"` + marker + `"}`, header: header, host: host("acme"), token: s.tokens["acme"]}
	first := s.send(write)
	require.Equal(t, http.StatusCreated, first.status, first.body)
	again := s.send(write)
	require.Equal(t, "true", again.header.Get("Idempotent-Replayed"))
	require.Equal(t, first.body, again.body)
	write.host, write.token, write.body = host("beta"), s.tokens["beta"], `{"code":"c","name":"beta's"}`
	other := s.send(write)
	require.Equal(t, http.StatusCreated, other.status, other.body)
	require.Empty(t, other.header.Get("Idempotent-Replayed"))
	require.NotContains(t, other.body, marker)
}

// A tenant that is suspended is refused at once everywhere, and its neighbor isn't.
func TestSuspendedTenant(t *testing.T) {
	t.Parallel()
	s := newStage(t, "acme", "beta")
	list := func(name string) int {
		return s.send(request{method: "GET", path: "/v1/customers", host: host(name), token: s.tokens[name]}).status
	}
	require.Equal(t, http.StatusOK, list("acme"))
	s.tenantctl("", "suspend", "acme", "--reason", "test")
	require.Eventually(t, func() bool { return list("acme") == http.StatusForbidden }, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, http.StatusOK, list("beta"))
	s.tenantctl("", "resume", "acme")
	require.Eventually(t, func() bool { return list("acme") == http.StatusOK }, 10*time.Second, 20*time.Millisecond)
}
