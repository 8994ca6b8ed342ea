package platform

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func (s *stage) text(sql string) (found string) {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), s.database)
	require.NoError(s.t, err)
	defer func() { require.NoError(s.t, conn.Close(s.t.Context())) }()
	require.NoError(s.t, conn.QueryRow(s.t.Context(), sql).Scan(&found))
	return found
}

// TestUsersComeAndGo: what is kept of a user's password goes with the user, and nobody gets more permissions than a token holds.
func TestUsersComeAndGo(t *testing.T) {
	t.Parallel()
	s := newStage(t, "acme")
	ask := func(method, path, body string, status int) string {
		t.Helper()
		got := s.send(request{method: method, path: path, host: host("acme"), token: s.tokens["acme"], body: body})
		require.Equal(t, status, got.status, got.body)
		return got.body
	}
	bob := s.create("acme", "/v1/users", `{"login":"bob","roles":["user"]}`, "id")
	ask("PUT", "/v1/auth/users/"+bob+"/password", `{"password":"`+password+`"}`, http.StatusNoContent)
	ask("POST", "/v1/auth/login", `{"login":"bob","password":"`+password+`"}`, http.StatusOK)
	require.Equal(t, "2", s.text(`select count(*)::text from tenant_acme.credentials`))
	ask("DELETE", "/v1/users/"+bob, "", http.StatusNoContent)
	require.Equal(t, "1", s.text(`select count(*)::text from tenant_acme.credentials`))
	ask("POST", "/v1/auth/login", `{"login":"bob","password":"`+password+`"}`, http.StatusUnauthorized)

	many := func(kind string) string {
		list := make([]string, 40)
		for i := range list {
			list[i] = fmt.Sprintf(`"%s-%s%s:read"`, kind, strings.Repeat("x", i), strings.Repeat("y", 40-i))
		}
		return "[" + strings.Join(list, ",") + "]"
	}
	ask("POST", "/v1/roles", `{"name":"one","permissions":`+many("one")+`}`, http.StatusCreated)
	ask("POST", "/v1/roles", `{"name":"two","permissions":`+many("two")+`}`, http.StatusCreated)
	require.Contains(t, ask("POST", "/v1/users", `{"login":"eve","roles":["one","two"]}`, http.StatusUnprocessableEntity), "too-many-permissions")
	eve := s.create("acme", "/v1/users", `{"login":"eve","roles":["one"]}`, "id")
	ask("PUT", "/v1/auth/users/"+eve+"/password", `{"password":"`+password+`"}`, http.StatusNoContent)
	ask("POST", "/v1/auth/login", `{"login":"eve","password":"`+password+`"}`, http.StatusOK)
	require.Contains(t, ask("PUT", "/v1/roles/one", `{"permissions":[`+strings.Trim(many("a"), "[]")+","+strings.Trim(many("b"), "[]")+`]}`, http.StatusUnprocessableEntity), "too-many-permissions")

	// No body of any form, at any operation that takes one, is an error of ours.
	for _, o := range operations(t) {
		if o.Internal || o.Method == http.MethodGet || o.Method == http.MethodDelete {
			continue
		}
		for _, body := range []string{`{`, `[]`, `null`, `"x"`, `{"a":` + strings.Repeat("[", 2000), "\xff\xfe", `{"name":"\u0000"}`, `{}{}`, `{"` + strings.Repeat("x", 70_000) + `":1}`, ""} {
			got := s.send(request{method: o.Method, path: pathTo(o, map[string]string{"/v1/users": eve, "/v1/roles": "one"}), host: host("acme"), token: s.tokens["acme"], body: body})
			require.True(t, got.status >= 400 && got.status < 500, "%s %.40q: %d %s", o.ID, body, got.status, got.body)
			require.Equal(t, "application/problem+json", got.header.Get("Content-Type"), o.ID)
		}
	}
}
