package auth_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/auth"
	"tenantctl/internal/platform/call"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/platform/users"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
	"tenantctl/test/lab"
)

func TestMain(m *testing.M) { localtest.Main(m) }

const password = "correct horse battery"

type object = map[string]any

// testBundle is auth and users as they run: two services that talk HTTP.
type testBundle struct {
	*lab.Lab
	auth, users *httptest.Server
	away        atomic.Bool // the service users
	options     auth.Options
}

func setup(t *testing.T, names ...tenant.Name) *testBundle {
	t.Helper()
	ofAuth, err := auth.Stream()
	require.NoError(t, err)
	ofUsers, err := users.Stream()
	require.NoError(t, err)
	b := &testBundle{Lab: lab.New(t, []*stream.Stream{ofUsers, ofAuth}, names...)}
	asked, err := users.New(users.Options{Authorize: b.Authorize, Pools: b.Pools(t, users.Service), Log: b.Log.Logger()})
	b.users = b.Serve(t, asked, err)
	answers := b.users.Config.Handler
	b.users.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.away.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		answers.ServeHTTP(w, r)
	})
	client, err := call.New(call.Options{Target: "users", URL: b.users.URL, Pause: time.Millisecond, Failures: 1000})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	b.options = auth.Options{
		Authorize: b.Authorize, Store: b.Pools(t, auth.Service), Keys: b.Keys, Log: b.Log.Logger(),
		Users: &auth.UsersOverHTTP{Keys: b.Keys, Call: client},
		Cost:  auth.Cost{Memory: 64, Rounds: 1, Threads: 1},
	}
	b.auth = b.replica(t)
	return b
}

// replica is one more process of auth.
func (b *testBundle) replica(t *testing.T) *httptest.Server {
	t.Helper()
	s, err := auth.New(b.options)
	return b.Serve(t, s, err)
}

// person adds a user with a password.
func (b *testBundle) person(t *testing.T, name tenant.Name, login string, roles ...string) users.User {
	t.Helper()
	admin := b.Token(t, name, "operator", "*")
	var user users.User
	lab.Call{Server: b.users, Method: "POST", Path: "/v1/users", Token: admin, Body: object{"login": login, "roles": append([]string{}, roles...)}}.Do(t).Into(t, http.StatusCreated, &user)
	lab.Call{Server: b.auth, Method: "PUT", Path: "/v1/auth/users/" + url.PathEscape(user.ID) + "/password", Token: admin, Body: object{"password": password}}.Do(t).
		Into(t, http.StatusNoContent, nil)
	return user
}

type pair struct {
	AccessToken, RefreshToken, TokenType string
	ExpiresIn                            int
}

func (b *testBundle) post(t *testing.T, name tenant.Name, path string, body object) lab.Answer {
	t.Helper()
	return lab.Call{Server: b.auth, Method: "POST", Path: path, Tenant: name, Body: body}.Do(t)
}

func (b *testBundle) login(t *testing.T, name tenant.Name, login, password string) lab.Answer {
	t.Helper()
	return b.post(t, name, "/v1/auth/login", object{"login": login, "password": password})
}

func (b *testBundle) loggedIn(t *testing.T, name tenant.Name, login, password string) pair {
	t.Helper()
	var p pair
	b.login(t, name, login, password).Into(t, http.StatusOK, &p)
	return p
}

func (b *testBundle) refresh(t *testing.T, raw string) lab.Answer {
	t.Helper()
	return b.post(t, "", "/v1/auth/refresh", object{"refreshToken": raw})
}

func (b *testBundle) refreshed(t *testing.T, raw string) pair {
	t.Helper()
	var p pair
	b.refresh(t, raw).Into(t, http.StatusOK, &p)
	return p
}

