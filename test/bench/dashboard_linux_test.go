package bench_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
)

// BenchmarkDashboard is from the start of the process to the first frame that shows 10,000 tenants, in a terminal that says what it
// is asked for at once, as terminals do; and the most memory that the process had until then.
func BenchmarkDashboard(b *testing.B) {
	const tenants = 10_000
	for b.Loop() {
		p := newProduct(setup(b))
		target, drop := p.fresh()
		p.file("tenants.yaml", fleet(tenants, localtest.PrefixOn(b, p.target)))
		p.tenantctl("", target, "provision", "t-00000")
		p.script(target, fmt.Sprintf(recordFleet, tenants-1))
		p.admin(p.target, "checkpoint")
		times := make([]time.Duration, attempts)
		most := 0
		for i := range times {
			var resident int
			times[i], resident = p.firstFrame(target, "10,000 tenants")
			most = max(most, resident)
		}
		within(b, "dashboard-10000", median(times), 300*time.Millisecond)
		announce(b, "dashboard-10000-MB", float64(most), 150)
		drop()
	}
}

// questions are those for a terminal's background, its cursor and its kind.
var questions = regexp.MustCompile(`\x1b\]11;\?|\x1b\[6n|\x1b\[c`)

var answers = map[string]string{"\x1b]11;?": "\x1b]11;rgb:0000/0000/0000\x1b\\", "\x1b[6n": "\x1b[1;1R", "\x1b[c": "\x1b[?62c"}

// firstFrame starts the dashboard, takes the time until a text shows and what memory that took, in MB, and has it leave.
func (p *product) firstFrame(target, text string) (took time.Duration, resident int) {
	p.b.Helper()
	screen, program := localtest.Terminal(p.b, 200, 60)
	cmd := exec.Command(p.binary, "dashboard")
	cmd.Dir, cmd.Env = p.dir, append(p.env, "SHARED_1_DSN="+target, "TERM=xterm-256color")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = program, program, program
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	began := time.Now()
	require.NoError(p.b, cmd.Start())
	watchdog := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()
	took = watch(p.b, screen, text, began)
	resident = mostResident(p.b, cmd.Process.Pid)
	_, err := screen.WriteString("q")
	require.NoError(p.b, err)
	go func() { _, _ = io.Copy(io.Discard, screen) }() // what it still draws; ends with the terminal
	require.NoError(p.b, cmd.Wait())
	return took, resident
}

// watch reads what a program draws until a text is among it, and answers its questions as a terminal does, each once and in their order:
// what isn't waited for is taken for keys.
func watch(b *testing.B, screen *os.File, text string, began time.Time) time.Duration {
	b.Helper()
	var seen []byte
	answered := 0
	buffer := make([]byte, 1<<16)
	for {
		n, err := screen.Read(buffer)
		require.NoError(b, err, "%s", seen)
		seen = append(seen, buffer[:n]...)
		if bytes.Contains(seen, []byte(text)) {
			return time.Since(began)
		}
		asked := questions.FindAll(seen, -1)
		for ; answered < len(asked); answered++ {
			_, err := screen.WriteString(answers[string(asked[answered])])
			require.NoError(b, err)
		}
	}
}
