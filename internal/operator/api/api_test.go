package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/config"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/operator"
	"tenantctl/internal/operator/api"
	"tenantctl/internal/tenant"
	"tenantctl/internal/tui"
	"tenantctl/internal/tui/remote"
	"tenantctl/test/fleet"
)

func TestMain(m *testing.M) { localtest.Main(m) }

const secret = "a-token-of-enough-characters"

// serve serves a replica that hasn't begun to work.
func serve(t *testing.T) (*fleet.Fleet, string, context.CancelFunc) {
	t.Helper()
	f := fleet.New(t, fleet.Options{})
	url, cancel := serveFleet(t, f, nil)
	return f, url, cancel
}

// serveFleet serves a replica that shows dashboards a source.
func serveFleet(t *testing.T, f *fleet.Fleet, source tui.Source) (string, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	o, err := operator.New(ctx, operator.Options{
		Records: f.Records, Control: f.Config.ConnString(), File: "none", Load: func() (*config.File, error) { return nil, tenant.ErrNotFound },
		Workers: 1, Moves: 1, Resync: time.Minute, Heal: time.Minute, DiffersAfter: time.Minute, Clock: &operator.Clock{}, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(secret+"\n"), 0o600))
	s, err := api.New(ctx, api.Options{
		Build: "test", Operator: o, Records: f.Records, TokenFile: file, Dashboard: remote.Handlers(func() (tui.Source, error) { return source, nil }),
	})
	require.NoError(t, err)
	server := httptest.NewServer(s.Handler())
	stopped, stop := context.WithCancel(t.Context())
	stop()
	t.Cleanup(func() {
		cancel()
		server.Close()
		require.ErrorIs(t, o.Run(stopped), context.Canceled) // it closes what New opened
	})
	return server.URL, cancel
}

func get(t *testing.T, url, token string) (int, []byte) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	http.DefaultClient.CloseIdleConnections()
	return response.StatusCode, body
}

func TestStatusAPI(t *testing.T) {
	t.Parallel()
	f, url, cancel := serve(t)
	for i := range 7 {
		require.NoError(t, f.Records.UpsertTenant(t.Context(), f.Spec(tenant.Name(fmt.Sprintf("t-%d", i))), "test"))
	}
	for _, path := range []string{"/v1/operator", "/v1/tenants", "/v1/tenants/t-1", "/v1/operations", "/v1/events"} {
		for _, token := range []string{"", "wrong", secret + "x"} {
			status, _ := get(t, url+path, token)
			require.Equal(t, http.StatusUnauthorized, status, "%s with %q", path, token)
		}
	}
	var names []tenant.Name
	for next := "?limit=3"; next != ""; {
		status, body := get(t, url+"/v1/tenants"+next, secret)
		require.Equal(t, http.StatusOK, status, string(body))
		var page struct {
			Items []tenant.Status
			Next  string
		}
		require.NoError(t, json.Unmarshal(body, &page))
		for _, s := range page.Items {
			names = append(names, s.Name)
		}
		if next = ""; page.Next != "" {
			next = "?limit=3&after=" + page.Next
		}
	}
	require.Equal(t, []tenant.Name{"t-0", "t-1", "t-2", "t-3", "t-4", "t-5", "t-6"}, names)
	status, body := get(t, url+"/v1/tenants/t-1", secret)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, string(body), `"name":"t-1"`)
	status, _ = get(t, url+"/v1/tenants/none", secret)
	require.Equal(t, http.StatusNotFound, status)
	status, _ = get(t, url+"/v1/tenants?limit=0", secret)
	require.Equal(t, http.StatusUnprocessableEntity, status)
	status, _ = get(t, url+"/v1/operator", secret)
	require.Equal(t, http.StatusOK, status)
	status, body = get(t, url+"/metrics", "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, string(body), "tenantctl_operator_leads 0")
	status, _ = get(t, url+"/readyz", "")
	require.Equal(t, http.StatusServiceUnavailable, status, "it has no file")
	stream(t, f, url, cancel)
}

// stream follows events from the first, sees a new one, and ends when the operator does.
func stream(t *testing.T, f *fleet.Fleet, url string, cancel context.CancelFunc) {
	request, err := http.NewRequest(http.MethodGet, url+"/v1/events?after=0&tenant=t-3", nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+secret)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	lines := bufio.NewScanner(response.Body)
	next := func() string {
		for lines.Scan() {
			if kind, is := strings.CutPrefix(lines.Text(), "event: "); is {
				return kind
			}
		}
		return "the end"
	}
	require.Equal(t, "tenant.registered", next())
	require.NoError(t, f.Records.Publish(t.Context(), tenant.Event{Type: "tenant.proven", Tenant: "t-3", Message: "x"}))
	require.Equal(t, "tenant.proven", next())
	cancel()
	require.Equal(t, "the end", next())
	http.DefaultClient.CloseIdleConnections()
}
