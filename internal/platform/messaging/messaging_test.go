package messaging_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/messaging"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
	"tenantctl/test/fleet"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// bundle is two replicas of the service over one database.
type bundle struct {
	*fleet.Fleet
	keys *token.Keyring
	urls [2]string
	ends [2]func() // ends a replica, and waits for it
}

func setup(t *testing.T, names ...tenant.Name) *bundle {
	t.Helper()
	s, err := messaging.Stream()
	require.NoError(t, err)
	b := &bundle{Fleet: fleet.New(t, fleet.Options{Streams: []*stream.Stream{s}})}
	b.Provision(t, names...)
	b.keys, err = token.OpenKeyring(t.TempDir(), token.KeyringOptions{})
	require.NoError(t, err)
	for i := range b.urls {
		made, err := messaging.New(messaging.Options{
			Build: "test", Authorize: &scope.Authorizer{Tenants: b.Directory(t), Verifier: b.keys}, Pools: b.Pools(t, scope.PoolOptions{Service: messaging.Service}),
			Poll: 10 * time.Millisecond, Heartbeat: 100 * time.Millisecond, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		})
		require.NoError(t, err)
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		b.urls[i] = "http://" + listener.Addr().String()
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- made.Serve(ctx, listener) }()
		b.ends[i] = sync.OnceFunc(func() { cancel(); require.NoError(t, <-ended) })
		t.Cleanup(b.ends[i])
	}
	return b
}

type call struct {
	tenant             tenant.Name
	user, method, path string
	body               string
	header             map[string]string
	replica            int
	life               time.Duration // of the token; 0: the usual
}

func (b *bundle) send(t *testing.T, c call) *http.Response {
	t.Helper()
	claims := token.Claims{Tenant: c.tenant, Subject: c.user, Use: token.Access}
	if c.life > 0 {
		claims.Expires = time.Now().Add(c.life)
	}
	raw, err := b.keys.Sign(claims)
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), c.method, b.urls[c.replica]+c.path, strings.NewReader(c.body))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+raw)
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// ask asks as a user of tenant a; body and answer are JSON.
func (b *bundle) ask(t *testing.T, status int, user, method, path, body string) map[string]any {
	t.Helper()
	return b.asked(t, status, call{tenant: "a", user: user, method: method, path: path, body: body})
}

func (b *bundle) asked(t *testing.T, status int, c call) map[string]any {
	t.Helper()
	response := b.send(t, c)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, status, response.StatusCode, "%s %s: %s", c.method, c.path, text)
	answer := map[string]any{}
	if len(text) > 0 {
		require.NoError(t, json.Unmarshal(text, &answer))
	}
	return answer
}

// begin begins a conversation of tenant a and returns its path.
func (b *bundle) begin(t *testing.T, user string, others string) string {
	t.Helper()
	made := b.ask(t, 201, user, "POST", "/v1/conversations", `{"subject": "lunch", "participants": [`+others+`]}`)
	return fmt.Sprintf("/v1/conversations/%.0f", made["id"])
}

// ear is an open stream.
type ear struct {
	t     *testing.T
	lines *bufio.Scanner
	close func()
}

func (b *bundle) listen(t *testing.T, replica int, user, last string, life time.Duration) *ear {
	t.Helper()
	header := map[string]string{}
	if last != "" {
		header["Last-Event-ID"] = last
	}
	response := b.send(t, call{tenant: "a", user: user, method: "GET", path: "/v1/conversations/stream", replica: replica, header: header, life: life})
	require.Equal(t, http.StatusOK, response.StatusCode)
	e := &ear{t: t, lines: bufio.NewScanner(response.Body), close: func() { _ = response.Body.Close() }}
	_, _, kind, more := e.next()
	require.True(t, more)
	require.Equal(t, "ready", kind)
	return e
}

// next is the next event; false at the stream's end.
func (e *ear) next() (id, data, kind string, more bool) {
	for e.lines.Scan() {
		name, value, _ := strings.Cut(e.lines.Text(), ": ")
		switch name {
		case "id":
			id = value
		case "event":
			kind = value
		case "data":
			return id, value, kind, true
		}
	}
	return "", "", "", false
}

// said is the body of the next message, and its id.
func (e *ear) said() (body, id string) {
	e.t.Helper()
	id, data, kind, more := e.next()
	require.True(e.t, more, "the stream ended")
	require.Equal(e.t, "message", kind)
	var m messaging.Message
	require.NoError(e.t, json.Unmarshal([]byte(data), &m))
	require.Equal(e.t, id, fmt.Sprint(m.ID))
	return m.Body, id
}

