package bench_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/token"
	"tenantctl/internal/tenant"
)

const (
	servedTenants  = 500
	servedRequests = 5_000
	servedClients  = 8
	// servedMemory is what all services in one process may take after they have met every tenant of a cell: each keeps what the records say of it.
	servedMemory = 64 // MB
)

// BenchmarkServeAll is the program as people run it on one machine: how many requests a second go through gateway and core to PostgreSQL
// and back, of 500 tenants in turn, and how much memory the process takes before and after it has met them.
func BenchmarkServeAll(b *testing.B) {
	for b.Loop() {
		p := newProduct(setup(b))
		count := scaled(b, servedTenants)
		declared := "services: { users: {}, auth: {}, core: {} }\ntenants:\n"
		for i := range count {
			declared += fmt.Sprintf("  t%d: { limits: { requestsPerSecond: 1000000 } }\n", i)
		}
		target, drop := p.fresh()
		p.env = append(p.env, "SHARED_1_DSN="+target)
		p.file("tenants.yaml", fmt.Sprintf("version: 1\ninstances: { shared-1: { dsn: \"${SHARED_1_DSN}\", rolePrefix: %s } }\n", localtest.PrefixOn(b, p.target))+declared)
		p.tenantctl("", target, "provision", "--all")
		url, pid, end := p.serveAll()
		tokens := p.tokens(count)
		before := residentAnonymous(b, pid)
		first := p.request(url, tokens, count)
		met := residentAnonymous(b, pid)
		requests := scaled(b, servedRequests)
		took := p.request(url, tokens, requests)
		fmt.Printf("\n  serve all: %.0f requests a second (%d of %d tenants by %d clients), the first of each tenant in %v; %.0f MB before, %.0f MB once all were met, %.0f MB at the end\n",
			float64(requests)/took.Seconds(), requests, count, servedClients, first.Round(time.Millisecond), before, met, residentAnonymous(b, pid))
		b.ReportMetric(float64(requests)/took.Seconds(), "requests/s")
		announce(b, "serve-all-MB", residentAnonymous(b, pid), servedMemory)
		end()
		drop()
	}
}

// tokens are those of users of t0, t1 and so on, who may do anything.
func (p *product) tokens(count int) []string {
	p.b.Helper()
	keys, err := token.OpenKeyring(p.dir+"/.tenantctl/keys", token.KeyringOptions{})
	require.NoError(p.b, err)
	tokens := make([]string, count)
	for i := range tokens {
		tokens[i], err = keys.Sign(token.Claims{Tenant: tenant.Name(fmt.Sprintf("t%d", i)), Subject: "1", Use: token.Access, Permissions: []string{"*"}, Expires: time.Now().Add(time.Hour)})
		require.NoError(p.b, err)
	}
	return tokens
}

// request lists customers of the tenants in turn.
func (p *product) request(url string, tokens []string, requests int) time.Duration {
	p.b.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: servedClients}
	defer transport.CloseIdleConnections()
	client, began := &http.Client{Transport: transport}, time.Now()
	var group errgroup.Group
	for c := range servedClients {
		group.Go(func() error {
			for i := c; i < requests; i += servedClients {
				r, err := http.NewRequestWithContext(p.b.Context(), http.MethodGet, url+"/v1/customers?limit=10", http.NoBody)
				if err != nil {
					return err
				}
				r.Header.Set("Authorization", "Bearer "+tokens[i%len(tokens)])
				answer, err := client.Do(r)
				if err != nil {
					return err
				}
				_ = answer.Body.Close()
				if answer.StatusCode != http.StatusOK {
					return fmt.Errorf("answered %s", answer.Status)
				}
			}
			return nil
		})
	}
	require.NoError(p.b, group.Wait())
	return time.Since(began)
}

var servedAt = regexp.MustCompile(`at (http://\S+)`)

// serveAll runs the services until end is called.
func (p *product) serveAll() (url string, pid int, end func()) {
	p.b.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(p.b.Context()), p.binary, "serve", "all", "--listen", "127.0.0.1:0") //nolint:gosec // the program that is measured
	cmd.Dir, cmd.Env = p.dir, p.env
	said, err := cmd.StderrPipe()
	require.NoError(p.b, err)
	require.NoError(p.b, cmd.Start())
	lines := bufio.NewScanner(said)
	for url == "" && lines.Scan() {
		if found := servedAt.FindStringSubmatch(lines.Text()); found != nil {
			url = found[1]
		}
	}
	require.NotEmpty(p.b, url, "the services don't start")
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "{") && !strings.Contains(lines.Text(), `"level":"ERROR"`) {
				continue // a line of its log
			}
			_, _ = fmt.Fprintln(os.Stderr, lines.Text())
		}
	}()
	require.Eventually(p.b, func() bool {
		answer, err := http.Get(url + "/readyz")
		if err != nil {
			return false
		}
		defer func() { _ = answer.Body.Close() }()
		return answer.StatusCode == http.StatusOK
	}, time.Minute, 50*time.Millisecond)
	return url, cmd.Process.Pid, func() {
		require.NoError(p.b, cmd.Process.Signal(os.Interrupt))
		<-read
		require.NoError(p.b, cmd.Wait())
	}
}
