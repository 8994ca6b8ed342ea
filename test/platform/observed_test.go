package platform

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"tenantctl/internal/local/localtest"
)

const (
	rules      = "../../deploy/prometheus"
	dashboards = "../../deploy/grafana/dashboards"
)

// promtool is Prometheus' own checker; the test is skipped without it.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("Prometheus isn't installed: scripts/setup.sh prometheus")
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = rules
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// Each alert fires when it should and not when all is well, and each has its case.
func TestAlerts(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "rules", "alerts.yml")
	promtool(t, "check", "config", "prometheus.yml")
	promtool(t, "test", "rules", "alerts_test.yml")
	cases, err := os.ReadFile(filepath.Join(rules, "alerts_test.yml"))
	require.NoError(t, err)
	for _, alert := range alerts(t) {
		require.Contains(t, string(cases), `alertname="`+alert.Alert+`"`)
		require.NotEmpty(t, alert.Annotations["next"], alert.Alert)
	}
}

type alert struct {
	Alert, Expr string
	Annotations map[string]string
}

func alerts(t *testing.T) []alert {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(rules, "alerts.yml"))
	require.NoError(t, err)
	var file struct{ Groups []struct{ Rules []alert } }
	require.NoError(t, yaml.Unmarshal(text, &file))
	require.Len(t, file.Groups, 1)
	return file.Groups[0].Rules
}

// expressions are those of all alerts and dashboards, by what they are for.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, a := range alerts(t) {
		found["alert "+a.Alert] = a.Expr
	}
	files, err := filepath.Glob(filepath.Join(dashboards, "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var board struct {
			Title  string
			Panels []struct {
				Title   string
				Targets []struct{ RefID, Expr string }
			}
		}
		require.NoError(t, json.Unmarshal(text, &board))
		for _, p := range board.Panels {
			require.NotEmpty(t, p.Targets, p.Title)
			for _, target := range p.Targets {
				found[board.Title+", "+p.Title+" "+target.RefID] = strings.ReplaceAll(target.Expr, "$__rate_interval", "1m")
			}
		}
	}
	return found
}

var (
	textPattern   = regexp.MustCompile(`"[^"]*"`)
	metricPattern = regexp.MustCompile(`\b(?:up|(?:http|gateway|bus|job|db_pool|process|tenantctl_operator)_[a-z_]+)\b(\{[^}]*\})?`)
	labelPattern  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
	byPattern     = regexp.MustCompile(`by \(([^)]*)\)`)
)

// named are the metrics of an expression, each with the labels that it must have there.
func named(expression string) map[string][]string {
	expression = textPattern.ReplaceAllString(expression, `""`)
	var grouped []string
	for _, by := range byPattern.FindAllStringSubmatch(expression, -1) {
		for label := range strings.SplitSeq(by[1], ",") {
			grouped = append(grouped, strings.TrimSpace(label))
		}
	}
	expression = byPattern.ReplaceAllString(expression, "")
	found := map[string][]string{}
	for _, match := range metricPattern.FindAllStringSubmatch(expression, -1) {
		name, _, _ := strings.Cut(match[0], "{")
		labels := append(found[name], grouped...)
		for _, label := range labelPattern.FindAllStringSubmatch(match[1], -1) {
			labels = append(labels, label[1])
		}
		slices.Sort(labels)
		found[name] = slices.Compact(labels)
	}
	return found
}

// prometheus is a running one.
type prometheus struct {
	t   *testing.T
	url string
}

// query gives the number of an expression; none is 0.
func (p prometheus) query(expression string) (series int) {
	p.t.Helper()
	var answer struct {
		Status, Error string
		Data          struct{ Result []json.RawMessage }
	}
	p.get("/api/v1/query?query="+url.QueryEscape(expression), &answer)
	require.Equal(p.t, "success", answer.Status, "%s: %s", expression, answer.Error)
	return len(answer.Data.Result)
}

func (p prometheus) get(path string, into any) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+path, http.NoBody)
	require.NoError(p.t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(p.t, err)
	defer func() { _ = response.Body.Close() }()
	require.NoError(p.t, json.NewDecoder(response.Body).Decode(into))
}

