package bench_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
)

const (
	resyncBar    = 5.0 // seconds
	residentBar  = 200 // MB
	operatorWait = 3 * time.Minute
	countPause   = 200 * time.Millisecond // to count takes the server from what is counted
)

// BenchmarkOperatorNewTenants is 500 new tenants in tenants.yaml: `tenantctl provision` of all of them, as a process, against an
// operator that runs, from the write of the file to the last of them made. Both have one tenant already.
func BenchmarkOperatorNewTenants(b *testing.B) {
	for b.Loop() {
		p := newProduct(setup(b))
		var operator, provision []time.Duration
		turns := []func(){
			func() { operator = append(operator, p.byOperator(scaled(b, 500))) },
			func() { provision = append(provision, p.byProvision(scaled(b, 500))) },
		}
		for range rounds(b) {
			for _, turn := range turns {
				turn()
			}
			slices.Reverse(turns)
		}
		fmt.Printf("\n  operator: %s s, provision: %s s, %d tenants each\n", seconds(operator), seconds(provision), scaled(b, 500))
		announce(b, "operator/provision", median(operator).Seconds()/median(provision).Seconds(), 1.0)
	}
}

// BenchmarkOperatorResync is an operator over 10,000 tenants that are as declared: how long it compares them, and what memory the
// process took at its highest. Their instance can't be reached, since a look at it isn't part of this.
func BenchmarkOperatorResync(b *testing.B) {
	for b.Loop() {
		p := newProduct(setup(b))
		target, drop := p.fresh()
		prefix := localtest.PrefixOn(b, p.target)
		p.declareMany(prefix, 0, "instance: shared-1")
		p.tenantctl("", target, "provision", "before")
		tenants := scaled(b, 10_000)
		p.script(target, fmt.Sprintf(`
			insert into tenantctl.tenant (name, instance, schema, ring, limits, versions, services)
			select 't-' || i, 'far', 'tenant_t_' || i, ring, limits, versions, services from tenantctl.tenant, generate_series(1, %d) i where name = 'before';
			insert into tenantctl.route (tenant, target, epoch, actor)
			select name, 'platform', 100 + row_number() over (), 'bench' from tenantctl.tenant where instance = 'far'; analyze`, tenants))
		p.declareMany(prefix, tenants, "instance: far")
		o := p.operate(target, "--resync", "1s")
		o.until(func() bool { return o.metric("scan_duration_seconds_count") >= 6 })
		mean := o.metric("scan_duration_seconds_sum") / o.metric("scan_duration_seconds_count")
		settled, resident := o.metric(`tenants{state="settled"}`), o.resident()
		o.end()
		drop()
		require.EqualValues(b, tenants+1, settled, "tenants that are as declared")
		fmt.Printf("\n  resync of %d tenants: %.2f s, the process at most %d MB\n", tenants, mean, resident)
		announce(b, "resync-s", mean, resyncBar)
		announce(b, "resync-MB", float64(resident), residentBar)
	}
}

// byProvision makes n new tenants by the command.
func (p *product) byProvision(n int) time.Duration {
	target, _ := p.fresh()
	prefix := localtest.PrefixOn(p.b, p.target) // roles are the whole server's
	p.declareMany(prefix, 0, "instance: shared-1")
	p.tenantctl("", target, "provision", "before")
	p.declareMany(prefix, n, "instance: shared-1")
	p.settle()
	took := p.tenantctl("", target, "provision", "--all").elapsed
	made, done := p.watchMade(target)
	defer done()
	count, _ := made()
	require.Equal(p.b, n+1, count)
	return took
}

// byOperator declares n new tenants to an operator that runs.
func (p *product) byOperator(n int) time.Duration {
	target, _ := p.fresh()
	prefix := localtest.PrefixOn(p.b, p.target) // roles are the whole server's
	p.declareMany(prefix, 0, "instance: shared-1")
	p.tenantctl("", target, "provision", "before")
	o := p.operate(target)
	o.until(func() bool { return o.metric(`tenants{state="settled"}`) == 1 })
	p.settle()
	made, done := p.watchMade(target)
	defer done()
	p.declareMany(prefix, n, "instance: shared-1")
	began := time.Now()
	var last time.Time
	o.until(func() bool {
		time.Sleep(countPause)
		count, at := made()
		last = at
		return count == n+1
	})
	o.end()
	return last.Sub(began)
}

