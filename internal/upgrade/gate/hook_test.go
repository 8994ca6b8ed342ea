package gate

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/upgrade"
)

// serve is a server of the test's own.
func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// hookTo is a hook whose token is in its address and a header.
func hookTo(t *testing.T, server *httptest.Server, timeout string) *hook {
	t.Helper()
	declared := gatesOf(t, `http: [ { name: smoke, url: "`+server.URL+`/run?token=${TOKEN}", headers: { X-Api-Key: "key ${TOKEN}" }, timeout: `+timeout+` } ]`)
	h, err := newHook(declared.HTTP[0], literal("hunter 2"), newAsker(server.Client()))
	require.NoError(t, err)
	return h
}

func TestAHookIsToldOfTheWave(t *testing.T) {
	t.Parallel()
	requests := make(chan *http.Request, 1)
	bodies := make(chan []byte, 1)
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- r
		bodies <- body
	})
	p := passage()
	j, _, err := hookTo(t, server, "5s").look(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, upgrade.Pass, j.Verdict, "2xx without a body")
	require.Equal(t, server.URL+"/run?token=${TOKEN} answered 200 OK", j.Message)
	r := <-requests
	require.Equal(t, []string{"POST", "hunter 2", "key hunter 2", "application/json"},
		[]string{r.Method, r.URL.Query().Get("token"), r.Header.Get("X-Api-Key"), r.Header.Get("Content-Type")})
	var got map[string]any
	require.NoError(t, json.Unmarshal(<-bodies, &got))
	require.Equal(t, map[string]any{
		"version": 1.0, "gate": "smoke", "rollout": "r7", "upgraded": 3.0, "waiting": 1.0,
		"targets": []any{map[string]any{"service": "core", "version": 12.0}}, "tenants": []any{"b", "c"},
		"wave": map[string]any{
			"number": 2.0, "ring": "general", "size": 2.0, "began": p.Began.Format(time.RFC3339Nano), "ended": p.Ended.Format(time.RFC3339Nano),
		},
	}, got)
}

func TestWhatAHookSays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status  int
		body    string
		verdict upgrade.Verdict
		again   bool
		says    string
	}{
		"nothing to say":      {204, "", upgrade.Pass, false, "answered 204 No Content"},
		"blank":               {200, " \n", upgrade.Pass, false, "answered 200 OK"},
		"pass":                {200, `{"verdict": "pass", "message": "12 of 12 checks"}`, upgrade.Pass, false, "says pass: 12 of 12 checks"},
		"fail":                {200, `{"verdict": "fail", "message": "order\u001b[31m 7\nis lost"}`, upgrade.Fail, false, "says fail: order [31m 7 is lost"},
		"inconclusive":        {202, `{"verdict": "inconclusive"}`, upgrade.Inconclusive, true, "can't tell"},
		"unknown verdict":     {200, `{"verdict": "passed"}`, upgrade.Inconclusive, true, `but not with {"verdict": "pass"}, "fail" or "inconclusive", nor with an empty body; it says`},
		"no verdict":          {200, `{"status": "error"}`, upgrade.Inconclusive, true, "but not with"},
		"a log-in page":       {200, `<html>Sign in</html>`, upgrade.Inconclusive, true, `it says "<html>Sign in</html>"`},
		"client error":        {400, `no such rollout`, upgrade.Fail, false, `answered 400 Bad Request, which means no; if it isn't meant so, check the check's url and headers; it says "no such rollout"`},
		"not found":           {404, ``, upgrade.Fail, false, "answered 404 Not Found, which means no"},
		"too many requests":   {429, ``, upgrade.Inconclusive, true, "answered 429 Too Many Requests; look at its log"},
		"server error":        {500, `panic`, upgrade.Inconclusive, true, `answered 500 Internal Server Error; look at its log; it says "panic"`},
		"service unavailable": {503, `{"verdict": "pass"}`, upgrade.Inconclusive, true, "answered 503"},
		"redirect":            {307, ``, upgrade.Inconclusive, false, "answered 307 Temporary Redirect, a redirect, which isn't followed"},
		"huge":                {200, `{"verdict": "pass"}` + strings.Repeat(" ", maxVerdict), upgrade.Inconclusive, true, "the answer is larger than any that could be meant (more than 64.0 kB)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("followed a redirect") })
			server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", elsewhere.URL)
				w.WriteHeader(c.status)
				if c.status != http.StatusNoContent {
					_, _ = io.WriteString(w, c.body)
				}
			})
			j, again, err := hookTo(t, server, "5s").look(t.Context(), passage())
			require.NoError(t, err)
			require.Equal(t, c.verdict, j.Verdict, j.Message)
			require.Equal(t, c.again, again)
			require.Contains(t, j.Message, c.says)
			require.NotContains(t, j.Message, "hunter")
		})
	}
}

func TestAHookThatHangsOrIsAway(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	hanging := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-release
	})
	t.Cleanup(func() { close(release) }) // runs before the server closes
	j, again, err := hookTo(t, hanging, "50ms").look(t.Context(), passage())
	require.NoError(t, err)
	require.Equal(t, upgrade.Inconclusive, j.Verdict)
	require.True(t, again)
	require.Equal(t, hanging.URL+"/run?token=${TOKEN}: no answer within 50ms; see that it runs and can be reached from here", j.Message)

	away := httptest.NewServer(nil)
	h := hookTo(t, away, "5s")
	away.Close()
	j, again, err = h.look(t.Context(), passage())
	require.NoError(t, err)
	require.Equal(t, upgrade.Inconclusive, j.Verdict)
	require.True(t, again)
	require.Contains(t, j.Message, "connection refused; see that it runs")
	require.NotContains(t, j.Message, "hunter")
}