// startPrometheus runs one by deploy's configuration, but in haste, over some addresses.
func startPrometheus(t *testing.T, addresses map[string]string) prometheus {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("Prometheus isn't installed: scripts/setup.sh prometheus")
	}
	dir := localtest.Folder(t)
	for _, name := range []string{"prometheus.yml", "alerts.yml"} {
		text, err := os.ReadFile(filepath.Join(rules, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), bytes.ReplaceAll(text, []byte("interval: 15s"), []byte("interval: 1s")), 0o600))
	}
	var targets []map[string]any
	for app, address := range addresses {
		targets = append(targets, map[string]any{"targets": []string{address}, "labels": map[string]string{"app": app}})
	}
	text, err := json.Marshal(targets)
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "targets"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "targets", "services.json"), text, 0o600))
	at := freeAddress(t)
	run(t, exec.Command(path, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+at))
	waitFor(t, "http://"+at+"/-/ready")
	return prometheus{t, "http://" + at}
}

// run starts a program and ends it with the test.
func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var said bytes.Buffer
	cmd.Stderr = &said
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
		err := cmd.Wait()
		if cmd.ProcessState.ExitCode() != 130 { // which tenantctl operator says when it was told to end
			require.NoError(t, err, said.String())
		}
	})
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func waitFor(t *testing.T, url string) {
	t.Helper()
	require.Eventually(t, func() bool {
		response, err := http.Get(url) //nolint:gosec // of this test's own programs
		if err != nil {
			return false
		}
		defer func() { _ = response.Body.Close() }()
		return response.StatusCode == http.StatusOK
	}, time.Minute, 50*time.Millisecond, url)
}

// Every metric and label that an alert or a dashboard names is there when Prometheus asks a platform that runs, and every expression can be
// evaluated by it.
func TestAlertsAndDashboardsNameWhatIsThere(t *testing.T) {
	t.Parallel()
	text := "broker: { url: \"${AMQP_URL}\", namespace: " + strings.ToLower(rand.Text()) + " }\n" +
		"services: { bus: {}, jobs: {}, users: {}, auth: {}, core: {}, notifications: {}, messaging: {} }\ntenants: { acme: {} }\n"
	s := openStage(t, text, "AMQP_URL="+localtest.Broker(t).URL())
	s.tenantctl("", "provision", "--all")
	gateway, operator := freeAddress(t), freeAddress(t)
	s.serve("all", "--admin-listen", gateway)
	run(t, s.command("operator", "--listen", operator))
	waitFor(t, "http://"+operator+"/readyz")
	addresses := map[string]string{"gateway": gateway, "operator": operator}
	var running struct {
		Items []struct{ Service, URL string }
	}
	require.NoError(t, json.Unmarshal([]byte(s.tenantctl("", "services", "-o", "json")), &running))
	for _, item := range running.Items {
		if item.Service != "gateway" && item.Service != "operator" {
			addresses[item.Service] = strings.TrimPrefix(item.URL, "http://")
		}
	}
	require.Len(t, addresses, 7)
	p := startPrometheus(t, addresses)

	s.tenantctl(password, "user", "add", "acme", "admin", "--role", "admin", "--password-stdin")
	s.tokens["acme"] = s.login("acme")
	s.create("acme", "/v1/customers", `{"code":"c","name":"c"}`, "code")
	s.create("acme", "/v1/orders", `{"customer_code":"c"}`, "id")
	got := s.send(request{method: "POST", path: "/v1/statements", host: host("acme"), token: s.tokens["acme"], body: `{"month":"2026-10"}`})
	require.Equal(t, http.StatusAccepted, got.status, got.body)
	require.Equal(t, http.StatusNotFound, s.send(request{method: "GET", path: "/v1/orders", host: host("nobody")}).status)

	file := filepath.Join(s.dir, "tenants.yaml")
	declared, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, bytes.Replace(declared, []byte("acme: {}"), []byte("acme: {}, beta: {}"), 1), 0o600)) // work for the operator

	for purpose, expression := range expressions(t) {
		p.query(expression)
		metrics := named(expression)
		require.NotEmpty(t, metrics, "%s: %s", purpose, expression)
		for name, labels := range metrics {
			for _, label := range append(labels, "job") {
				require.Eventually(t, func() bool { return p.query(name+`{`+label+`!=""}`) > 0 }, 30*time.Second, 200*time.Millisecond,
					"%s: %s has no label %s", purpose, name, label)
			}
		}
	}
	require.Zero(t, p.query(`up == 0`))
	var evaluated struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError, State string }
			}
		}
	}
	require.Eventually(t, func() bool {
		p.get("/api/v1/rules", &evaluated)
		return !slices.ContainsFunc(evaluated.Data.Groups[0].Rules, func(r struct{ Name, Health, LastError, State string }) bool { return r.Health != "ok" })
	}, 30*time.Second, 200*time.Millisecond, "%+v", &evaluated)
	for _, rule := range evaluated.Data.Groups[0].Rules {
		require.Equal(t, "inactive", rule.State, "%s, although nothing is wrong", rule.Name)
	}
}
