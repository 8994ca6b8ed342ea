package legacy_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/legacy"
	"tenantctl/internal/platform/service"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/tenant"
)

// monolith is a client's application over a database that has one customer, one product and 25 users.
type monolith struct {
	t      *testing.T
	conn   *pgx.Conn
	keys   *token.Keyring
	server *httptest.Server
}

func run(t *testing.T, version uint64) *monolith {
	t.Helper()
	dsn := localtest.Database(t)
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(t.Context())) })
	m := &monolith{t: t, conn: conn}
	require.NoError(t, legacy.Create(t.Context(), conn, version))
	_, err = conn.Exec(t.Context(), `alter database "`+conn.Config().Database+`" set datestyle = 'German, DMY'`) // some do
	require.NoError(t, err)
	if version >= 6 {
		require.NoError(t, legacy.Seed(t.Context(), conn, 0))
	}
	m.keys, err = token.OpenKeyring(t.TempDir(), token.KeyringOptions{})
	require.NoError(t, err)
	app, err := legacy.Open(t.Context(), legacy.Options{Tenant: "client-x", DSN: dsn, Keys: m.keys, Domain: "localhost"})
	if version < 6 {
		require.ErrorIs(t, err, tenant.ErrInvalid)
		return nil
	}
	require.NoError(t, err)
	t.Cleanup(app.Close)
	m.server = httptest.NewServer(app.Handler())
	t.Cleanup(m.server.Close)
	return m
}

// as is a token of the client's with permissions.
func (m *monolith) as(name tenant.Name, permissions ...string) string {
	m.t.Helper()
	raw, err := m.keys.Sign(token.Claims{Tenant: name, Subject: "1", Use: token.Access, Permissions: permissions})
	require.NoError(m.t, err)
	return raw
}

