package notifications_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/operator"
	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/platform/jobs"
	"tenantctl/internal/platform/notifications"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
	"tenantctl/test/fleet"
)

func TestMain(m *testing.M) { localtest.Main(m) }

const (
	patience = 60 * time.Second
	tick     = 20 * time.Millisecond
)

type bundle struct {
	*fleet.Fleet
	keys      *token.Keyring
	url       string
	broker    *bus.Broker
	core      *scope.Pools
	directory *scope.Directory
}

func setup(t *testing.T, mailer notifications.Mailer, names ...tenant.Name) *bundle {
	t.Helper()
	broker := localtest.Broker(t)
	var streams []*stream.Stream
	for _, read := range []func() (*stream.Stream, error){bus.Stream, jobs.Stream, core.Stream, notifications.Stream} {
		s, err := read()
		require.NoError(t, err)
		streams = append(streams, s)
	}
	b := &bundle{Fleet: fleet.New(t, fleet.Options{Streams: streams})}
	b.Provision(t, names...)
	b.core, b.directory = b.Pools(t, scope.PoolOptions{Service: core.Service}), b.Directory(t)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	var err error
	b.broker, err = bus.Open(bus.Options{URL: broker.URL(), Namespace: "test-" + b.Prefix, Log: log})
	require.NoError(t, err)
	b.keys, err = token.OpenKeyring(t.TempDir(), token.KeyringOptions{})
	require.NoError(t, err)
	own := b.Pools(t, scope.PoolOptions{Service: notifications.Service})
	worker, err := jobs.NewWorker(jobs.Options{
		Queue: notifications.Service, Instance: fleet.Instance, Pools: own, Tenants: b.directory, Kinds: notifications.Kinds(mailer), Slots: 2,
		Poll: 5 * time.Millisecond, Pause: 100 * time.Millisecond, Slice: time.Millisecond, Log: log,
		DSN: func(ctx context.Context) (string, error) {
			return b.Login(jobs.Service)(ctx, scope.Cell{Cell: "shared"})
		},
	})
	require.NoError(t, err)
	n, err := notifications.New(notifications.Options{
		Build: "test", Authorize: &scope.Authorizer{Tenants: b.directory, Verifier: b.keys}, Pools: own, Jobs: jobs.NewMetrics(),
		Broker: b.broker, Mailer: mailer, DigestAt: func(now time.Time) time.Time { return now.Add(500 * time.Millisecond) },
		Delays: []time.Duration{100 * time.Millisecond}, Metrics: bus.NewMetrics(), Log: log,
	})
	require.NoError(t, err)
	server := httptest.NewServer(n.Handler())
	t.Cleanup(server.Close)
	b.url = server.URL
	relay := bus.NewRelay(bus.RelayOptions{
		Broker: b.broker, Instance: fleet.Instance, RolePrefix: b.Prefix, Poll: 5 * time.Millisecond, Log: log,
		Paced: func(_ tenant.Name, kind string) bool { return notifications.Hears(kind) },
		DSN: func(ctx context.Context) (string, error) {
			return b.Login(bus.Service)(ctx, scope.Cell{Cell: "shared"})
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func(context.Context){relay.Run, n.Listen, worker.Run} {
		running.Go(func() { run(ctx) })
	}
	t.Cleanup(func() { cancel(); running.Wait() })
	return b
}

// ask asks as a user; body and answer are JSON.
func (b *bundle) ask(t *testing.T, status int, name tenant.Name, user, method, path, body string) map[string]any {
	t.Helper()
	raw, err := b.keys.Sign(token.Claims{Tenant: name, Subject: user, Use: token.Access, Permissions: []string{"*"}})
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+raw)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, status, response.StatusCode, "%s %s: %s", method, path, text)
	answer := map[string]any{}
	if len(text) > 0 {
		require.NoError(t, json.Unmarshal(text, &answer))
	}
	return answer
}

// place publishes that orders were placed, as core does.
func (b *bundle) place(t *testing.T, name tenant.Name, actor string, ids ...int64) {
	t.Helper()
	at, err := b.directory.Tenant(name)
	require.NoError(t, err)
	for _, id := range ids {
		require.NoError(t, b.core.Tx(t.Context(), at, func(ctx context.Context, tx scope.Tx) error {
			_, err := bus.Publish(ctx, tx, bus.Event{Type: core.OrderPlaced, Version: core.EventVersion, Payload: core.Fact{
				ID: id, Customer: "c", Status: "open", Currency: "EUR", Total: "9.00", Actor: actor,
			}})
			return err
		}))
	}
}

func (b *bundle) items(t *testing.T, name tenant.Name, user string) []any {
	t.Helper()
	return b.ask(t, 200, name, user, "GET", "/v1/notifications?limit=500", "")["items"].([]any)
}

// TestUsersHearOfTheirMove takes what operators tell, once however often it comes, and leaves out whom it doesn't concern.
func TestUsersHearOfTheirMove(t *testing.T) {
	t.Parallel()
	b := setup(t, nil, "a", "b")
	b.ask(t, 200, "a", "7", "PUT", "/v1/notifications/preferences", `{"mail": "off"}`)
	b.ask(t, 200, "a", "8", "PUT", "/v1/notifications/preferences", `{"mail": "off", "events": ["order.placed"]}`)
	b.ask(t, 200, "b", "7", "PUT", "/v1/notifications/preferences", `{"mail": "off"}`)
	facts := b.broker.Facts()
	defer facts.Close()
	send := func(id int64, kind string, name tenant.Name, detail string) {
		body, err := json.Marshal(operator.CloudEventOf(tenant.Event{ID: id, Type: kind, Tenant: name, Message: kind, Data: json.RawMessage(cmp.Or(detail, "null")), Time: time.Now()}))
		require.NoError(t, err)
		fact := bus.Fact{ID: fmt.Sprint(id), Type: kind, ContentType: operator.CloudEventType, Body: body, At: time.Now()}
		require.NoError(t, facts.Send(t.Context(), []bus.Fact{fact, fact}))
	}
	require.Eventually(t, func() bool { // until the queue is there
		send(1, "tenant.moved", "a", "")
		return len(b.items(t, "a", "7")) > 0
	}, patience, 10*tick)
	send(2, "tenant.moved", "nobody", "")
	send(3, "tenant.provisioned", "a", `{"steps": []}`)
	send(4, "tenant.versions_changed", "a", `{"from": {"core": {"number": 6}}, "to": {"core": {"number": 7}, "users": {"number": 2}}}`)
	require.Eventually(t, func() bool { return len(b.items(t, "a", "7")) == 2 }, patience, tick)
	told := b.items(t, "a", "7")
	require.Equal(t, "Your application was upgraded", told[0].(map[string]any)["subject"])
	require.Equal(t, "a works with core 7, users 2 now.", told[0].(map[string]any)["body"])
	require.Equal(t, "a is served by the platform now; every row was carried over and proven.", told[1].(map[string]any)["body"])
	require.Empty(t, b.items(t, "a", "8"), "who wants to hear of orders only")
	require.Empty(t, b.items(t, "b", "7"), "another tenant's")
}

func TestEachIsToldAsTheyWant(t *testing.T) {
	t.Parallel()
	office := fleet.NewPostOffice(t)
	b := setup(t, mailer(t, office), "a", "b")
	b.ask(t, 200, "a", "7", "PUT", "/v1/notifications/preferences", `{"mail": "immediate", "address": "seven@example.com"}`)
	b.ask(t, 200, "a", "8", "PUT", "/v1/notifications/preferences", `{"mail": "digest", "address": "eight@example.com", "events": ["order.placed"]}`)
	b.ask(t, 200, "a", "6", "PUT", "/v1/notifications/preferences", `{"mail": "immediate", "address": "six@example.com", "events": ["invoice.paid"]}`)
	b.ask(t, 200, "b", "7", "PUT", "/v1/notifications/preferences", `{"mail": "immediate", "address": "other@example.com"}`)
	b.ask(t, 200, "a", "1", "PUT", "/v1/notifications/templates/order.placed", `{"subject": "Nr. {id}", "body": "{total} {currency}, {tenant}"}`)
	b.place(t, "a", "9", 1, 2, 3, 4, 5)
	require.Eventually(t, func() bool {
		return len(office.Received("seven@example.com")) == 5 && b.Text(t, `select count(*)::text from tenant_a.notifications where waiting`) == "0" &&
			b.Text(t, `select count(*)::text from tenant_a.notification_mails where sent_at is null`) == "0" && len(b.items(t, "a", "8")) == 5
	}, patience, tick)
	for id, times := range office.Received("seven@example.com") {
		require.Equal(t, 1, times, id)
	}
	digests := office.Received("eight@example.com")
	require.NotEmpty(t, digests)
	require.Less(t, len(digests), 5, "a daily mail has several")
	require.Empty(t, office.Received("six@example.com"))
	require.Empty(t, office.Received("other@example.com"))
	require.Len(t, b.items(t, "a", "9"), 5, "who did it is told, too")
	require.Empty(t, b.items(t, "b", "7"))

	// One's own are read, and nobody else's.
	newest := b.items(t, "a", "7")[0].(map[string]any)
	require.Equal(t, "Nr. 5", newest["subject"])
	require.Equal(t, "9.00 EUR, a", newest["body"])
	require.Nil(t, newest["readAt"])
	read := fmt.Sprintf("/v1/notifications/%.0f/read", newest["id"])
	b.ask(t, 404, "a", "8", "POST", read, "")
	b.ask(t, 404, "b", "7", "POST", read, "")
	require.NotNil(t, b.ask(t, 200, "a", "7", "POST", read, "")["readAt"])
	page := b.ask(t, 200, "a", "7", "GET", "/v1/notifications?unread=true&limit=3", "")
	require.Len(t, page["items"], 3)
	require.Len(t, b.ask(t, 200, "a", "7", "GET", "/v1/notifications?unread=true&limit=3&after="+page["next"].(string), "")["items"], 1)

	b.ask(t, 422, "a", "7", "PUT", "/v1/notifications/preferences", `{"mail": "immediate"}`)
	b.ask(t, 422, "a", "7", "PUT", "/v1/notifications/preferences", `{"mail": "immediate", "address": "a@b\r\nBcc: c@d"}`)
	b.ask(t, 422, "a", "7", "PUT", "/v1/notifications/templates/order.placed", `{"subject": "{secret}", "body": "x"}`)
	b.ask(t, 404, "a", "7", "PUT", "/v1/notifications/templates/order.eaten", `{"subject": "x", "body": "x"}`)
	b.ask(t, 204, "a", "7", "DELETE", "/v1/notifications/templates/order.placed", "")
	b.ask(t, 404, "a", "7", "DELETE", "/v1/notifications/templates/order.placed", "")
	require.Len(t, b.ask(t, 200, "a", "7", "GET", "/v1/notifications/templates", "")["items"], 8)
}

// hesitant takes a mail and doesn't live to say so, once.
type hesitant struct {
	notifications.Mailer
	died atomic.Bool
}

func (h *hesitant) Send(ctx context.Context, m notifications.Mail) error {
	err := h.Mailer.Send(ctx, m)
	if err == nil && !h.died.Swap(true) {
		return errors.New("died at the worst moment")
	}
	return err
}

func TestAMailServerThatIsAwayLosesNothing(t *testing.T) {
	t.Parallel()
	office := fleet.NewPostOffice(t)
	b := setup(t, &hesitant{Mailer: mailer(t, office)}, "a")
	office.Shut()
	b.ask(t, 200, "a", "7", "PUT", "/v1/notifications/preferences", `{"mail": "immediate", "address": "seven@example.com"}`)
	b.ask(t, 200, "a", "8", "PUT", "/v1/notifications/preferences", `{"mail": "immediate", "address": "nobody@example.com"}`)
	b.place(t, "a", "7", 1, 2, 3)
	require.Eventually(t, func() bool { return len(b.items(t, "a", "7")) == 3 }, patience, tick, "in the application they are told at once")
	require.Empty(t, office.Received("seven@example.com"))
	time.Sleep(500 * time.Millisecond) // some attempts fail meanwhile
	office.Open(t)
	require.Eventually(t, func() bool {
		return b.Text(t, `select count(*)::text from tenant_a.notification_mails where sent_at is not null`) == "3"
	}, patience, tick)
	got, twice := office.Received("seven@example.com"), 0
	require.Len(t, got, 3, "one Message-ID for each cause")
	for _, times := range got {
		twice += times - 1
	}
	require.Equal(t, 1, twice, "twice comes only what the process died over")
	require.Eventually(t, func() bool {
		parked, err := b.broker.Parked(t.Context())
		require.NoError(t, err)
		return len(parked) == 3 && strings.Contains(parked[0].Reason, "nobody of that name")
	}, patience, 5*tick, "what the server will never take is parked")
}

func TestWithoutAMailServerNobodyCanAskForMail(t *testing.T) {
	t.Parallel()
	b := setup(t, nil, "a")
	b.ask(t, 422, "a", "7", "PUT", "/v1/notifications/preferences", `{"mail": "immediate", "address": "seven@example.com"}`)
	b.ask(t, 200, "a", "7", "PUT", "/v1/notifications/preferences", `{"mail": "off"}`)
	b.ask(t, 422, "a", "7", "POST", "/v1/mailings", `{"subject": "x", "body": "y", "to": {"addresses": [{"address": "a@example.com"}]}}`)
	b.place(t, "a", "9", 1)
	require.Eventually(t, func() bool { return len(b.items(t, "a", "7")) == 1 }, patience, tick)
}
