package platform

import (
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
