package lab

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/tenant"
)

// Serve answers for a service until the test ends.
func (l *Lab) Serve(t testing.TB, s *service.Service, err error) *httptest.Server {
	t.Helper()
	require.NoError(t, err)
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return server
}

// Token signs an access token for a user.
func (l *Lab) Token(t testing.TB, name tenant.Name, subject string, permissions ...string) string {
	t.Helper()
	raw, err := l.Keys.Sign(token.Claims{Tenant: name, Subject: subject, Login: subject, Permissions: permissions, Use: token.Access})
	require.NoError(t, err)
	return raw
}

// Call is a request to a service.
type Call struct {
	Server       *httptest.Server
	Method, Path string
	Tenant       tenant.Name // by the host
	Token        string
	Body         any
	Header       http.Header
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do sends a request.
func (c Call) Do(t testing.TB) Answer {
	t.Helper()
	var body io.Reader
	if c.Body != nil {
		text, err := json.Marshal(c.Body)
		require.NoError(t, err)
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(t.Context(), c.Method, c.Server.URL+c.Path, body)
	require.NoError(t, err)
	if c.Header != nil {
		request.Header = c.Header.Clone()
	}
	if c.Body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.Tenant != "" {
		request.Host = string(c.Tenant) + "." + Domain
	}
	if c.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.Token)
	}
	response, err := c.Server.Client().Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return Answer{response.StatusCode, response.Header, text}
}

// Into reads the body of an answer with the status that is wanted.
func (a Answer) Into(t testing.TB, status int, into any) {
	t.Helper()
	require.Equal(t, status, a.Status, "%s", a.Body)
	if into != nil {
		require.NoError(t, json.Unmarshal(a.Body, into))
	}
}
