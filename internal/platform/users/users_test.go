package users_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/platform/users"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
	"tenantctl/test/lab"
)

func TestMain(m *testing.M) { localtest.Main(m) }

type testBundle struct {
	*lab.Lab
	server *httptest.Server
}

func setup(t *testing.T, names ...tenant.Name) *testBundle {
	t.Helper()
	s, err := users.Stream()
	require.NoError(t, err)
	b := &testBundle{Lab: lab.New(t, []*stream.Stream{s}, names...)}
	service, err := users.New(users.Options{Authorize: b.Authorize, Pools: b.Pools(t, users.Service), Log: b.Log.Logger()})
	b.server = b.Serve(t, service, err)
	return b
}

type object = map[string]any

func (b *testBundle) do(t *testing.T, raw, method, path string, body any) lab.Answer {
	t.Helper()
	return lab.Call{Server: b.server, Method: method, Path: path, Token: raw, Body: body}.Do(t)
}

func TestUsersFromFirstToLast(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	admin := b.Token(t, "a", "boss", "*")
	var ada users.User
	answer := b.do(t, admin, "POST", "/v1/users", object{"login": "ada", "name": "Ada", "roles": []string{"user"}})
	answer.Into(t, http.StatusCreated, &ada)
	require.Equal(t, "/v1/users/"+ada.ID, answer.Header.Get("Location"))
	require.True(t, ada.Active)
	require.Equal(t, []string{"user"}, ada.Roles)
	require.Equal(t, http.StatusConflict, b.do(t, admin, "POST", "/v1/users", object{"login": "ada"}).Status)

	var me users.Me
	b.do(t, b.Token(t, "a", ada.ID), "GET", "/v1/users/me", nil).Into(t, http.StatusOK, &me)
	require.Equal(t, ada, me.User)
	require.Equal(t, []string{"customers:*", "invoices:*", "orders:*", "products:*"}, me.Permissions)

	var changed users.User
	b.do(t, admin, "PATCH", "/v1/users/"+ada.ID, object{"name": nil, "email": "ada@a.example", "roles": []string{"readonly", "user"}}).Into(t, http.StatusOK, &changed)
	require.Nil(t, changed.Name, "null is a value")
	require.Equal(t, "ada", changed.Login, "what isn't given stays")
	require.Equal(t, []string{"readonly", "user"}, changed.Roles)
	require.True(t, changed.UpdatedAt.After(ada.UpdatedAt))
	b.do(t, admin, "GET", "/v1/users/"+ada.ID, nil).Into(t, http.StatusOK, &ada)
	require.Equal(t, changed, ada)

	require.Equal(t, http.StatusNoContent, b.do(t, admin, "DELETE", "/v1/users/"+ada.ID, nil).Status)
	for _, method := range []string{"GET", "DELETE"} {
		require.Equal(t, http.StatusNotFound, b.do(t, admin, method, "/v1/users/"+ada.ID, nil).Status)
	}
	require.Equal(t, http.StatusNotFound, b.do(t, b.Token(t, "a", ada.ID), "GET", "/v1/users/me", nil).Status)
}

func TestAWriteThatIsSentTwiceHappensOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	admin := b.Token(t, "a", "boss", "*")
	send := func(method, path string, body any) lab.Answer {
		return lab.Call{Server: b.server, Method: method, Path: path, Token: admin, Body: body, Header: http.Header{"Idempotency-Key": {method}}}.Do(t)
	}
	var user users.User
	first := send("POST", "/v1/users", object{"login": "ada"})
	first.Into(t, http.StatusCreated, &user)
	again := send("POST", "/v1/users", object{"login": "ada"})
	require.Equal(t, http.StatusCreated, again.Status)
	require.Equal(t, first.Body, again.Body)
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
	require.Equal(t, http.StatusUnprocessableEntity, send("POST", "/v1/users", object{"login": "bob"}).Status)
	require.Equal(t, http.StatusNoContent, send("DELETE", "/v1/users/"+user.ID, nil).Status)
	require.Equal(t, http.StatusNoContent, send("DELETE", "/v1/users/"+user.ID, nil).Status, "done before")
}

func TestPagesHoldEveryUserOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	admin := b.Token(t, "a", "boss", "users:*")
	b.Exec(t, "a", `insert into users (id, login, active) select i, 'user ' || i, i % 3 > 0 from generate_series(1, 57) i;
		insert into user_roles select i, 'readonly' from generate_series(1, 20) i`)
	walk := func(query string) (logins []string, pages int) {
		next := ""
		for {
			var page struct {
				Items []users.User
				Next  string
			}
			b.do(t, admin, "GET", "/v1/users?limit=10&after="+next+query, nil).Into(t, http.StatusOK, &page)
			for _, user := range page.Items {
				logins = append(logins, user.Login)
			}
			pages++
			if next = page.Next; next == "" {
				return logins, pages
			}
		}
	}
	logins, pages := walk("")
	require.Len(t, logins, 57)
	require.Equal(t, 6, pages)
	require.IsIncreasing(t, logins)
	logins, _ = walk("&active=false&role=readonly")
	require.Len(t, logins, 6)
	require.Equal(t, http.StatusUnprocessableEntity, b.do(t, admin, "GET", "/v1/users?after=%25", nil).Status)
	require.Equal(t, http.StatusUnprocessableEntity, b.do(t, admin, "GET", "/v1/users?limit=501", nil).Status)
}

func TestRoles(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	admin := b.Token(t, "a", "boss", "*")
	var role users.Role
	b.do(t, admin, "POST", "/v1/roles", object{"name": "clerk", "permissions": []string{"orders:write", "orders:read"}}).Into(t, http.StatusCreated, &role)
	require.Equal(t, []string{"orders:read", "orders:write"}, role.Permissions)
	require.Equal(t, http.StatusConflict, b.do(t, admin, "POST", "/v1/roles", object{"name": "clerk", "permissions": []string{}}).Status)
	b.do(t, admin, "PUT", "/v1/roles/clerk", object{"description": "At the desk", "permissions": []string{"orders:read"}}).Into(t, http.StatusOK, &role)
	require.Equal(t, []string{"orders:read"}, role.Permissions)

	var ada users.User
	b.do(t, admin, "POST", "/v1/users", object{"login": "ada", "roles": []string{"clerk"}}).Into(t, http.StatusCreated, &ada)
	require.Equal(t, http.StatusConflict, b.do(t, admin, "DELETE", "/v1/roles/clerk", nil).Status, "in use")
	b.do(t, admin, "PATCH", "/v1/users/"+ada.ID, object{"roles": []string{}}).Into(t, http.StatusOK, nil)
	require.Equal(t, http.StatusNoContent, b.do(t, admin, "DELETE", "/v1/roles/clerk", nil).Status)
	require.Equal(t, http.StatusNotFound, b.do(t, admin, "GET", "/v1/roles/clerk", nil).Status)
	require.Equal(t, http.StatusUnprocessableEntity, b.do(t, admin, "PATCH", "/v1/users/"+ada.ID, object{"roles": []string{"clerk"}}).Status)

	require.Equal(t, http.StatusConflict, b.do(t, admin, "PUT", "/v1/roles/admin", object{"permissions": []string{}}).Status, "came with the platform")
	require.Equal(t, http.StatusConflict, b.do(t, admin, "DELETE", "/v1/roles/user", nil).Status)
	var page struct{ Items []users.Role }
	b.do(t, admin, "GET", "/v1/roles", nil).Into(t, http.StatusOK, &page)
	require.Len(t, page.Items, 3)
}

// TestNobodyGainsByManagingUsers: users:write is no way to more than one has.
func TestNobodyGainsByManagingUsers(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	b.Exec(t, "a", `insert into users (id, login) values ('boss', 'boss'), ('1', 'ada');
		insert into user_roles values ('boss', 'admin'), ('1', 'readonly');
		insert into roles (name) values ('super'); insert into role_permissions values ('super', 'secrets:*')`)
	manager := b.Token(t, "a", "manager", "users:*", "orders:*", "customers:read", "products:read", "orders:read", "invoices:read")
	for name, call := range map[string]struct {
		method, path string
		body         object
	}{
		"make an admin":           {"POST", "/v1/users", object{"login": "me2", "roles": []string{"admin"}}},
		"give admin":              {"PATCH", "/v1/users/1", object{"roles": []string{"admin"}}},
		"change an admin's login": {"PATCH", "/v1/users/boss", object{"login": "other"}},
		"take an admin's role":    {"PATCH", "/v1/users/boss", object{"roles": []string{}}},
		"remove an admin":         {"DELETE", "/v1/users/boss", nil},
		"make a role":             {"POST", "/v1/roles", object{"name": "r", "permissions": []string{"*"}}},
		"make a role of a kind":   {"POST", "/v1/roles", object{"name": "r", "permissions": []string{"customers:*"}}},
		"shrink a role":           {"PUT", "/v1/roles/super", object{"permissions": []string{}}},
	} {
		var body any
		if call.body != nil {
			body = call.body
		}
		require.Equal(t, http.StatusForbidden, b.do(t, manager, call.method, call.path, body).Status, name)
	}
	require.Equal(t, "2", b.Text(t, "a", `select count(*)::text from users`), "nothing of it stayed")
	b.do(t, manager, "PATCH", "/v1/users/1", object{"login": "lovelace"}).Into(t, http.StatusOK, nil)
	b.do(t, manager, "POST", "/v1/users", object{"login": "new", "roles": []string{"readonly"}}).Into(t, http.StatusCreated, nil)

	boss := b.Token(t, "a", "boss", "*")
	for _, body := range []object{{"active": false}, {"roles": []string{}}} {
		require.Equal(t, http.StatusConflict, b.do(t, boss, "PATCH", "/v1/users/boss", body).Status)
	}
	require.Equal(t, http.StatusConflict, b.do(t, boss, "DELETE", "/v1/users/boss", nil).Status)
	for _, path := range []string{"/v1/users", "/v1/users/1", "/v1/roles", "/v1/roles/admin"} {
		require.Equal(t, http.StatusForbidden, b.do(t, b.Token(t, "a", "1", "orders:*"), "GET", path, nil).Status)
	}
}

