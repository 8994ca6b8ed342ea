package token_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tenantctl/internal/platform/token"
	"tenantctl/internal/tenant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a time that tests set.
type clock struct {
	mutex sync.Mutex
	at    time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.at = c.at.Add(d)
}

func keyring(t testing.TB, dir string, c *clock) *token.Keyring {
	t.Helper()
	k, err := token.OpenKeyring(dir, token.KeyringOptions{Now: c.now})
	require.NoError(t, err)
	return k
}

func access() token.Claims {
	return token.Claims{Tenant: "client-x", Subject: "7", Login: "ada", Permissions: []string{"orders:read", "orders:write"}, Use: token.Access}
}

func TestATokenSaysWhatWasSigned(t *testing.T) {
	t.Parallel()
	c := newClock()
	k := keyring(t, t.TempDir(), c)
	for _, want := range []token.Claims{
		access(),
		{Tenant: "client-x", Subject: "7", Use: token.Refresh, Family: "f", Generation: 3},
		{Tenant: "client-x", Service: "auth", Use: token.Service},
	} {
		raw, err := k.Sign(want)
		require.NoError(t, err)
		got, err := k.Verify(t.Context(), raw, want.Use)
		require.NoError(t, err)
		require.NotEmpty(t, got.ID)
		life := map[token.Use]time.Duration{token.Access: token.AccessLife, token.Refresh: token.RefreshLife, token.Service: token.ServiceLife}[want.Use]
		want.ID, want.Issued, want.Expires = got.ID, got.Issued, got.Expires
		require.Equal(t, want, got)
		require.True(t, got.Issued.Equal(c.now()))
		require.Equal(t, life, got.Expires.Sub(got.Issued))
		for _, other := range []token.Use{token.Access, token.Refresh, token.Service, ""} {
			if other != want.Use {
				_, err := k.Verify(t.Context(), raw, other)
				require.ErrorIs(t, err, token.ErrInvalid, "a %s token for %s", want.Use, other)
			}
		}
	}
}

func TestClaimsThatMakeNoTokenAreNotSigned(t *testing.T) {
	t.Parallel()
	k := keyring(t, t.TempDir(), newClock())
	for name, spoil := range map[string]func(*token.Claims){
		"no tenant":         func(c *token.Claims) { c.Tenant = "" },
		"not a tenant":      func(c *token.Claims) { c.Tenant = "../x" },
		"no subject":        func(c *token.Claims) { c.Subject = "" },
		"no use":            func(c *token.Claims) { c.Use = "" },
		"unknown use":       func(c *token.Claims) { c.Use = "admin" },
		"a family":          func(c *token.Claims) { c.Family = "f" },
		"a service":         func(c *token.Claims) { c.Service = "core" },
		"no family":         func(c *token.Claims) { c.Use = token.Refresh },
		"a subject":         func(c *token.Claims) { c.Use, c.Service = token.Service, "core" },
		"negative":          func(c *token.Claims) { c.Use, c.Family, c.Generation = token.Refresh, "f", -1 },
		"expired when made": func(c *token.Claims) { c.Issued = time.Unix(10, 0); c.Expires = time.Unix(10, 0) },
		"too long":          func(c *token.Claims) { c.Permissions = []string{strings.Repeat("x", token.MaxSize)} },
	} {
		c := access()
		spoil(&c)
		_, err := k.Sign(c)
		require.ErrorIs(t, err, tenant.ErrInvalid, name)
	}
}

func TestATokenEndsWhenItSays(t *testing.T) {
	t.Parallel()
	c := newClock()
	k := keyring(t, t.TempDir(), c)
	raw, err := k.Sign(access())
	require.NoError(t, err)
	c.advance(token.AccessLife)
	_, err = k.Verify(t.Context(), raw, token.Access)
	require.NoError(t, err, "clocks may be a little apart")
	c.advance(5 * time.Second)
	_, err = k.Verify(t.Context(), raw, token.Access)
	require.ErrorIs(t, err, token.ErrExpired)
	_, err = k.Verify(t.Context(), raw, token.Refresh)
	require.ErrorIs(t, err, token.ErrInvalid, "expired, and never good for this")
	c.advance(-token.AccessLife - time.Minute)
	_, err = k.Verify(t.Context(), raw, token.Access)
	require.ErrorIs(t, err, token.ErrInvalid, "from the future")
}

