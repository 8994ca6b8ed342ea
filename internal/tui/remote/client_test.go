package remote_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/service"
	"tenantctl/internal/tenant"
	"tenantctl/internal/tui"
	"tenantctl/internal/tui/remote"
)

// answer is an operator that says what a test wants; what the real one says, test/dashboard compares.
func answer(t *testing.T, say http.HandlerFunc) (from remote.Source, tokenFile string) {
	t.Helper()
	server := httptest.NewServer(say)
	tokenFile = filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(tokenFile, []byte("a-token-of-enough-characters\n"), 0o600))
	client, err := remote.NewClient(server.URL+"/", tokenFile)
	require.NoError(t, err)
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return remote.Source{Client: client}, tokenFile
}

func TestWhatAnOperatorDeclines(t *testing.T) {
	t.Parallel()
	var status int
	from, tokenFile := answer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(service.Problem{Status: status, Title: "Not ready", Detail: "the operator has read no tenants.yaml yet"})
	})
	status = http.StatusServiceUnavailable
	_, err := from.Services(t.Context())
	require.ErrorContains(t, err, "Not ready: the operator has read no tenants.yaml yet")
	status = http.StatusNotFound
	_, err = from.Tenant(t.Context(), "nobody")
	require.ErrorIs(t, err, tenant.ErrNotFound)
	require.ErrorContains(t, err, "tenant nobody")
	_, err = from.Rollout(t.Context(), "r9")
	require.ErrorIs(t, err, tenant.ErrNotFound)
	status = http.StatusUnauthorized
	_, err = from.Fleet(t.Context())
	require.ErrorIs(t, err, tenant.ErrAuth)
	require.NoError(t, os.Remove(tokenFile))
	_, err = from.Fleet(t.Context())
	require.ErrorContains(t, err, "read the token")
	for _, address := range []string{"operator:8090", "ftp://operator", "http://", "\x7f"} {
		_, err = remote.NewClient(address, tokenFile)
		require.ErrorIs(t, err, tenant.ErrInvalid, address)
	}
}

func TestManyNamesAreAskedForInParts(t *testing.T) {
	t.Parallel()
	questions := 0
	from, _ := answer(t, func(w http.ResponseWriter, r *http.Request) {
		questions++
		var fleet remote.Items[tui.Tenant]
		for _, name := range r.URL.Query()["tenant"] {
			fleet.Items = append(fleet.Items, tui.Tenant{Status: tenant.Status{Name: tenant.Name(name)}})
		}
		_ = json.NewEncoder(w).Encode(fleet)
	})
	var names []tenant.Name
	for i := range 250 {
		names = append(names, tenant.Name(fmt.Sprintf("client-%s%d", strings.Repeat("x", 30), i)))
	}
	fleet, err := from.Fleet(t.Context(), names...)
	require.NoError(t, err)
	require.Len(t, fleet, 250)
	require.Equal(t, names[249], fleet[249].Name)
	require.Equal(t, 3, questions)
}

func TestWhatIsntWholeComesWithTheReason(t *testing.T) {
	t.Parallel()
	from, _ := answer(t, func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(remote.Items[tui.Queue]{Items: []tui.Queue{{Instance: "shared-1", Name: "jobs of core"}}, Trouble: "instance shared-2: it is away"})
	})
	queues, err := from.Queues(t.Context())
	require.ErrorContains(t, err, "shared-2: it is away")
	require.Len(t, queues, 1)
}