func TestOtherServicesAskByServiceTokenOnly(t *testing.T) {
	t.Parallel()
	b := setup(t, "a", "b")
	b.Exec(t, "a", `insert into users (id, login, active) values ('7', 'a&b=c d', false); insert into user_roles values ('7', 'admin'), ('7', 'readonly')`)
	raw, err := b.Keys.Sign(token.Claims{Tenant: "a", Service: "auth", Use: token.Service})
	require.NoError(t, err)
	want := users.Access{ID: "7", Login: "a&b=c d", Permissions: []string{"*", "customers:read", "invoices:read", "orders:read", "products:read"}}
	for _, path := range []string{"/v1/internal/users/7", "/v1/internal/users?login=a%26b%3Dc+d"} {
		var got users.Access
		b.do(t, raw, "GET", path, nil).Into(t, http.StatusOK, &got)
		require.Equal(t, want, got)
		require.Equal(t, http.StatusUnauthorized, b.do(t, b.Token(t, "a", "7", "*"), "GET", path, nil).Status)
		require.Equal(t, http.StatusUnauthorized, b.do(t, "", "GET", path, nil).Status)
		other, err := b.Keys.Sign(token.Claims{Tenant: "b", Service: "auth", Use: token.Service})
		require.NoError(t, err)
		require.Equal(t, http.StatusNotFound, b.do(t, other, "GET", path, nil).Status)
	}
	require.Equal(t, http.StatusUnauthorized, b.do(t, raw, "GET", "/v1/users", nil).Status, "and nothing else")
}

func TestATenantSeesItsOwnUsersOnly(t *testing.T) {
	t.Parallel()
	b := setup(t, "a", "b")
	b.Exec(t, "a", `insert into users (id, login) values ('7', 'ada')`)
	intruder := b.Token(t, "b", "8", "*")
	var page struct{ Items []users.User }
	b.do(t, intruder, "GET", "/v1/users", nil).Into(t, http.StatusOK, &page)
	require.Empty(t, page.Items)
	for _, method := range []string{"GET", "DELETE"} {
		require.Equal(t, http.StatusNotFound, b.do(t, intruder, method, "/v1/users/7", nil).Status)
	}
	answer := lab.Call{Server: b.server, Method: "GET", Path: "/v1/users", Tenant: "a", Token: intruder}.Do(t)
	require.Equal(t, http.StatusForbidden, answer.Status, "host and token differ")
	require.Equal(t, "ada", b.Text(t, "a", `select login from users`))
}

func TestBadBodiesAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	admin := b.Token(t, "a", "boss", "*")
	for _, body := range []any{
		object{},
		object{"login": ""},
		object{"login": 7},
		object{"login": "a\x00b"},
		object{"login": strings.Repeat("x", 201)},
		object{"login": "a", "admin": true},
		object{"login": "a", "roles": []string{"no such"}},
		object{"login": "a", "roles": []string{"nosuch"}},
		object{"login": "a", "name": "a\x00"},
		[]string{},
		"x",
	} {
		answer := b.do(t, admin, "POST", "/v1/users", body)
		require.Equal(t, http.StatusUnprocessableEntity, answer.Status, "%v: %s", body, answer.Body)
		require.Equal(t, "application/problem+json", answer.Header.Get("Content-Type"))
	}
	require.Equal(t, http.StatusRequestEntityTooLarge, b.do(t, admin, "POST", "/v1/users", object{"login": "a", "name": fmt.Sprintf("%070000d", 1)}).Status)
	require.Equal(t, "0", b.Text(t, "a", `select count(*)::text from users`))
}
