package service_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/tenant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tenants are a directory of fixed entries.
type tenants map[tenant.Name]scope.Tenant

func (known tenants) Tenant(name tenant.Name) (scope.Tenant, error) {
	t, ok := known[name]
	if !ok {
		return t, fmt.Errorf("tenant %q: %w", name, tenant.ErrNotFound)
	}
	return t, nil
}

type testBundle struct {
	keys *token.Keyring
	opts service.Options
	url  string // of the server
}

// setup serves testdata/notes.yaml; handlers replace those that answer with nothing.
func setup(t *testing.T, handlers map[string]service.Handler) *testBundle {
	t.Helper()
	b := &testBundle{}
	var err error
	b.keys, err = token.OpenKeyring(t.TempDir(), token.KeyringOptions{})
	require.NoError(t, err)
	b.opts = options(t, b.keys)
	for id, handle := range handlers {
		b.opts.Handlers[id] = handle
	}
	s, err := service.New(b.opts)
	require.NoError(t, err)
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

func options(t *testing.T, verifier token.Verifier) service.Options {
	t.Helper()
	description, err := os.ReadFile("testdata/notes.yaml")
	require.NoError(t, err)
	nothing := func(*service.Request) (service.Response, error) { return service.NoContent(), nil }
	known := tenants{
		"a": {Name: "a", State: tenant.Active, Versions: map[string]uint64{"notes": 3}},
		"b": {Name: "b", State: tenant.Active},
		"s": {Name: "s", State: tenant.Suspended},
		"d": {Name: "d", State: tenant.Archived},
	}
	return service.Options{
		Version:     service.Version{Service: "notes", Build: "test"},
		Description: description,
		Handlers: map[string]service.Handler{
			"listNotes": nothing, "addNote": nothing, "getNote": nothing, "greet": nothing, "countNotes": nothing,
		},
		Authorize: &scope.Authorizer{Tenants: known, Verifier: verifier, Domain: "localhost"},
	}
}

// token is one of tenant name with permissions.
func (b *testBundle) token(t *testing.T, name tenant.Name, permissions ...string) string {
	t.Helper()
	raw, err := b.keys.Sign(token.Claims{Tenant: name, Subject: "1", Use: token.Access, Permissions: permissions})
	require.NoError(t, err)
	return raw
}

type call struct {
	method, path, body string
	header             http.Header
	host               string
}

func bearer(raw string) http.Header { return http.Header{"Authorization": {"Bearer " + raw}} }

// do sends a request and returns the answer with its body.
func (b *testBundle) do(t *testing.T, c call) (*http.Response, string) {
	t.Helper()
	if c.method == "" {
		c.method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(t.Context(), c.method, b.url+c.path, strings.NewReader(c.body))
	require.NoError(t, err)
	for name, values := range c.header {
		r.Header[name] = values
	}
	if c.body != "" && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Host = c.host
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer, string(body)
}

// problem sends a request that must be declined, as RFC 9457 has it.
func (b *testBundle) problem(t *testing.T, c call) service.Problem {
	t.Helper()
	answer, body := b.do(t, c)
	require.Equal(t, "application/problem+json", answer.Header.Get("Content-Type"), body)
	var p service.Problem
	require.NoError(t, json.Unmarshal([]byte(body), &p), body)
	require.Equal(t, answer.StatusCode, p.Status)
	require.Equal(t, http.StatusText(p.Status), p.Title)
	require.Equal(t, answer.Header.Get(service.RequestID), p.Instance)
	require.NotEmpty(t, p.Instance)
	return p
}

func TestEveryOperationHasItsHandlerAndNoOther(t *testing.T) {
	t.Parallel()
	opts := options(t, nil)
	delete(opts.Handlers, "getNote")
	_, err := service.New(opts)
	require.ErrorIs(t, err, tenant.ErrInvalid)
	require.ErrorContains(t, err, "operation getNote has no handler")

	opts = options(t, nil)
	opts.Handlers["other"] = opts.Handlers["greet"]
	_, err = service.New(opts)
	require.ErrorContains(t, err, "the description has no operation other")

	opts = options(t, nil)
	opts.Authorize = nil
	_, err = service.New(opts)
	require.ErrorContains(t, err, "needs a token and nobody checks it")
}

func TestWhoMayAsk(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	reader, service1 := b.token(t, "a", "notes:read"), ""
	service1, err := b.keys.Sign(token.Claims{Tenant: "a", Service: "users", Use: token.Service})
	require.NoError(t, err)
	other, err := token.OpenKeyring(t.TempDir(), token.KeyringOptions{})
	require.NoError(t, err)
	foreign, err := other.Sign(token.Claims{Tenant: "a", Subject: "1", Use: token.Access, Permissions: []string{"*"}})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		call   call
		status int
		kind   string
	}{
		"allowed":               {call{path: "/v1/notes", header: bearer(reader)}, http.StatusNoContent, ""},
		"at its own host":       {call{path: "/v1/notes", header: bearer(reader), host: "a.localhost:80"}, http.StatusNoContent, ""},
		"at another's host":     {call{path: "/v1/notes", header: bearer(reader), host: "b.localhost"}, http.StatusForbidden, "forbidden"},
		"no token":              {call{path: "/v1/notes"}, http.StatusUnauthorized, "token-invalid"},
		"two tokens":            {call{path: "/v1/notes", header: http.Header{"Authorization": {"Bearer " + reader, "Bearer " + reader}}}, http.StatusUnauthorized, "token-invalid"},
		"another issuer's":      {call{path: "/v1/notes", header: bearer(foreign)}, http.StatusUnauthorized, "token-invalid"},
		"not permitted":         {call{method: http.MethodPost, path: "/v1/notes", body: `{"title":"x"}`, header: bearer(reader)}, http.StatusForbidden, "forbidden"},
		"by its kind":           {call{method: http.MethodPost, path: "/v1/notes", body: `{"title":"x"}`, header: bearer(b.token(t, "a", "notes:*"))}, http.StatusNoContent, ""},
		"by everything":         {call{path: "/v1/notes", header: bearer(b.token(t, "b", "*"))}, http.StatusNoContent, ""},
		"suspended":             {call{path: "/v1/notes", header: bearer(b.token(t, "s", "*"))}, http.StatusForbidden, "tenant-suspended"},
		"archived":              {call{path: "/v1/notes", header: bearer(b.token(t, "d", "*"))}, http.StatusNotFound, "not-found"},
		"unknown":               {call{path: "/v1/notes", header: bearer(b.token(t, "nobody", "*"))}, http.StatusNotFound, "not-found"},
		"public":                {call{path: "/v1/greeting"}, http.StatusNoContent, ""},
		"public, unknown":       {call{path: "/v1/greeting", host: "nobody.localhost"}, http.StatusNotFound, "not-found"},
		"internal, by a user":   {call{path: "/v1/internal/notes", header: bearer(reader)}, http.StatusUnauthorized, "token-invalid"},
		"internal, by its like": {call{path: "/v1/internal/notes", header: bearer(service1)}, http.StatusNoContent, ""},
		"a service, as a user":  {call{path: "/v1/notes", header: bearer(service1)}, http.StatusUnauthorized, "token-invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.kind == "" {
				answer, body := b.do(t, c.call)
				require.Equal(t, c.status, answer.StatusCode, body)
				return
			}
			p := b.problem(t, c.call)
			require.Equal(t, c.status, p.Status)
			require.Equal(t, c.kind, p.Type)
		})
	}
}
