package auth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/tenant"
	"tenantctl/test/lab"
)

// loginFrom logs in as the gateway forwards it from an address.
func (b *testBundle) loginFrom(t *testing.T, server *httptest.Server, address string, name tenant.Name, login, password string) lab.Answer {
	t.Helper()
	return lab.Call{
		Server: server, Method: "POST", Path: "/v1/auth/login", Tenant: name, Body: object{"login": login, "password": password},
		Header: http.Header{"X-Forwarded-For": {address}},
	}.Do(t)
}

func TestAGuesserHasToWait(t *testing.T) {
	t.Parallel()
	b := setup(t, "a", "b")
	b.person(t, "a", "ada", "user")
	b.person(t, "b", "ada", "user")
	for i := range 5 {
		require.Equal(t, http.StatusUnauthorized, b.loginFrom(t, b.auth, "192.0.2.1", "a", "ada", fmt.Sprint(i)).Status)
	}
	// Neither another address, nor the right password, nor another process changes that.
	for _, address := range []string{"192.0.2.1", "192.0.2.2"} {
		for _, server := range []*httptest.Server{b.auth, b.replica(t)} {
			answer := b.loginFrom(t, server, address, "a", "ada", password)
			require.Equal(t, http.StatusTooManyRequests, answer.Status)
			wait, err := strconv.Atoi(answer.Header.Get("Retry-After"))
			require.NoError(t, err)
			require.True(t, wait >= 1 && wait <= 30)
		}
	}
	require.Equal(t, http.StatusOK, b.loginFrom(t, b.auth, "192.0.2.1", "b", "ada", password).Status, "another tenant has its own counts")
	require.Equal(t, http.StatusUnauthorized, b.loginFrom(t, b.auth, "192.0.2.1", "a", "bob", "x").Status, "another login as well")
}

// pass lets all waits of a tenant be over.
func (b *testBundle) pass(t *testing.T, name tenant.Name) {
	t.Helper()
	b.Exec(t, name, `update login_attempts set blocked_until = clock_timestamp() where blocked_until is not null`)
}

func TestWaitsGrowToHalfAMinuteAndEndWithTheRightPassword(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	b.person(t, "a", "ada", "user")
	waits := `select coalesce(round(extract(epoch from blocked_until - failed_at)), 0)::text from login_attempts where kind = 'login'`
	var seen []string
	for range 12 {
		require.Equal(t, http.StatusUnauthorized, b.loginFrom(t, b.auth, "192.0.2.1", "a", "ada", "x").Status)
		seen = append(seen, b.Text(t, "a", waits))
		b.pass(t, "a")
	}
	require.Equal(t, []string{"0", "0", "0", "0", "1", "2", "4", "8", "16", "30", "30", "30"}, seen)
	require.Equal(t, http.StatusOK, b.loginFrom(t, b.auth, "192.0.2.1", "a", "ada", password).Status)
	require.Equal(t, "0", b.Text(t, "a", `select failures::text from login_attempts where kind = 'login'`))
	require.Equal(t, "12", b.Text(t, "a", `select failures::text from login_attempts where kind = 'address'`), "of the address only the last try is forgiven")

	b.Exec(t, "a", `update login_attempts set failures = 12, failed_at = now() - interval '16 minutes' where kind = 'login'`)
	require.Equal(t, http.StatusUnauthorized, b.loginFrom(t, b.auth, "192.0.2.9", "a", "ada", "x").Status)
	require.Equal(t, "1", b.Text(t, "a", `select failures::text from login_attempts where kind = 'login'`), "forgotten after a quarter of an hour")
}

func TestAStrangerDoesNotKeepAUserOut(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	b.person(t, "a", "ada", "user")
	require.Equal(t, http.StatusOK, b.loginFrom(t, b.auth, "198.51.100.7", "a", "ada", password).Status)
	for range 5 {
		b.loginFrom(t, b.auth, "192.0.2.1", "a", "ada", "x")
	}
	require.Equal(t, http.StatusTooManyRequests, b.loginFrom(t, b.auth, "192.0.2.1", "a", "ada", "x").Status)
	require.Equal(t, http.StatusOK, b.loginFrom(t, b.auth, "198.51.100.7", "a", "ada", password).Status, "from where she always comes")
	for range 5 {
		require.Equal(t, http.StatusUnauthorized, b.loginFrom(t, b.auth, "198.51.100.7", "a", "ada", "x").Status)
	}
	require.Equal(t, http.StatusTooManyRequests, b.loginFrom(t, b.auth, "198.51.100.7", "a", "ada", "x").Status, "which isn't a way around")
}

func TestOneAddressTriesManyLogins(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	for i := range 20 {
		require.Equal(t, http.StatusUnauthorized, b.loginFrom(t, b.auth, "2001:db8:0:1::"+strconv.Itoa(i+1), "a", fmt.Sprint("user", i), "x").Status)
	}
	require.Equal(t, http.StatusTooManyRequests, b.loginFrom(t, b.auth, "2001:db8:0:1:ffff::1", "a", "user99", "x").Status, "one network is one address")
	require.Equal(t, http.StatusUnauthorized, b.loginFrom(t, b.auth, "2001:db8:0:2::1", "a", "user99", "x").Status)
	// What a client writes into the header itself stands before what our proxy adds.
	require.Equal(t, http.StatusTooManyRequests, b.loginFrom(t, b.auth, "203.0.113.5, 2001:db8:0:1::7", "a", "user98", "x").Status)
	b.Exec(t, "a", `update login_attempts set touched_at = now() - interval '16 minutes' where kind = 'login'`)
	b.loginFrom(t, b.auth, "2001:db8:0:3::1", "a", "user97", "x")
	require.Equal(t, "2", b.Text(t, "a", `select count(*)::text from login_attempts where kind = 'login'`), "twenty old counts go")
}

// TestTriesAtOnceAreCounted: tries are counted before they are looked at, so that a burst gets no more than a row of them.
func TestTriesAtOnceAreCounted(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	b.person(t, "a", "ada", "user")
	replica := b.replica(t)
	var looked, told atomic.Int32
	var group sync.WaitGroup
	for i := range 24 {
		group.Go(func() {
			switch b.loginFrom(t, []*httptest.Server{b.auth, replica}[i%2], fmt.Sprintf("192.0.2.%d", i), "a", "ada", "x").Status {
			case http.StatusUnauthorized:
				looked.Add(1)
			case http.StatusTooManyRequests:
				told.Add(1)
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 24, looked.Load()+told.Load())
	require.LessOrEqual(t, looked.Load(), int32(7), "five, and what the seconds that this takes allow")
}