// forge signs a payload of any shape with any key.
func forge(t testing.TB, method jwt.SigningMethod, key any, header, claims map[string]any) string {
	t.Helper()
	unsigned := jwt.NewWithClaims(method, jwt.MapClaims(claims))
	for name, value := range header {
		if value == nil {
			delete(unsigned.Header, name)
			continue
		}
		unsigned.Header[name] = value
	}
	raw, err := unsigned.SignedString(key)
	require.NoError(t, err)
	return raw
}

// payload is that of a good token, changed.
func payload(c *clock, change map[string]any) map[string]any {
	now := c.now().Unix()
	claims := map[string]any{
		"iss": "tenantctl", "aud": "tenantctl-platform", "sub": "7", "jti": "1", "iat": now, "nbf": now, "exp": now + 600,
		"tenant": "client-x", "use": "access",
	}
	for name, value := range change {
		if value == nil {
			delete(claims, name)
			continue
		}
		claims[name] = value
	}
	return claims
}

func TestWhatIsNotOursIsRefused(t *testing.T) {
	t.Parallel()
	c, dir := newClock(), t.TempDir()
	k := keyring(t, dir, c)
	private, id := privateKey(t, dir)
	public := private.Public().(ed25519.PublicKey)
	_, stranger, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	ours := map[string]any{"kid": id}
	verify := func(raw string) error {
		_, err := k.Verify(t.Context(), raw, token.Access)
		return err
	}
	good := forge(t, jwt.SigningMethodEdDSA, private, ours, payload(c, nil))
	require.NoError(t, verify(good), "the forger makes good tokens, too")

	bad := map[string]string{
		"empty":         "",
		"oversized":     good + strings.Repeat("A", token.MaxSize),
		"other key":     forge(t, jwt.SigningMethodEdDSA, stranger, ours, payload(c, nil)),
		"unknown kid":   forge(t, jwt.SigningMethodEdDSA, private, map[string]any{"kid": "x"}, payload(c, nil)),
		"no kid":        forge(t, jwt.SigningMethodEdDSA, private, nil, payload(c, nil)),
		"kid no text":   forge(t, jwt.SigningMethodEdDSA, private, map[string]any{"kid": 7}, payload(c, nil)),
		"crit":          forge(t, jwt.SigningMethodEdDSA, private, map[string]any{"kid": id, "crit": []string{"b64"}}, payload(c, nil)),
		"none":          forge(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, ours, payload(c, nil)),
		"HS256":         forge(t, jwt.SigningMethodHS256, []byte(public), ours, payload(c, nil)),
		"none, by name": forge(t, jwt.SigningMethodEdDSA, private, map[string]any{"kid": id, "alg": "none"}, payload(c, nil)),
		"no signature":  good[:strings.LastIndex(good, ".")+1],
		"two parts":     good[:strings.LastIndex(good, ".")],
		"four parts":    good + ".x",
		"padded":        good + "==",
		"bearer":        "Bearer " + good,
	}
	parts := strings.Split(good, ".")
	swapped, err := json.Marshal(payload(c, map[string]any{"tenant": "client-y"}))
	require.NoError(t, err)
	bad["other tenant"] = parts[0] + "." + base64.RawURLEncoding.EncodeToString(swapped) + "." + parts[2]
	now := c.now().Unix()
	for name, change := range map[string]map[string]any{
		"issuer": {"iss": "other"}, "no issuer": {"iss": nil}, "audience": {"aud": "other"}, "no audience": {"aud": nil},
		"two audiences": {"aud": []string{"tenantctl-platform", "other"}}, "no expiry": {"exp": nil}, "no iat": {"iat": nil}, "no nbf": {"nbf": nil},
		"iat ahead": {"iat": now + 60}, "nbf ahead": {"nbf": now + 60}, "exp before iat": {"exp": now - 1}, "no jti": {"jti": nil}, "no subject": {"sub": nil},
		"no tenant": {"tenant": nil}, "tenant no name": {"tenant": "Client X"}, "no use": {"use": nil}, "refresh": {"use": "refresh", "family": "f"},
		"a service's": {"service": "core"}, "exp no number": {"exp": "soon"}, "exp huge": {"exp": 1e300}, "tenant list": {"tenant": []string{"client-x"}},
	} {
		bad[name] = forge(t, jwt.SigningMethodEdDSA, private, ours, payload(c, change))
	}
	for name, raw := range bad {
		require.Equal(t, token.ErrInvalid, verify(raw), name)
	}
	expired := forge(t, jwt.SigningMethodEdDSA, private, ours, payload(c, map[string]any{"iat": now - 700, "nbf": now - 700, "exp": now - 100}))
	require.Equal(t, token.ErrExpired, verify(expired))
}