func TestFromLoginToLogout(t *testing.T) {
	t.Parallel()
	b := setup(t, "a", "b")
	ada := b.person(t, "a", "ada", "readonly")
	first := b.loggedIn(t, "a", "ada", password)
	require.Equal(t, "Bearer", first.TokenType)
	require.Equal(t, 600, first.ExpiresIn)
	claims, err := b.Keys.Verify(t.Context(), first.AccessToken, token.Access)
	require.NoError(t, err)
	require.Equal(t, tenant.Name("a"), claims.Tenant)
	require.Equal(t, ada.ID, claims.Subject)
	require.Equal(t, "ada", claims.Login)
	require.Contains(t, claims.Permissions, "orders:read")
	var me users.Me
	lab.Call{Server: b.users, Method: "GET", Path: "/v1/users/me", Token: first.AccessToken}.Do(t).Into(t, http.StatusOK, &me)
	require.Equal(t, "ada", me.Login)

	b.Exec(t, "a", `insert into user_roles select id, 'user' from users where login = 'ada'`)
	second := b.refreshed(t, first.RefreshToken)
	claims, err = b.Keys.Verify(t.Context(), second.AccessToken, token.Access)
	require.NoError(t, err)
	require.Contains(t, claims.Permissions, "orders:*", "a refresh brings what the user may do now")

	require.Equal(t, http.StatusForbidden, b.post(t, "b", "/v1/auth/refresh", object{"refreshToken": second.RefreshToken}).Status, "host of another tenant")
	require.Equal(t, http.StatusUnauthorized, b.refresh(t, second.AccessToken).Status, "an access token is no refresh token")
	require.Equal(t, http.StatusNoContent, b.post(t, "a", "/v1/auth/logout", object{"refreshToken": second.RefreshToken}).Status)
	require.Equal(t, http.StatusUnauthorized, b.refresh(t, second.RefreshToken).Status)
	require.Equal(t, http.StatusNoContent, b.post(t, "a", "/v1/auth/logout", object{"refreshToken": second.RefreshToken}).Status, "again")
}

func TestEveryFailureLooksTheSame(t *testing.T) {
	t.Parallel()
	b := setup(t, "a", "b")
	b.person(t, "a", "ada", "user")
	b.person(t, "a", "gone", "user")
	b.Exec(t, "a", `update users set active = false where login = 'gone'; insert into users (login) values ('no password')`)
	var bodies []string
	for _, who := range [][2]string{{"ada", "wrong"}, {"nobody", password}, {"gone", password}, {"no password", password}, {"ad\x00a", password}, {"ADA", password}} {
		answer := b.login(t, "a", who[0], who[1])
		require.Equal(t, http.StatusUnauthorized, answer.Status)
		bodies = append(bodies, strings.ReplaceAll(string(answer.Body), answer.Header.Get("X-Request-Id"), "ID"))
	}
	for _, body := range bodies {
		require.Equal(t, bodies[0], body)
	}
	require.Equal(t, http.StatusUnauthorized, b.login(t, "b", "ada", password).Status, "somebody of another tenant")
	require.Equal(t, http.StatusNotFound, b.login(t, "nosuch", "ada", password).Status)
	require.Equal(t, http.StatusBadRequest, b.login(t, "", "ada", password).Status)
	b.SetState("a", tenant.Suspended)
	require.Equal(t, http.StatusForbidden, b.login(t, "a", "ada", password).Status)
}

