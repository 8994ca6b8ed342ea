package gate

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/upgrade"
)

// exporter shows what services with tenants at two versions would: requests that grow with time, one in ten of which auth answers
// with 500 and late at version 12, and a gauge that moves from one version to the other.
type exporter struct {
	since    time.Time
	switched atomic.Bool
}

func (e *exporter) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	n := int(time.Since(e.since).Seconds() * 100)
	for _, service := range []string{"auth", "core"} {
		for _, version := range []int{11, 12} {
			labels := fmt.Sprintf(`service="%s",schema_version="%d"`, service, version)
			quick := n
			if service == "auth" && version == 12 {
				quick = n - n/10
				fmt.Fprintf(w, "http_requests_total{%s,code=\"500\"} %d\n", labels, n/10)
			}
			fmt.Fprintf(w, "http_requests_total{%s,code=\"200\"} %d\n", labels, quick)
			for _, bucket := range []struct {
				le    string
				count int
			}{{"0.05", quick}, {"1", n}, {"+Inf", n}} {
				fmt.Fprintf(w, "http_request_duration_seconds_bucket{%s,le=\"%s\"} %d\n", labels, bucket.le, bucket.count)
			}
		}
	}
	if e.switched.Load() {
		fmt.Fprintln(w, `depth{schema_version="12"} 9`)
	} else {
		fmt.Fprintln(w, `depth{schema_version="11"} 3`)
	}
}

// startPrometheus runs the program where it is installed, on a free port.
func startPrometheus(t *testing.T, target string) string {
	t.Helper()
	program, err := osexec.LookPath("prometheus")
	if err != nil {
		t.Skip("needs prometheus in the PATH")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(file, []byte("global: { scrape_interval: 500ms, scrape_timeout: 400ms }\nscrape_configs:\n"+
		"  - { job_name: services, static_configs: [ { targets: [ '"+target+"' ] } ] }\n"), 0o600))
	cmd := osexec.Command(program, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	log, err := os.Create(filepath.Join(dir, "log"))
	require.NoError(t, err)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		_ = log.Close()
	})
	return "http://" + address
}

func TestRealPrometheus(t *testing.T) {
	t.Parallel()
	e := &exporter{since: time.Now()}
	services := serve(t, e.ServeHTTP)
	address := startPrometheus(t, strings.TrimPrefix(services.URL, "http://"))
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	look := func(options string, p upgrade.Passage) upgrade.Judgement {
		declared := gatesOf(t, `metrics: [ { prometheus: "`+address+`", `+options+` } ]`).Metrics[0]
		source, err := newPrometheus(declared, literal(""), newAsker(client))
		require.NoError(t, err)
		j, _, err := (&metrics{check: declared, source: source}).look(context.Background(), p)
		require.NoError(t, err)
		t.Log(j.Verdict, j.Message)
		return j
	}
	core, auth := passage(), passage()
	auth.Targets = []upgrade.Target{{Service: "auth", Version: 12}}
	require.Eventually(t, func() bool { return look("name: errors", core).Verdict == upgrade.Pass }, time.Minute, time.Second)
	require.Equal(t, upgrade.Pass, look("name: latency", core).Verdict)
	require.Equal(t, upgrade.Fail, look("name: errors", auth).Verdict)
	require.Equal(t, upgrade.Fail, look("name: latency", auth).Verdict)

	bad := look(`name: bad, query: "rate(http_requests_total{service='{service}'}["`, core)
	require.Equal(t, upgrade.Inconclusive, bad.Verdict)
	require.Contains(t, bad.Message, "it answered 400, bad_data: ")
	require.Contains(t, look(`name: text, query: "sum(up)", service: core`, core).Message, "no label schema_version")
	require.Contains(t, look(`name: scalar, query: "1", service: core`, core).Message, "the query gives a scalar, not a vector")
	require.Contains(t, look(`name: many, query: "http_requests_total{service='{service}'}"`, auth).Message, "several series for schema_version 12")
	auth.Targets[0].Version = 13
	require.Contains(t, look("name: errors", auth).Message, "of tenants at version 13 there are no series")

	// The last wave leaves nobody at the older version: those of before it are remembered.
	const depth = `name: depth, query: "sum by (schema_version) (depth)", service: core, minSamples: 0`
	core.Began = time.Now()
	e.switched.Store(true)
	var j upgrade.Judgement
	require.Eventually(t, func() bool { j = look(depth, core); return j.Verdict == upgrade.Fail }, time.Minute, 500*time.Millisecond)
	require.Contains(t, j.Message, "depth of core at version 12 is 9, against 3 of core at version 11, before the wave")
}
