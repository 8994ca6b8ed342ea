// Package platform runs the services as people do, and attacks them from outside.
package platform

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local"
	"tenantctl/internal/local/localtest"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// stage is a running platform with tenants, each of which has an administrator.
type stage struct {
	t        *testing.T
	program  string
	dir      string
	database string // the instance's
	env      []string
	scheme   string // of addresses
	address  string // the gateway's
	tokens   map[string]string
	client   *http.Client
}

const password = "correct horse battery"

func newStage(t *testing.T, tenants ...string) *stage {
	t.Helper()
	return newStageWith(t, "", nil, tenants...)
}

// newStageWith is newStage with more in tenants.yaml and in the environment.
func newStageWith(t *testing.T, more string, env []string, tenants ...string) *stage {
	t.Helper()
	text := more + "services: { bus: {}, users: {}, auth: {}, core: {}, notifications: {}, messaging: {} }\ntenants:\n"
	for _, name := range tenants {
		text += "  " + name + ": {}\n"
	}
	text = "broker: { url: \"${AMQP_URL}\", namespace: " + strings.ToLower(rand.Text()) + " }\n" + text
	s := openStage(t, text, append(env, "AMQP_URL="+localtest.Broker(t).URL())...)
	s.tenantctl("", "provision", "--all")
	s.serve("all")
	for _, name := range tenants {
		s.tenantctl(password, "user", "add", name, "admin", "--role", "admin", "--password-stdin")
		s.tokens[name] = s.login(name)
	}
	return s
}

// openStage is a folder with a tenants.yaml, and an instance of its own.
func openStage(t *testing.T, text string, env ...string) *stage {
	t.Helper()
	return openStageOn(t, localtest.Server(t), text, env...)
}

func openStageOn(t *testing.T, server *local.Postgres, text string, env ...string) *stage {
	t.Helper()
	s := &stage{t: t, program: localtest.Program(t, ""), dir: localtest.Folder(t), tokens: map[string]string{}, client: &http.Client{Timeout: time.Minute}, scheme: "http://"}
	s.database = localtest.DatabaseAs(t, localtest.DatabaseOptions{Server: server})
	s.env = append(append(os.Environ(), "SHARED_1_DSN="+s.database, "XDG_STATE_HOME="+s.dir), env...)
	text = fmt.Sprintf("version: 1\ninstances: { shared-1: { dsn: \"${SHARED_1_DSN}\", rolePrefix: %s } }\n", localtest.PrefixOn(t, server)) + text
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "tenants.yaml"), []byte(text), 0o600))
	return s
}

func (s *stage) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.program, args...)
	cmd.Dir, cmd.Env = s.dir, s.env
	return cmd
}

func (s *stage) tenantctl(stdin string, args ...string) string {
	s.t.Helper()
	cmd := s.command(args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(s.t, err, "%v: %s", args, stderr.String())
	return string(out)
}

var addressPattern = regexp.MustCompile(`^(?:[a-z]+(?:, )?)+ at https?://(\S+)`)

// serve starts services, and ends them with the test: they must end by themselves when asked. Those of "all" are asked from then on.
func (s *stage) serve(args ...string) (address string) {
	s.t.Helper()
	cmd := s.command(append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	stderr, err := cmd.StderrPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, cmd.Start())
	var said strings.Builder
	ended := make(chan struct{})
	ready := make(chan string, 1)
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			said.WriteString(lines.Text() + "\n")
			if match := addressPattern.FindStringSubmatch(lines.Text()); match != nil {
				ready <- match[1]
			}
		}
	}()
	s.t.Cleanup(func() {
		require.NoError(s.t, cmd.Process.Signal(syscall.SIGINT))
		<-ended
		require.NoError(s.t, cmd.Wait(), said.String())
	})
	select {
	case address = <-ready:
	case <-ended:
		s.t.Fatalf("the services ended: %s", said.String())
	case <-time.After(time.Minute):
		s.t.Fatal("the services don't start")
	}
	require.Eventually(s.t, func() bool {
		response, err := s.client.Get(s.scheme + address + "/readyz")
		if err != nil {
			return false
		}
		defer func() { _ = response.Body.Close() }()
		return response.StatusCode == http.StatusOK
	}, time.Minute, 20*time.Millisecond)
	if args[0] == "all" {
		s.address = address
	}
	return address
}

// request is one to the gateway, or to another address.
type request struct {
	address                         string
	method, path, host, token, body string
	header                          map[string]string
}

type response struct {
	status int
	header http.Header
	body   string
}

func (s *stage) send(r request) response {
	s.t.Helper()
	raw, err := http.NewRequestWithContext(s.t.Context(), r.method, s.scheme+cmp.Or(r.address, s.address)+r.path, strings.NewReader(r.body))
	require.NoError(s.t, err)
	raw.Host = r.host
	if r.token != "" {
		raw.Header.Set("Authorization", "Bearer "+r.token)
	}
	if r.body != "" {
		raw.Header.Set("Content-Type", "application/json")
	}
	for name, value := range r.header {
		raw.Header.Set(name, value)
	}
	got, err := s.client.Do(raw)
	require.NoError(s.t, err)
	defer func() { _ = got.Body.Close() }()
	if strings.HasPrefix(got.Header.Get("Content-Type"), "text/event-stream") { // what it says at first
		defer time.AfterFunc(listenTime, func() { _ = got.Body.Close() }).Stop()
	}
	body, err := io.ReadAll(got.Body)
	if !errors.Is(err, http.ErrBodyReadAfterClose) && !errors.Is(err, net.ErrClosed) {
		require.NoError(s.t, err)
	}
	return response{got.StatusCode, got.Header, string(body)}
}

const listenTime = 300 * time.Millisecond

func host(tenant string) string { return tenant + ".localhost" }

func (s *stage) login(tenant string) string {
	s.t.Helper()
	return s.loginAs(tenant, "admin")
}

func (s *stage) loginAs(tenant, user string) string {
	s.t.Helper()
	got := s.send(request{method: "POST", path: "/v1/auth/login", host: host(tenant), body: `{"login":"` + user + `","password":"` + password + `"}`})
	require.Equal(s.t, http.StatusOK, got.status, got.body)
	var tokens struct{ AccessToken string }
	require.NoError(s.t, json.Unmarshal([]byte(got.body), &tokens))
	return tokens.AccessToken
}

// create makes something for a tenant and returns a member of it.
func (s *stage) create(tenant, path, body, member string) string {
	s.t.Helper()
	got := s.send(request{method: "POST", path: path, host: host(tenant), token: s.tokens[tenant], body: body})
	require.Equal(s.t, http.StatusCreated, got.status, got.body)
	var made map[string]any
	decoder := json.NewDecoder(strings.NewReader(got.body))
	decoder.UseNumber()
	require.NoError(s.t, decoder.Decode(&made))
	return fmt.Sprint(made[member])
}