func TestOldHashesBecomeNewOnesAtTheFirstLogin(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	sum := md5.Sum([]byte("adasecret"))
	b.Exec(t, "a", `insert into users (id, login) values ('7', 'ada'); insert into credentials (user_id, login, hash) values ('7', 'ada', 'legacy-md5$`+hex.EncodeToString(sum[:])+`')`)
	require.Equal(t, http.StatusUnauthorized, b.login(t, "a", "ada", "Secret").Status)
	require.Contains(t, b.Text(t, "a", `select hash from credentials`), "legacy-md5$")
	b.loggedIn(t, "a", "ada", "secret")
	made := b.Text(t, "a", `select hash from credentials`)
	require.Contains(t, made, "$argon2id$v=19$m=64,t=1,p=1$")
	b.loggedIn(t, "a", "ada", "secret")
	require.Equal(t, made, b.Text(t, "a", `select hash from credentials`))

	b.options.Cost.Rounds = 2
	b.auth = b.replica(t)
	b.loggedIn(t, "a", "ada", "secret")
	require.Contains(t, b.Text(t, "a", `select hash from credentials`), "$m=64,t=2,p=1$")
	b.options.Cost.Rounds = 1
	b.auth = b.replica(t)
	b.loggedIn(t, "a", "ada", "secret")
	require.Contains(t, b.Text(t, "a", `select hash from credentials`), "$m=64,t=2,p=1$", "never cheaper")

	// A user who was renamed: the old hash has the old login in it.
	b.Exec(t, "a", `update users set login = 'lovelace'; update credentials set hash = 'legacy-md5$`+hex.EncodeToString(sum[:])+`'`)
	b.loggedIn(t, "a", "lovelace", "secret")
	b.loggedIn(t, "a", "lovelace", "secret")
}

func TestARefreshTokenIsGoodOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	b.person(t, "a", "ada", "user")
	stolen := b.loggedIn(t, "a", "ada", password)
	other := b.loggedIn(t, "a", "ada", password)
	newest := b.refreshed(t, b.refreshed(t, stolen.RefreshToken).RefreshToken)
	require.Equal(t, http.StatusUnauthorized, b.refresh(t, stolen.RefreshToken).Status)
	require.Equal(t, http.StatusUnauthorized, b.refresh(t, newest.RefreshToken).Status, "the whole family is revoked")
	require.Contains(t, b.Log.String(), "used again")
	b.refreshed(t, other.RefreshToken)
	require.Equal(t, "1 reuse", b.Text(t, "a", `select count(*) || ' ' || min(revoked) from refresh_families where revoked is not null`))
}

func TestOfConcurrentRefreshesOneWins(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	b.person(t, "a", "ada", "user")
	raw := b.loggedIn(t, "a", "ada", password).RefreshToken
	replica := b.replica(t)
	var won atomic.Int32
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			server := []*httptest.Server{b.auth, replica}[i%2]
			if (lab.Call{Server: server, Method: "POST", Path: "/v1/auth/refresh", Body: object{"refreshToken": raw}}).Do(t).Status == http.StatusOK {
				won.Add(1)
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 1, won.Load())
}

// TestLogInsSurviveASwitchOfTheRoute: what the monolith signed is taken over, at the generation that it has.
func TestLogInsSurviveASwitchOfTheRoute(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	ada := b.person(t, "a", "ada", "user")
	b.Exec(t, "a", `update credentials set sessions_from = null`)
	sign := func(generation int, change func(*token.Claims)) string {
		c := token.Claims{Tenant: "a", Subject: ada.ID, Login: "ada", Use: token.Refresh, Family: "begun elsewhere", Generation: generation}
		if change != nil {
			change(&c)
		}
		raw, err := b.Keys.Sign(c)
		require.NoError(t, err)
		return raw
	}
	next := b.refreshed(t, sign(17, nil))
	claims, err := b.Keys.Verify(t.Context(), next.RefreshToken, token.Refresh)
	require.NoError(t, err)
	require.Equal(t, 18, claims.Generation)
	require.Equal(t, "begun elsewhere", claims.Family)
	b.refreshed(t, next.RefreshToken)
	b.refreshed(t, sign(25, nil)) // went on at the monolith, while the client was back there
	mallory := b.person(t, "a", "mallory", "user")
	require.Equal(t, http.StatusUnauthorized, b.refresh(t, sign(26, func(c *token.Claims) { c.Subject = mallory.ID })).Status, "of another user")
	require.Equal(t, http.StatusUnauthorized, b.refresh(t, sign(19, nil)).Status, "used before")
	require.Equal(t, http.StatusUnauthorized, b.refresh(t, sign(26, nil)).Status, "so all of the family ended")

	// A log-in that ends before it was ever seen here stays ended.
	unseen := sign(3, func(c *token.Claims) { c.Family = "unseen" })
	require.Equal(t, http.StatusNoContent, b.post(t, "a", "/v1/auth/logout", object{"refreshToken": unseen}).Status)
	require.Equal(t, http.StatusUnauthorized, b.refresh(t, unseen).Status)
	old := sign(3, func(c *token.Claims) {
		c.Family, c.Issued, c.Expires = "old", time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	})
	var p pair
	lab.Call{
		Server: b.auth, Method: "POST", Path: "/v1/auth/password", Token: b.loggedIn(t, "a", "ada", password).AccessToken,
		Body: object{"currentPassword": password, "newPassword": "another good one"},
	}.Do(t).Into(t, http.StatusOK, &p)
	require.Equal(t, http.StatusUnauthorized, b.refresh(t, old).Status, "a new password ends log-ins that we haven't seen, too")
	b.refreshed(t, p.RefreshToken)
}

