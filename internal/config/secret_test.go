package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tenantctl/internal/tenant"
)

func secret(t require.TestingT, text string) Secret {
	var s Secret
	require.NoError(t, s.parse(text, spot{path: "tenants.client-x.legacy.dsn", place: Place{File: "tenants.yaml", Line: 7, Column: 9}}))
	return s
}

func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"${DSN}", "postgres://u:p@h/d"},
		{"postgres://app:${PW}@db/app", "postgres://app:a%2Fb%40c%20d%27%5C@db/app"},
		{"postgres://${USER}:${PW}@${HOST}/app?sslmode=require", "postgres://me%40corp:a%2Fb%40c%20d%27%5C@db.example:6432/app?sslmode=require"},
		{"postgres://db/app?user=x&password=${PW}", "postgres://db/app?user=x&password=a%2Fb%40c%20d%27%5C"},
		{"host=db password=${PW} dbname=app", `host=db password='a/b@c d\'\\' dbname=app`},
		{"host=db password = '${PW}'", `host=db password = 'a/b@c d\'\\'`},
		{"${DSN}?sslmode=disable", "postgres://u:p@h/d?sslmode=disable"},
		{"postgres://db/costs$", "postgres://db/costs$"},
	} {
		got, err := secret(t, c.text).Resolve(env("DSN", "postgres://u:p@h/d", "PW", `a/b@c d'\`, "USER", "me@corp", "HOST", "db.example:6432"), nil)
		require.NoError(t, err, c.text)
		require.Equal(t, c.want, got)
	}
}

// Whatever the password, the driver gets it as it is.
func TestResolvedPasswordReachesTheDriver(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		password := rapid.StringMatching(`[ -~äß€]{1,12}`).Draw(t, "password")
		for _, text := range []string{
			"postgres://app:${PW}@db:5432/app", "postgres://db:5432/app?user=app&password=${PW}",
			"host=db user=app password=${PW} dbname=app", "host=db user=app password='${PW}' dbname=app",
		} {
			dsn, err := secret(t, text).Resolve(env("PW", password), nil)
			require.NoError(t, err)
			config, err := pgx.ParseConfig(dsn)
			require.NoError(t, err, text)
			require.Equal(t, password, config.Password, text)
			require.Equal(t, "db", config.Host)
		}
		address, err := secret(t, "amqp://app:${PW}@rabbit:5672/").Resolve(env("PW", password), nil)
		require.NoError(t, err)
		u, err := url.Parse(address)
		require.NoError(t, err)
		got, _ := u.User.Password()
		require.Equal(t, password, got)
	})
}

func TestResolveSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := secret(t, "${CLIENT_X_DSN}").Resolve(env(), nil)
	require.EqualError(t, err, "tenants.yaml:7:9: tenants.client-x.legacy.dsn: the variable CLIENT_X_DSN isn't set")
	require.ErrorIs(t, err, tenant.ErrInvalid)
	require.Equal(t, []string{"set it and run again: export CLIENT_X_DSN='postgres://user:password@host:5432/database'"}, tenant.Hints(err))

	_, err = secret(t, "postgres://app:${PW}@db/app").Resolve(env("PW", ""), nil)
	require.EqualError(t, err, "tenants.yaml:7:9: tenants.client-x.legacy.dsn: the variable PW is empty")
	require.Equal(t, []string{"set it and run again: export PW=VALUE"}, tenant.Hints(err))

	_, err = Secret{}.Resolve(env(), nil)
	require.Error(t, err)
}

func TestResolveFromFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x.dsn"), []byte("postgres://u:p@h/d\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "empty.dsn"), []byte("\n"), 0o600))
	f, err := Parse(filepath.Join(dir, "tenants.yaml"), []byte("version: 1\ninstances:\n  a: { dsnFile: x.dsn }\n  b: { dsnFile: '${CREDENTIALS}/x.dsn' }\n"+
		"  c: { dsnFile: none.dsn }\n  d: { dsnFile: empty.dsn }\n"))
	require.NoError(t, err)
	resolve := func(name string) (string, error) {
		in, err := f.Instance(name)
		require.NoError(t, err)
		return in.DSN.Resolve(env("CREDENTIALS", dir), os.ReadFile)
	}
	for _, name := range []string{"a", "b"} {
		got, err := resolve(name)
		require.NoError(t, err)
		require.Equal(t, "postgres://u:p@h/d", got)
	}
	_, err = resolve("c")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorIs(t, err, tenant.ErrInvalid)
	require.ErrorContains(t, err, "tenants.yaml:5:17: instances.c.dsnFile: can't read the file that holds it")
	require.Len(t, tenant.Hints(err), 1)
	_, err = resolve("d")
	require.ErrorContains(t, err, "the file that holds it is empty")
}

func TestSecretsDontShow(t *testing.T) {
	t.Parallel()
	f := parse(t, "version: 1\ninstances: { a: { dsn: '${A}' } }\n").With(Layers{Env: env("TENANTCTL_CONTROL_DSN", "postgres://app:hunter2@db/app")})
	s := f.Control().DSN
	asJSON, err := json.Marshal(map[string]any{"dsn": s})
	require.NoError(t, err)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("connect", "dsn", s)
	for _, shown := range []string{s.String(), fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s), string(asJSON), log.String(), fmt.Sprintf("%v %+v", f.Control(), f.Control())} {
		require.NotContains(t, shown, "hunter2")
		require.Contains(t, shown, "postgres://app:***@db/app")
	}
	got, err := s.Resolve(nil, nil)
	require.NoError(t, err)
	require.Equal(t, "postgres://app:hunter2@db/app", got)
}

func TestHoldsPassword(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"${DSN}":                                   false,
		"postgres://app@db/app":                    false,
		"postgres://app:@db/app":                   false,
		"postgres://app:${PW}@db:5432/app":         false,
		"postgres://${U}:${PW}@${H}:${P}/${D}":     false,
		"postgres://db:5432/app":                   false,
		"postgres://db/mail@home":                  false,
		"host=db password=${PW}":                   false,
		"host=db password='${PW}' dbname=x":        false,
		"host=db password='' dbname=x":             false,
		"host=db passfile=/home/app/.pgpass":       false,
		"postgres://db/app?password=${PW}&x=y":     false,
		"postgres://app:x@db/app":                  true,
		"postgres://app:${A}${B}@db/app":           true,
		"postgres://app:x${PW}@db/app":             true,
		"postgres://app:$PW@db/app":                true,
		"postgres://app:a/b@db/app":                true,
		"postgres://app:a?b@db/app":                true,
		"postgres://app:a@b@db/app":                true,
		"amqps://guest:guest@rabbit/":              true,
		"host=db PASSWORD=x":                       true,
		"host=db password = 'a b'":                 true,
		"host=db password='x":                      true,
		"postgres://db/app?sslpassword=x":          true,
		"postgres://db/app?p%61ssword=x":           true,
		"${DSN}?password=x":                        true,
		"host=db oauth_client_secret=x":            true,
		"host=db password='it\\'s' dbname='${DB}'": true,
	} {
		require.Equal(t, want, holdsPassword(text), text)
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"U", "PW"}, secret(t, "postgres://${U}:${PW}@db/app").Variables())
	require.Empty(t, secret(t, "postgres://db/app").Variables())
	require.Equal(t, "tenants.yaml:7:9", secret(t, "${A}").Place().String())
	require.True(t, errors.Is((&Problem{}), tenant.ErrInvalid))
}