// ask sends a request and wants a status; header is name and value in turn.
func (m *monolith) ask(status int, method, path, raw, body string, header ...string) map[string]any {
	m.t.Helper()
	r, err := http.NewRequestWithContext(m.t.Context(), method, m.server.URL+path, strings.NewReader(body))
	require.NoError(m.t, err)
	r.Host = "client-x.localhost"
	if raw != "" {
		r.Header.Set("Authorization", "Bearer "+raw)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(m.t, err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(m.t, err)
	require.Equal(m.t, status, answer.StatusCode, "%s %s: %s", method, path, text)
	found := map[string]any{}
	if len(text) > 0 {
		require.NoError(m.t, json.Unmarshal(text, &found))
	}
	found["etag"], found["replayed"] = answer.Header.Get("Etag"), answer.Header.Get("Idempotent-Replayed")
	return found
}

// What there is to see of the client's things, at both versions that the application works with.
func TestThePlatformsAPIOverTheOldTables(t *testing.T) {
	t.Parallel()
	run(t, 5)
	for _, version := range []uint64{6, 7} {
		m := run(t, version)
		ann := m.as("client-x", "*")
		made := m.ask(201, "POST", "/v1/customers", ann, `{"name":"Ada","postal_code":"8000","status":"blocked","region":null}`)
		require.Equal(t, []any{"2", "8000", "blocked", nil}, []any{made["code"], made["postal_code"], made["status"], made["region"]})
		changed := m.ask(200, "PATCH", "/v1/customers/2", ann, `{"name":"Ada L."}`, "If-Match", made["etag"].(string))
		require.Equal(t, "Ada L.", changed["name"])
		m.ask(412, "PATCH", "/v1/customers/2", ann, `{"name":"Lady A."}`, "If-Match", made["etag"].(string))
		require.Len(t, m.ask(200, "GET", "/v1/customers?status=blocked", ann, "")["items"], 1)

		order := m.ask(201, "POST", "/v1/orders", ann, `{"customer_code":"2","items":[{"product_id":1,"quantity":"2.000","unit_price":"1.25"},{"product_id":1,"quantity":"1","unit_price":"4","discount":"0.5"}]}`)
		require.Equal(t, "4.5000", order["total"])
		require.Equal(t, map[string]any{"line": 2.0, "product_id": 1.0, "quantity": "1.000", "unit_price": "4.0000", "discount": "0.500000", "note": nil}, order["items"].([]any)[1])
		require.Len(t, m.ask(200, "PATCH", "/v1/orders/1", ann, `{"items":[]}`)["items"], 0)
		invoice := m.ask(201, "POST", "/v1/invoices", ann, `{"number":"2026-1","customer_code":"2","order_id":1,"net":"4.5","issued_on":"2026-02-01","status":"paid","paid_at":"2026-02-03T12:00:00+02:00"}`)
		require.Equal(t, []any{"2", "4.5000", "2026-02-01", "2026-02-03T10:00:00+00:00"}, []any{invoice["customer_code"], invoice["net"], invoice["issued_on"], invoice["paid_at"]})
		require.Len(t, m.ask(200, "GET", "/v1/invoices?customer=2", ann, "")["items"], 1)
		m.ask(409, "DELETE", "/v1/invoices/1", ann, "")
		m.ask(204, "DELETE", "/v1/orders/1", ann, "")
		m.ask(404, "GET", "/v1/orders/1", ann, "")
	}
}

func TestWhatTheMonolithHasNoPlaceForIsRefused(t *testing.T) {
	t.Parallel()
	m := run(t, 7)
	ann := m.as("client-x", "*")
	for path, bodies := range map[string][]string{
		"/v1/customers": {`{"name":"A","fax":"1"}`, `{"name":"A","code":"mine"}`, `{"name":"A","extra":{"x":1}}`},
		"/v1/orders":    {`{"customer_code":"1","freight":"3.00"}`, `{"customer_code":"1","items":[{"product_id":1,"quantity":"1","note":"n"}]}`, `{"customer_code":"1","currency":"CHF"}`},
		"/v1/invoices":  {`{"number":"1","customer_code":"1","net":"1","tax":"0.1"}`},
	} {
		for _, body := range bodies {
			require.Equal(t, "not-kept", m.ask(422, "POST", path, ann, body)["type"], body)
		}
	}
	for body, path := range map[string]string{
		`{"customer_code":"1","items":[{"product_id":1,"quantity":"2.5"}]}`: "/v1/orders", // no whole piece
		`{"customer_code":"x"}`:                        "/v1/orders",
		`{"number":"1","customer_code":"1","net":"1"}`: "/v1/invoices", // of no order
		`{"name":"A","country":"Germany"}`:             "/v1/customers",
	} {
		m.ask(422, "POST", path, ann, body)
	}
	for _, path := range []string{"/v1/customers/x", "/v1/customers/99999999999999", "/v1/orders/7"} {
		m.ask(404, "GET", path, ann, "")
	}
}

func TestAWriteWithAKeyHappensOnce(t *testing.T) {
	t.Parallel()
	m := run(t, 7)
	ann := m.as("client-x", "*")
	first := m.ask(201, "POST", "/v1/customers", ann, `{"name":"Ada"}`, "Idempotency-Key", "k")
	again := m.ask(201, "POST", "/v1/customers", ann, `{"name":"Ada"}`, "Idempotency-Key", "k")
	require.Equal(t, "true", again["replayed"])
	require.Equal(t, first["code"], again["code"])
	require.Equal(t, "idempotency-key-reused", m.ask(422, "POST", "/v1/customers", ann, `{"name":"Bob"}`, "Idempotency-Key", "k")["type"])
	require.Equal(t, "2", text(t, m.conn, `select count(*)::text from "Customers"`))
	m.ask(204, "DELETE", "/v1/customers/2", ann, "", "Idempotency-Key", "d")
	require.Equal(t, "true", m.ask(204, "DELETE", "/v1/customers/2", ann, "", "Idempotency-Key", "d")["replayed"])
}

// A fence ends the sessions that began before it, also those that are only just beginning; after it comes the next move's.
func TestReadingGoesOnWhileSessionsAreEnded(t *testing.T) {
	t.Parallel()
	m := run(t, 7)
	token, ended := m.as("client-x", "customers:read"), 0
	for range 30 {
		fence := make(chan int)
		go func() {
			tag, _ := m.conn.Exec(context.Background(), `select pg_terminate_backend(pid) from pg_stat_activity
				where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()`)
			fence <- int(tag.RowsAffected())
		}()
		for range 5 {
			m.ask(http.StatusOK, http.MethodGet, "/v1/customers?limit=1", token, "")
		}
		ended += <-fence
	}
	require.Greater(t, ended, 10)
}

func TestWhoMayComeIn(t *testing.T) {
	t.Parallel()
	m := run(t, 7)
	require.Equal(t, "login-failed", m.ask(401, "POST", "/v1/auth/login", "", `{"login":"user2","password":"Secret"}`)["type"])
	m.ask(401, "POST", "/v1/auth/login", "", `{"login":"nobody","password":"secret"}`)
	m.ask(401, "POST", "/v1/auth/login", "", `{"login":"user13","password":"secret"}`) // deleted
	for login, permission := range map[string]string{"user1": "*", "user2": "orders:*", "user5": "orders:read"} {
		pair := m.ask(200, "POST", "/v1/auth/login", "", `{"login":"`+login+`","password":"secret"}`)
		me := m.ask(200, "GET", "/v1/users/me", pair["accessToken"].(string), "")
		require.Equal(t, login, me["login"])
		require.Contains(t, me["permissions"], permission)
	}
	reader := m.ask(200, "POST", "/v1/auth/login", "", `{"login":"user5","password":"secret"}`)["accessToken"].(string)
	m.ask(403, "POST", "/v1/customers", reader, `{"name":"Ada"}`)
	m.ask(403, "GET", "/v1/customers", m.as("client-y", "*"), "") // of another client, at this one's host
	m.ask(401, "GET", "/v1/customers", "", "")

	pair := m.ask(200, "POST", "/v1/auth/login", "", `{"login":"user2","password":"secret"}`)
	body := func(pair map[string]any) string { return `{"refreshToken":"` + pair["refreshToken"].(string) + `"}` }
	next := m.ask(200, "POST", "/v1/auth/refresh", "", body(pair))
	m.ask(204, "POST", "/v1/auth/logout", "", body(next))
	m.ask(401, "POST", "/v1/auth/refresh", "", body(next))
	pair = m.ask(200, "POST", "/v1/auth/login", "", `{"login":"user2","password":"secret"}`)
	_, err := m.conn.Exec(t.Context(), `update "Users" set "Deleted" = true where "Login" = 'user2'`)
	require.NoError(t, err)
	m.ask(401, "POST", "/v1/auth/refresh", "", body(pair))
}

// The description is made of the platform's own words, so that one client can talk to either.
func TestTheDescriptionIsThePlatforms(t *testing.T) {
	t.Parallel()
	m := run(t, 7)
	described, err := service.Describe([]byte(m.text("/openapi.yaml")))
	require.NoError(t, err)
	require.Len(t, described.Operations, 27)
}

func (m *monolith) text(path string) string {
	m.t.Helper()
	answer, err := http.Get(m.server.URL + path)
	require.NoError(m.t, err)
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	require.NoError(m.t, err)
	return string(body)
}