func TestWhoIsOutStaysOut(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	ada := b.person(t, "a", "ada", "user")
	p := b.loggedIn(t, "a", "ada", password)
	b.away.Store(true)
	answer := b.refresh(t, p.RefreshToken)
	require.Equal(t, http.StatusServiceUnavailable, answer.Status)
	require.Equal(t, "1", answer.Header.Get("Retry-After"))
	require.Equal(t, http.StatusServiceUnavailable, b.login(t, "a", "ada", password).Status)
	b.away.Store(false)
	p = b.refreshed(t, p.RefreshToken) // the token is still good
	b.Exec(t, "a", `update users set active = false where login = 'ada'`)
	require.Equal(t, http.StatusUnauthorized, b.refresh(t, p.RefreshToken).Status)
	b.Exec(t, "a", `update users set active = true where login = 'ada'`)
	require.Equal(t, http.StatusUnauthorized, b.refresh(t, p.RefreshToken).Status)
	p = b.loggedIn(t, "a", "ada", password)
	b.Exec(t, "a", `delete from users where login = 'ada'`)
	require.Equal(t, http.StatusUnauthorized, b.refresh(t, p.RefreshToken).Status)
	require.Equal(t, http.StatusUnauthorized, b.login(t, "a", "ada", password).Status)
	require.NotEmpty(t, ada.ID)
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	b.person(t, "a", "ada", "user")
	boss := b.person(t, "a", "boss", "admin")
	elsewhere := b.loggedIn(t, "a", "ada", password)
	mine := b.loggedIn(t, "a", "ada", password)
	change := func(current, next string) lab.Answer {
		return lab.Call{Server: b.auth, Method: "POST", Path: "/v1/auth/password", Token: mine.AccessToken, Body: object{"currentPassword": current, "newPassword": next}}.Do(t)
	}
	require.Equal(t, http.StatusUnauthorized, change("wrong", "a much better one").Status)
	short := change(password, "2short")
	require.Equal(t, http.StatusUnprocessableEntity, short.Status)
	require.NotContains(t, string(short.Body), "2short")
	var p pair
	change(password, "a much better one").Into(t, http.StatusOK, &p)
	for _, ended := range []pair{elsewhere, mine} {
		require.Equal(t, http.StatusUnauthorized, b.refresh(t, ended.RefreshToken).Status)
	}
	b.refreshed(t, p.RefreshToken)
	require.Equal(t, http.StatusUnauthorized, b.login(t, "a", "ada", password).Status)
	b.loggedIn(t, "a", "ada", "a much better one")

	set := func(raw, id, password string) int {
		return lab.Call{Server: b.auth, Method: "PUT", Path: "/v1/auth/users/" + id + "/password", Token: raw, Body: object{"password": password}}.Do(t).Status
	}
	manager := b.Token(t, "a", "m", "users:*", "orders:*")
	require.Equal(t, http.StatusForbidden, set(manager, boss.ID, "let me be the boss"), "it would be a way to become them")
	require.Equal(t, http.StatusForbidden, set(mine.AccessToken, boss.ID, "let me be the boss"))
	require.Equal(t, http.StatusNotFound, set(b.Token(t, "a", "m", "*"), "nobody", "let me be the boss"))
	require.Equal(t, http.StatusUnprocessableEntity, set(b.Token(t, "a", "m", "*"), boss.ID, "short"))
	b.person(t, "a", "long enough")
	require.Equal(t, http.StatusUnprocessableEntity, set(b.Token(t, "a", "m", "*"), b.Text(t, "a", `select id from users where login = 'long enough'`), "long enough"), "the login")
	require.Equal(t, http.StatusNoContent, set(b.Token(t, "a", "m", "*"), boss.ID, "the boss's new one"))
	b.loggedIn(t, "a", "boss", "the boss's new one")
}