func TestEveryChangedCharacterIsNoticed(t *testing.T) {
	t.Parallel()
	k := keyring(t, t.TempDir(), newClock())
	raw, err := k.Sign(access())
	require.NoError(t, err)
	for i := range raw {
		for _, with := range []byte("Aw.") {
			if raw[i] == with {
				continue
			}
			changed := raw[:i] + string(with) + raw[i+1:]
			_, err := k.Verify(t.Context(), changed, token.Access)
			require.Equal(t, token.ErrInvalid, err, "character %d became %c", i, with)
		}
	}
}

func FuzzVerify(f *testing.F) {
	c, dir := newClock(), f.TempDir()
	k := keyring(f, dir, c)
	private, id := privateKey(f, dir)
	good, err := k.Sign(access())
	require.NoError(f, err)
	f.Add(good)
	f.Add(forge(f, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, map[string]any{"kid": id}, payload(c, nil)))
	f.Add(forge(f, jwt.SigningMethodHS256, []byte("x"), map[string]any{"kid": id}, payload(c, nil)))
	f.Add(forge(f, jwt.SigningMethodEdDSA, private, map[string]any{"kid": id}, payload(c, map[string]any{"aud": 7})))
	f.Add("..")
	f.Add(strings.Repeat(".", token.MaxSize))
	f.Fuzz(func(t *testing.T, raw string) {
		claims, err := k.Verify(t.Context(), raw, token.Access)
		if err == nil {
			require.Equal(t, good, raw, "a token that nobody signed: %+v", claims)
			return
		}
		require.Equal(t, token.ErrInvalid, err)
		require.Zero(t, claims)
	})
}

// FuzzPayload signs whatever it is given: only the payload stands between such a token and its acceptance.
func FuzzPayload(f *testing.F) {
	c, dir := newClock(), f.TempDir()
	k := keyring(f, dir, c)
	private, id := privateKey(f, dir)
	now := c.now().Unix()
	f.Add(fmt.Sprintf(`{"iss":"tenantctl","aud":"tenantctl-platform","sub":"7","jti":"1","iat":%d,"nbf":%d,"exp":%d,"tenant":"client-x","use":"access"}`, now, now, now+600))
	f.Add(`{"exp":1e999}`)
	f.Add(`[]`)
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","typ":"JWT","kid":"` + id + `"}`))
	f.Fuzz(func(t *testing.T, text string) {
		signed := header + "." + base64.RawURLEncoding.EncodeToString([]byte(text))
		raw := signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(private, []byte(signed)))
		claims, err := k.Verify(t.Context(), raw, token.Access)
		if err != nil {
			require.Contains(t, []error{token.ErrInvalid, token.ErrExpired}, err)
			require.Zero(t, claims)
			return
		}
		_, err = tenant.ParseName(string(claims.Tenant))
		require.NoError(t, err)
		require.Equal(t, token.Access, claims.Use)
		require.NotEmpty(t, claims.Subject)
		require.True(t, claims.Expires.Add(5*time.Second).After(c.now()))
	})
}