// declareMany declares a tenant of the service core, and n more. The file is replaced as a whole.
func (p *product) declareMany(prefix string, n int, more string) {
	var text strings.Builder
	fmt.Fprintf(&text, `version: 1
control: { dsn: "${SHARED_1_DSN}" }
instances:
  shared-1: { dsn: "${SHARED_1_DSN}", rolePrefix: %s }
  far: { dsn: "postgres://nobody@127.0.0.1:1/far" }
services: { core: { migrations: builtin } }
tenants:
  before: { instance: shared-1 }
`, prefix)
	for i := range n {
		fmt.Fprintf(&text, "  t-%d: { %s }\n", i+1, more)
	}
	p.file("next.yaml", text.String())
	require.NoError(p.b, os.Rename(p.dir+"/next.yaml", p.dir+"/tenants.yaml"))
}

// watchMade gives what tells how many tenants were provisioned, and when the last of them was, by this machine's clock. It asks over
// one connection: to open them takes the server from what it measures.
func (p *product) watchMade(target string) (made func() (count int, last time.Time), done func()) {
	p.b.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, target)
	require.NoError(p.b, err)
	return func() (count int, last time.Time) {
		require.NoError(p.b, conn.QueryRow(ctx, `select count(*), max(at) from tenantctl.event where type = 'tenant.provisioned'`).Scan(&count, &last))
		return count, last
	}, func() { _ = conn.Close(ctx) }
}

// running is an operator that runs.
type running struct {
	*product
	cmd     *exec.Cmd
	said    chan struct{} // closed at its end
	address string
}

var answersAt = regexp.MustCompile(`status API at (http://\S+)`)

func (p *product) operate(target string, flags ...string) *running {
	p.b.Helper()
	cmd := exec.Command(p.binary, append([]string{"operator", "--listen", "127.0.0.1:0", "--log-level", "info"}, flags...)...)
	cmd.Dir = p.dir
	cmd.Env = append(p.env, "SHARED_1_DSN="+target)
	messages, err := cmd.StderrPipe()
	require.NoError(p.b, err)
	require.NoError(p.b, cmd.Start())
	p.b.Cleanup(func() { _ = cmd.Process.Kill() }) // it has ended, unless the benchmark failed
	r := &running{product: p, cmd: cmd, said: make(chan struct{})}
	address := make(chan string, 1)
	go func() {
		defer close(r.said)
		for lines := bufio.NewScanner(messages); lines.Scan(); {
			if found := answersAt.FindStringSubmatch(lines.Text()); found != nil {
				address <- found[1]
			}
		}
	}()
	select {
	case r.address = <-address:
	case <-r.said:
		require.Fail(p.b, "the operator ended")
	}
	return r
}

func (r *running) end() {
	r.b.Helper()
	require.NoError(r.b, r.cmd.Process.Signal(os.Interrupt))
	<-r.said
	_ = r.cmd.Wait() // by the signal
}

func (r *running) until(is func() bool) {
	r.b.Helper()
	for end := time.Now().Add(operatorWait); !is(); time.Sleep(50 * time.Millisecond) {
		require.True(r.b, time.Now().Before(end), "the operator doesn't come to it")
	}
}

// metric is one of the operator's, -1 while it has none.
func (r *running) metric(name string) float64 {
	r.b.Helper()
	answer, err := http.Get(r.address + "/metrics")
	require.NoError(r.b, err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(r.b, err)
	_, after, found := strings.Cut(string(text), "\ntenantctl_operator_"+name+" ")
	if !found {
		return -1
	}
	line, _, _ := strings.Cut(after, "\n")
	value, err := strconv.ParseFloat(line, 64)
	require.NoError(r.b, err)
	return value
}

// resident is the most memory that the process had so far, in MB.
func (r *running) resident() int {
	r.b.Helper()
	return mostResident(r.b, r.cmd.Process.Pid)
}

func mostResident(b *testing.B, pid int) int {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(b, err)
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	require.NotNil(b, found)
	kB, err := strconv.Atoi(string(found[1]))
	require.NoError(b, err)
	return kB >> 10
}