func TestKeysAreServedToWhoeverVerifies(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	b.person(t, "a", "ada", "user")
	p := b.loggedIn(t, "a", "ada", password)
	remote := token.NewRemote(b.auth.URL+"/v1/auth/keys", token.RemoteOptions{Client: b.auth.Client()})
	claims, err := remote.Verify(context.Background(), p.AccessToken, token.Access)
	require.NoError(t, err)
	require.Equal(t, "ada", claims.Login)
	answer := lab.Call{Server: b.auth, Method: "GET", Path: "/v1/auth/keys"}.Do(t)
	require.Equal(t, "public, max-age=300", answer.Header.Get("Cache-Control"))
	require.NotContains(t, string(answer.Body), `"d"`)
}

// TestNoSecretIsLogged goes through everything that can be done and fails, with secrets that would be found again.
func TestNoSecretIsLogged(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	b.person(t, "a", "ada", "user")
	p := b.loggedIn(t, "a", "ada", password)
	next := b.refreshed(t, p.RefreshToken)
	b.refresh(t, p.RefreshToken) // reused
	b.login(t, "a", "ada", "WRONG-SECRET")
	b.login(t, "a", "TYPED-INTO-LOGIN", "x")
	b.refresh(t, next.RefreshToken+"x")
	b.post(t, "a", "/v1/auth/login", object{"login": "ada", "password": "WRONG-SECRET", "extra": "WRONG-SECRET"})
	for _, down := range []func(){func() { b.away.Store(true) }, b.users.Close, func() { b.Exec(t, "a", `alter table login_attempts rename to gone`) }} {
		down()
		require.GreaterOrEqual(t, b.login(t, "a", "TYPED-INTO-LOGIN", "WRONG-SECRET").Status, http.StatusInternalServerError)
		b.refresh(t, next.RefreshToken)
		lab.Call{Server: b.auth, Method: "POST", Path: "/v1/auth/password", Token: p.AccessToken, Body: object{"currentPassword": password, "newPassword": "NEW-SECRET-1"}}.Do(t)
	}
	log := b.Log.String()
	require.Contains(t, log, "used again")
	require.Contains(t, log, "request failed", "there is something to look through")
	secrets := []string{password, "WRONG-SECRET", "TYPED-INTO-LOGIN", "NEW-SECRET-1", "$argon2id$"}
	for _, raw := range []string{p.AccessToken, p.RefreshToken, next.AccessToken, next.RefreshToken} {
		secrets = append(secrets, strings.Split(raw, ".")[2])
	}
	for _, secret := range secrets {
		require.NotContains(t, log, secret)
	}
	kept := b.Text(t, "a", `select concat((select string_agg(t::text, '') from gone t), (select string_agg(t::text, '') from refresh_families t), (select string_agg(t::text, '') from credentials t))`)
	for _, secret := range append(secrets[:4], secrets[5:]...) {
		require.NotContains(t, kept, secret)
	}
	require.NotEmpty(t, fmt.Sprint(kept))
}
