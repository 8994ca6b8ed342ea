package platform

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What one service writes another tells, for that tenant and nobody else: from the gateway through outbox, broker and inbox to the list.
func TestAnOrderIsHeardOf(t *testing.T) {
	t.Parallel()
	s := newStage(t, "acme", "beta")
	s.create("acme", "/v1/customers", `{"code":"c","name":"c"}`, "code")
	order := s.create("acme", "/v1/orders", `{"customer_code":"c"}`, "id")
	told := func(tenant string) string {
		got := s.send(request{method: "GET", path: "/v1/notifications", host: host(tenant), token: s.tokens[tenant]})
		require.Equal(t, http.StatusOK, got.status, got.body)
		return got.body
	}
	require.Eventually(t, func() bool { return strings.Contains(told("acme"), "Order "+order+" was placed") }, time.Minute, 50*time.Millisecond)
	require.NotContains(t, told("beta"), "was placed")
	shown := s.tenantctl("", "services")
	require.Contains(t, shown, "notifications")
	got := s.send(request{method: "PUT", path: "/v1/notifications/preferences", host: host("acme"), token: s.tokens["acme"], body: `{"mail":"immediate","address":"a@example.com"}`})
	require.Equal(t, http.StatusUnprocessableEntity, got.status, "this platform has no mail server")
}

// Who isn't looking is told of a message; and only a tenant's own users, who may log in, can be talked to.
func TestAMessageIsHeardOf(t *testing.T) {
	t.Parallel()
	s := newStage(t, "acme", "beta")
	bob := s.create("acme", "/v1/users", `{"login":"bob","roles":["user"]}`, "id")
	ask := func(tenant, method, path, body string, status int) string {
		t.Helper()
		got := s.send(request{method: method, path: path, host: host(tenant), token: s.tokens[tenant], body: body})
		require.Equal(t, status, got.status, got.body)
		return got.body
	}
	at := "/v1/conversations/" + s.create("acme", "/v1/conversations", `{"subject":"Tea","participants":["`+bob+`"]}`, "id")
	ask("acme", "POST", at+"/messages", `{"body":"hello"}`, http.StatusCreated)
	ask("acme", "PUT", "/v1/auth/users/"+bob+"/password", `{"password":"`+password+`"}`, http.StatusNoContent)
	tokens := s.send(request{method: "POST", path: "/v1/auth/login", host: host("acme"), body: `{"login":"bob","password":"` + password + `"}`})
	var his struct{ AccessToken string }
	require.NoError(t, json.Unmarshal([]byte(tokens.body), &his), tokens.body)
	told := func(token string) string {
		got := s.send(request{method: "GET", path: "/v1/notifications", host: host("acme"), token: token})
		require.Equal(t, http.StatusOK, got.status, got.body)
		return got.body
	}
	require.Eventually(t, func() bool { return strings.Contains(told(his.AccessToken), "A message in Tea") }, time.Minute, 50*time.Millisecond)
	require.NotContains(t, told(s.tokens["acme"]), "A message in Tea", "who says something isn't told of it")

	require.Contains(t, ask("acme", "POST", "/v1/conversations", `{"subject":"x","participants":["`+bob+`","nobody"]}`, http.StatusUnprocessableEntity), "not users here: nobody")
	require.Contains(t, ask("beta", "POST", "/v1/conversations", `{"subject":"x","participants":["`+bob+`"]}`, http.StatusUnprocessableEntity), "no-user", "another tenant's")
	require.Contains(t, ask("acme", "POST", at+"/participants", `{"user":"nobody"}`, http.StatusUnprocessableEntity), "no-user")
	ask("acme", "PATCH", "/v1/users/"+bob, `{"active":false}`, http.StatusOK)
	require.Contains(t, ask("acme", "POST", "/v1/conversations", `{"subject":"x","participants":["`+bob+`"]}`, http.StatusUnprocessableEntity), "no-user", "who may not log in")
	ask("acme", "POST", "/v1/conversations", `{"subject":"to myself"}`, http.StatusCreated)
}
