package platform

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestWritesAreHeldAsTheFileSays stops a move while the tenant's writes wait: of two writes one waits, for a second, and the other is
// told at once to come again. Neither was done.
func TestWritesAreHeldAsTheFileSays(t *testing.T) {
	t.Parallel()
	s, _ := newMonolithWith(t, "platform: { limits: { heldWrites: 1, heldFor: 1s } }\n")
	require.Eventually(t, func() bool { // the gateway has heard of the monolith
		return s.send(request{method: "GET", path: "/v1/auth/keys", host: host(client)}).status == http.StatusOK
	}, 10*time.Second, 20*time.Millisecond)
	s.tokens[client] = s.pairOf("/v1/auth/login", `{"login":"user1","password":"secret"}`).AccessToken
	s.tenantctl("", "migrate", client, "--yes", "--stop-before", "cutover")

	answers := make(chan response, 2)
	for range 2 {
		go func() {
			answers <- s.send(request{method: "POST", path: "/v1/customers", host: host(client), token: s.tokens[client], body: `{"name":"held"}`})
		}()
	}
	first, second := <-answers, <-answers
	for _, got := range []response{first, second} {
		require.Equal(t, http.StatusServiceUnavailable, got.status, got.body)
		require.Equal(t, "5", got.header.Get("Retry-After"))
	}
	require.Contains(t, first.body, "too many writes wait")
	require.Contains(t, second.body, "has waited long enough")
	require.Equal(t, http.StatusOK, s.send(request{method: "GET", path: "/v1/customers", host: host(client), token: s.tokens[client]}).status, "reads go on")
	s.tenantctl("", "rollback", client, "--reason", "test")
	require.NotContains(t, s.send(request{method: "GET", path: "/v1/customers?limit=100", host: host(client), token: s.tokens[client]}).body, "held")
}

// TestStreamsAreAsManyAsTheFileSays keeps a stream open, beside which there is room for no other of the same tenant.
func TestStreamsAreAsManyAsTheFileSays(t *testing.T) {
	t.Parallel()
	s := newStageWith(t, "platform: { limits: { streamsAtOnce: 1 } }\n", nil, "acme", "beta")
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	kept, err := http.NewRequestWithContext(ctx, http.MethodGet, s.scheme+s.address+"/v1/conversations/stream", nil)
	require.NoError(t, err)
	kept.Host = host("acme")
	kept.Header.Set("Authorization", "Bearer "+s.tokens["acme"])
	open, err := s.client.Do(kept)
	require.NoError(t, err)
	defer func() { _ = open.Body.Close() }()
	require.Equal(t, http.StatusOK, open.StatusCode)
	stream := func(tenant string) response {
		return s.send(request{method: "GET", path: "/v1/conversations/stream", host: host(tenant), token: s.tokens[tenant]})
	}
	got := stream("acme")
	require.Equal(t, http.StatusServiceUnavailable, got.status, got.body)
	require.Contains(t, got.body, "too many streams open")
	require.Equal(t, http.StatusOK, stream("beta").status)
	leave()
	require.Eventually(t, func() bool { return stream("acme").status == http.StatusOK }, 10*time.Second, 20*time.Millisecond)
}
