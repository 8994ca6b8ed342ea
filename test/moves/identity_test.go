package moves_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/auth"
	"tenantctl/internal/platform/call"
	"tenantctl/internal/platform/legacy"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/platform/users"
	"tenantctl/internal/provision"
	"tenantctl/internal/registry"
)

// identity is a monolith that was moved with its users, and the services that they meet then.
type identity struct {
	*bundle
	keys *token.Keyring
	auth *httptest.Server
}

// TestUsersLogInAsBeforeTheMove moves the monolith and logs in with the old passwords and the old refresh tokens.
func TestUsersLogInAsBeforeTheMove(t *testing.T) {
	t.Parallel()
	prefix := localtest.Prefix(t) // dropped after the database, when nothing holds on to the roles
	b := &bundle{t: t, source: localtest.Database(t), target: localtest.Database(t), folder: localtest.Folder(t), prefix: prefix}
	conn := b.connect(b.source)
	require.NoError(t, legacy.Create(t.Context(), conn, 7))
	_, err := conn.Exec(t.Context(), `insert into "Users" ("Login", "PasswordHash", "FullName", "Email", "Role", "LastLogin", "Deleted")
		select 'user' || i, md5('user' || i || 'secret'), 'User ' || i, 'user' || i || '@client.example', (array['A', 'U', 'R'])[1 + (i - 1) % 3],
		       timestamp '2025-01-01', i = 4 from generate_series(1, 6) i`)
	require.NoError(t, err)
	file := fmt.Sprintf("version: 1\ninstances:\n  shared-1: { dsn: \"${SHARED_1_DSN}\", rolePrefix: %s }\nservices: { users: {}, auth: {}, core: { version: 4 } }\n"+
		"tenants:\n  client-x: { legacy: { dsn: \"${CLIENT_X_DSN}\", mapping: identity.yaml } }\n", b.prefix)
	require.NoError(t, os.WriteFile(filepath.Join(b.folder, "tenants.yaml"), []byte(file), 0o600))
	for _, name := range []string{"mapping.yaml", "identity.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "examples", "monolith", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(b.folder, name), text, 0o600))
	}
	localtest.ShareTemplates(t, b.folder, b.folder)
	b.migrate()
	i := b.identity(t)

	for login, want := range map[string]string{"user1": "*", "user2": "orders:*", "user3": "orders:read"} {
		status, pair := i.post(t, "login", map[string]string{"login": login, "password": "secret"})
		require.Equal(t, http.StatusOK, status, login)
		claims, err := i.keys.Verify(t.Context(), pair.AccessToken, token.Access)
		require.NoError(t, err)
		require.Equal(t, strings.TrimPrefix(login, "user"), claims.Subject, "the number that the monolith knew them by")
		require.Contains(t, claims.Permissions, want)
	}
	status, _ := i.post(t, "login", map[string]string{"login": "user1", "password": "Secret"})
	require.Equal(t, http.StatusUnauthorized, status)
	status, _ = i.post(t, "login", map[string]string{"login": "user4", "password": "secret"})
	require.Equal(t, http.StatusUnauthorized, status, "deleted in the monolith")

	// What the monolith signed before the move, with the same keys.
	raw, err := i.keys.Sign(token.Claims{Tenant: "client-x", Subject: "5", Login: "user5", Use: token.Refresh, Family: "of the monolith", Generation: 3})
	require.NoError(t, err)
	status, pair := i.post(t, "refresh", map[string]string{"refreshToken": raw})
	require.Equal(t, http.StatusOK, status)
	claims, err := i.keys.Verify(t.Context(), pair.AccessToken, token.Access)
	require.NoError(t, err)
	require.Equal(t, "user5", claims.Login)

	kept := b.connect(b.target)
	var modern, old int
	require.NoError(t, kept.QueryRow(t.Context(), `select count(*) filter (where hash like '$argon2id$%'), count(*) filter (where hash like 'legacy-md5$%') from tenant_client_x.credentials`).Scan(&modern, &old))
	require.Equal(t, []int{3, 3}, []int{modern, old}, "renewed where somebody has logged in")
	var lifted *string
	require.NoError(t, kept.QueryRow(t.Context(), `select to_regclass('tenant_client_x."Users"')::text`).Scan(&lifted))
	require.Nil(t, lifted, "no second copy of the old hashes")
}

// identity starts auth and users, with the logins that the move made.
func (b *bundle) identity(t *testing.T) *identity {
	t.Helper()
	i := &identity{bundle: b}
	records, err := registry.Open(t.Context(), b.target)
	require.NoError(t, err)
	t.Cleanup(records.Close)
	log := slog.New(slog.DiscardHandler)
	directory, err := scope.OpenDirectory(t.Context(), records, map[string]string{"shared-1": b.prefix}, log)
	require.NoError(t, err)
	i.keys, err = token.OpenKeyring(filepath.Join(b.folder, ".tenantctl", "keys"), token.KeyringOptions{})
	require.NoError(t, err)
	authorize := &scope.Authorizer{Tenants: directory, Verifier: i.keys, Domain: "localhost"}
	asked, err := users.New(users.Options{Authorize: authorize, Pools: b.pools(t, users.Service)})
	require.NoError(t, err)
	server := httptest.NewServer(asked.Handler())
	t.Cleanup(server.Close)
	client, err := call.New(call.Options{Target: "users", URL: server.URL})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	s, err := auth.New(auth.Options{
		Authorize: authorize, Store: b.pools(t, auth.Service), Keys: i.keys, Users: &auth.UsersOverHTTP{Keys: i.keys, Call: client},
		Cost: auth.Cost{Memory: 64, Rounds: 1, Threads: 1},
	})
	require.NoError(t, err)
	i.auth = httptest.NewServer(s.Handler())
	t.Cleanup(i.auth.Close)
	return i
}

func (b *bundle) pools(t *testing.T, service string) *scope.Pools {
	t.Helper()
	p, err := provision.Open(t.Context(), provision.Options{
		Instance: "shared-1", DSN: b.target, RolePrefix: b.prefix, CredentialsDir: filepath.Join(b.folder, ".tenantctl", "credentials", "shared-1"),
	})
	require.NoError(t, err)
	t.Cleanup(p.Close)
	database := b.target[strings.LastIndex(b.target, "/")+1:]
	database, _, _ = strings.Cut(database, "?")
	pools, err := scope.OpenPools(t.Context(), scope.PoolOptions{Service: service, Login: func(_ context.Context, cell scope.Cell) (string, error) {
		login, err := p.Login(cell.Cell, service)
		return localtest.Server(t).DSNAs(login.Role, login.Password, database), err
	}}, nil)
	require.NoError(t, err)
	t.Cleanup(pools.Close)
	return pools
}

type tokens struct{ AccessToken, RefreshToken string }

func (i *identity) post(t *testing.T, operation string, body map[string]string) (int, tokens) {
	t.Helper()
	text, err := json.Marshal(body)
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, i.auth.URL+"/v1/auth/"+operation, strings.NewReader(string(text)))
	require.NoError(t, err)
	request.Host = "client-x.localhost"
	request.Header.Set("Content-Type", "application/json")
	response, err := i.auth.Client().Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	var pair tokens
	require.NoError(t, json.NewDecoder(response.Body).Decode(&pair))
	return response.StatusCode, pair
}