func (e *ear) ends() {
	e.t.Helper()
	_, data, _, more := e.next()
	require.False(e.t, more, data)
	require.NoError(e.t, e.lines.Err(), "it ends as answers do")
}

func TestOnlyParticipantsSeeAConversation(t *testing.T) {
	t.Parallel()
	b := setup(t, "a", "b")
	at := b.begin(t, "1", `"2", "2"`)
	require.Equal(t, []any{"1", "2"}, b.ask(t, 200, "2", "GET", at, "")["participants"])
	b.ask(t, 201, "1", "POST", at+"/messages", `{"body": "hello"}`)
	for _, stranger := range []call{{tenant: "a", user: "3"}, {tenant: "b", user: "1"}} {
		for _, try := range [][3]string{
			{"GET", "", ""},
			{"GET", "/messages", ""},
			{"POST", "/messages", `{"body": "x"}`},
			{"POST", "/read", `{"message": 1}`},
			{"POST", "/participants", `{"user": "3"}`},
			{"POST", "/leave", ""},
		} {
			stranger.method, stranger.path, stranger.body = try[0], at+try[1], try[2]
			b.asked(t, 404, stranger)
		}
		stranger.method, stranger.path, stranger.body = "GET", "/v1/conversations", ""
		require.Empty(t, b.asked(t, 200, stranger)["items"])
	}
	b.ask(t, 204, "2", "POST", at+"/participants", `{"user": "3"}`)
	require.Len(t, b.ask(t, 200, "3", "GET", at+"/messages", "")["items"], 1)
	b.ask(t, 204, "2", "POST", at+"/leave", "")
	b.ask(t, 404, "2", "GET", at, "")
	b.ask(t, 204, "3", "POST", at+"/leave", "")
	b.ask(t, 204, "1", "POST", at+"/leave", "")
	require.Equal(t, "0", b.Text(t, `select count(*)::text from tenant_a.conversations`))
	require.Equal(t, "0", b.Text(t, `select count(*)::text from tenant_a.messages`))

	b.ask(t, 422, "1", "POST", "/v1/conversations", `{"subject": ""}`)
	at = b.begin(t, "1", "")
	b.ask(t, 422, "1", "POST", at+"/messages", `{"body": "`+strings.Repeat("x", 10001)+`"}`)
	for i := range 99 {
		b.ask(t, 204, "1", "POST", at+"/participants", fmt.Sprintf(`{"user": "u%d"}`, i))
	}
	b.ask(t, 409, "1", "POST", at+"/participants", `{"user": "one-too-many"}`)
}

func TestPagesKeysAndWhatWasRead(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	at := b.begin(t, "1", `"2"`)
	for i := range 5 {
		b.ask(t, 201, "1", "POST", at+"/messages", fmt.Sprintf(`{"body": "m%d"}`, i))
	}
	var bodies []string
	for page, after := (map[string]any)(nil), ""; page == nil || page["next"] != nil; {
		page = b.ask(t, 200, "2", "GET", at+"/messages?limit=2"+after, "")
		for _, m := range page["items"].([]any) {
			bodies = append(bodies, m.(map[string]any)["body"].(string))
		}
		after = fmt.Sprintf("&after=%s", page["next"])
	}
	require.Equal(t, []string{"m4", "m3", "m2", "m1", "m0"}, bodies)

	unread := func() float64 { return b.ask(t, 200, "2", "GET", at, "")["unread"].(float64) }
	require.InDelta(t, 5, unread(), 0)
	b.ask(t, 204, "2", "POST", at+"/read", `{"message": 3}`)
	b.ask(t, 204, "2", "POST", at+"/read", `{"message": 1}`)
	require.InDelta(t, 2, unread(), 0, "what was read stays read")
	b.ask(t, 204, "2", "POST", at+"/read", `{"message": 1000}`)
	b.ask(t, 201, "1", "POST", at+"/messages", `{"body": "new"}`)
	require.InDelta(t, 1, unread(), 0, "nobody reads ahead")

	keyed := call{tenant: "a", user: "1", method: "POST", path: at + "/messages", body: `{"body": "once"}`, header: map[string]string{"Idempotency-Key": "k"}}
	first := b.asked(t, 201, keyed)
	keyed.replica = 1
	require.Equal(t, first, b.asked(t, 201, keyed))
	keyed.body = `{"body": "other"}`
	b.asked(t, 422, keyed)
	require.Equal(t, "1", b.Text(t, `select count(*)::text from tenant_a.messages where body = 'once'`))

	second := b.begin(t, "2", "")
	list := b.ask(t, 200, "2", "GET", "/v1/conversations?limit=1", "")
	require.Equal(t, second, fmt.Sprintf("/v1/conversations/%.0f", list["items"].([]any)[0].(map[string]any)["id"]))
	require.Len(t, b.ask(t, 200, "2", "GET", "/v1/conversations?after="+list["next"].(string), "")["items"], 1)
}

