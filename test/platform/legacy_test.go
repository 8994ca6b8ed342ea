package platform

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/legacy"
)

const client = "client-x"

type pair struct{ AccessToken, RefreshToken string }

// newMonolith is a platform with a client who isn't there yet: the monolith runs, and the gateway leads to it.
func newMonolith(t *testing.T) (s *stage, monolith string) {
	t.Helper()
	return newMonolithWith(t, "")
}

// newMonolithWith is newMonolith with more in tenants.yaml.
func newMonolithWith(t *testing.T, more string) (s *stage, monolith string) {
	t.Helper()
	old := localtest.Database(t)
	conn, err := pgx.Connect(t.Context(), old)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	require.NoError(t, legacy.Create(t.Context(), conn, 7))
	require.NoError(t, legacy.Seed(t.Context(), conn, 0))
	s = openStage(t, more+`services: { users: {}, auth: {}, core: { version: 4 } }
tenants: { client-x: { legacy: { dsn: "${CLIENT_X_DSN}", mapping: identity.yaml } } }
`, "CLIENT_X_DSN="+old)
	for _, name := range []string{"mapping.yaml", "identity.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "examples", "monolith", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(s.dir, name), text, 0o600))
	}
	localtest.ShareTemplates(t, s.dir, s.dir)
	s.tenantctl("", "provision", "--all")
	s.serve("all")
	return s, s.serve("legacy", "--tenant", client)
}

func (s *stage) pairOf(path, body string) pair {
	s.t.Helper()
	got := s.send(request{method: "POST", path: path, host: host(client), body: body})
	require.Equal(s.t, http.StatusOK, got.status, got.body)
	var tokens pair
	require.NoError(s.t, json.Unmarshal([]byte(got.body), &tokens))
	return tokens
}

// seen is what the client sees of something, without what only one side knows.
func (s *stage) seen(path string) map[string]any {
	s.t.Helper()
	got := s.send(request{method: "GET", path: path, host: host(client), token: s.tokens[client]})
	require.Equal(s.t, http.StatusOK, got.status, "%s: %s", path, got.body)
	var body map[string]any
	require.NoError(s.t, json.Unmarshal([]byte(got.body), &body))
	for _, name := range []string{"created_at", "updated_at", "createdAt", "updatedAt"} {
		delete(body, name)
	}
	return body
}

// TestAClientMovesUnderItsTokens logs in at the monolith, is moved, goes on, and is moved back: with the same tokens, and with the
// same answers.
func TestAClientMovesUnderItsTokens(t *testing.T) {
	t.Parallel()
	s, monolith := newMonolith(t)
	require.Eventually(t, func() bool { // the gateway has heard of it
		return s.send(request{method: "GET", path: "/v1/auth/keys", host: host(client)}).status == http.StatusOK
	}, 10*time.Second, 20*time.Millisecond)
	first := s.pairOf("/v1/auth/login", `{"login":"user1","password":"secret"}`)
	s.tokens[client] = first.AccessToken
	customer := s.create(client, "/v1/customers", `{"name":"Ada","postal_code":"8000","country":"CH","fax":null}`, "code")
	product := s.create(client, "/v1/products", `{"sku":"A-1","name":"Tea","price":"2.50"}`, "id")
	order := s.create(client, "/v1/orders", `{"customer_code":"`+customer+`","items":[{"product_id":`+product+`,"quantity":"3","discount":"0.1"}]}`, "id")
	things := []string{"/v1/customers/" + customer, "/v1/products/" + product, "/v1/orders/" + order, "/v1/users/me"}
	lists := []string{"/v1/customers?limit=1", "/v1/users?limit=3"}
	before := map[string]map[string]any{}
	for _, path := range append(things, lists...) {
		before[path] = s.seen(path)
	}
	require.Equal(t, "6.7500", before["/v1/orders/"+order]["total"])

	s.tenantctl("", "migrate", client, "--yes")
	for _, path := range things {
		require.Equal(t, before[path], s.seen(path), path)
	}
	for _, path := range lists {
		require.Equal(t, before[path]["next"], s.seen(path)["next"], "a list that was begun there goes on here")
	}
	s.create(client, "/v1/customers", `{"code":"new","name":"Grace","fax":"1"}`, "code")
	second := s.pairOf("/v1/auth/refresh", `{"refreshToken":"`+first.RefreshToken+`"}`)

	// The monolith is fenced: asked directly it reads, and says when to write.
	at := request{address: monolith, method: "GET", path: "/v1/customers", host: host(client), token: first.AccessToken}
	require.Equal(t, http.StatusOK, s.send(at).status)
	at.method, at.body = "POST", `{"name":"lost"}`
	refused := s.send(at)
	require.Equal(t, http.StatusServiceUnavailable, refused.status, refused.body)
	require.Contains(t, refused.body, `"moving"`)
	require.Equal(t, "2", refused.header.Get("Retry-After"))

	s.tenantctl("", "rollback", client, "--discard-platform-writes", "--reason", "test")
	require.Equal(t, before["/v1/orders/"+order], s.seen("/v1/orders/"+order))
	third := s.pairOf("/v1/auth/refresh", `{"refreshToken":"`+second.RefreshToken+`"}`)
	s.tokens[client] = third.AccessToken
	s.create(client, "/v1/customers", `{"name":"after the rollback"}`, "code")
	reused := s.send(request{method: "POST", path: "/v1/auth/refresh", host: host(client), body: `{"refreshToken":"` + first.RefreshToken + `"}`})
	require.Equal(t, http.StatusUnauthorized, reused.status, reused.body)
	ended := s.send(request{method: "POST", path: "/v1/auth/refresh", host: host(client), body: `{"refreshToken":"` + third.RefreshToken + `"}`})
	require.Equal(t, http.StatusUnauthorized, ended.status, "a copy was used, so all of the log-in ended")
}