func TestStreamsHearWhatIsSaidAtAnotherReplica(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	at, other := b.begin(t, "1", `"2"`), b.begin(t, "3", "")
	b.ask(t, 201, "1", "POST", at+"/messages", `{"body": "before"}`)
	one, two, three := b.listen(t, 0, "1", "", 0), b.listen(t, 1, "2", "", 0), b.listen(t, 1, "3", "", 0)
	b.ask(t, 201, "3", "POST", other+"/messages", `{"body": "to myself"}`)
	b.ask(t, 201, "1", "POST", at+"/messages", `{"body": "hello"}`)
	for _, e := range []*ear{one, two} {
		body, _ := e.said()
		require.Equal(t, "hello", body)
	}
	body, _ := three.said()
	require.Equal(t, "to myself", body)
	two.close()
	again := b.listen(t, 0, "2", "0", 0)
	for _, want := range []string{"before", "hello"} {
		body, _ := again.said()
		require.Equal(t, want, body)
	}

	// They end with the token, the service and the tenant, and beat until then.
	for one.lines.Text() != ": " {
		require.True(t, one.lines.Scan(), "it beats")
	}
	short := b.listen(t, 1, "2", "", 2*time.Second)
	began := time.Now()
	short.ends()
	require.Less(t, time.Since(began), 5*time.Second)
	b.ends[1]()
	three.ends()
	require.NoError(t, b.Records.SetState(t.Context(), "a", tenant.Suspended, "test", ""))
	one.ends()
	again.ends()
}

// Streams break off and go on at the other replica while several users write in several conversations at both.
func TestNothingIsMissedNorHeardTwice(t *testing.T) {
	t.Parallel()
	const writers, each = 6, 40
	b := setup(t, "a")
	rooms := []string{b.begin(t, "w0", `"ear", "w1", "w2", "w3", "w4", "w5"`), b.begin(t, "w0", `"ear", "w1", "w2", "w3", "w4", "w5"`)}
	e := b.listen(t, 0, "ear", "", 0)
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				b.asked(t, 201, call{tenant: "a", user: fmt.Sprintf("w%d", w), method: "POST", path: rooms[i%2] + "/messages", body: fmt.Sprintf(`{"body": "%d-%d"}`, w, i), replica: w % 2})
			}
		})
	}
	var heard, ids []string
	for n := range writers * each {
		body, id := e.said()
		heard, ids = append(heard, body), append(ids, id)
		if n%17 == 16 {
			e.close()
			e = b.listen(t, n%2, "ear", id, 0)
		}
	}
	group.Wait()
	for i, id := range ids {
		require.Equal(t, fmt.Sprint(i+1), id, "in the order of ids, without a gap")
	}
	seen := map[string]bool{}
	for _, body := range heard {
		seen[body] = true
	}
	require.Len(t, seen, writers*each)
}

// A message whose transaction is slow holds up those behind it: a reader never sees the later one first.
func TestALaterMessageIsNotSeenBeforeAnEarlierOne(t *testing.T) {
	t.Parallel()
	b := setup(t, "a")
	at := b.begin(t, "1", `"2"`)
	e := b.listen(t, 0, "2", "", 0)
	slow, err := b.Root.Begin(t.Context())
	require.NoError(t, err)
	_, err = slow.Exec(t.Context(), `with turn as (update tenant_a.message_order set last = last + 1 returning last)
		insert into tenant_a.messages (id, conversation_id, author, body) select last, 1, '1', 'earlier' from turn`)
	require.NoError(t, err)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		b.ask(t, 201, "1", "POST", at+"/messages", `{"body": "later"}`)
	}()
	select {
	case <-sent:
		t.Fatal("it didn't wait for its turn")
	case <-time.After(200 * time.Millisecond):
	}
	require.NoError(t, slow.Commit(t.Context()))
	<-sent
	for _, want := range []string{"earlier", "later"} {
		body, _ := e.said()
		require.Equal(t, want, body)
	}
}
