package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/cli"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
)

// person sits at a terminal: a real one, of which the test holds the other end.
type person struct {
	t      *testing.T
	screen *os.File // the terminal's other end
	slave  *os.File
	done   chan int

	mutex sync.Mutex
	seen  bytes.Buffer
	from  int // what was waited for already
	more  chan struct{}
}

// sits runs a command line at a terminal of 100 columns.
func sits(t *testing.T, args []string, environ ...string) *person {
	t.Helper()
	screen, slave := localtest.Terminal(t, 100, 24)
	p := &person{t: t, screen: screen, slave: slave, done: make(chan int, 1), more: make(chan struct{}, 1)}
	go p.watch()
	go func() {
		p.done <- cli.Main(args, slave, slave, slave, append([]string{"TERM=xterm"}, environ...)...)
	}()
	return p
}

func (p *person) watch() {
	buffer := make([]byte, 4096)
	for {
		n, err := p.screen.Read(buffer)
		p.mutex.Lock()
		p.seen.Write(buffer[:n])
		p.mutex.Unlock()
		select {
		case p.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// sees waits until the text shows.
func (p *person) sees(text string) *person {
	p.t.Helper()
	timeout := time.After(patience)
	for {
		p.mutex.Lock()
		at := strings.Index(p.seen.String()[p.from:], text)
		if at >= 0 {
			p.from += at + len(text)
			p.mutex.Unlock()
			return p
		}
		whole := p.seen.String()
		p.mutex.Unlock()
		select {
		case <-p.more:
		case <-timeout:
			require.FailNow(p.t, "never saw "+text, whole)
		}
	}
}

func (p *person) types(text string) *person {
	p.t.Helper()
	_, err := p.screen.WriteString(text + "\n")
	require.NoError(p.t, err)
	return p
}

// ends waits for the command's end and returns all that was on the screen.
func (p *person) ends(code int) string {
	p.t.Helper()
	select {
	case got := <-p.done:
		_, err := p.slave.WriteString(theEnd) // behind all that the command wrote
		require.NoError(p.t, err)
		p.sees(theEnd)
		p.mutex.Lock()
		defer p.mutex.Unlock()
		require.Equal(p.t, code, got, p.seen.String())
		return strings.TrimSuffix(p.seen.String(), theEnd)
	case <-time.After(patience):
		require.FailNow(p.t, "doesn't end")
	}
	return ""
}

const theEnd = "<the end>"

func TestInitAsks(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "tenants.yaml")
	p := sits(t, []string{"init", "-f", file})
	p.sees("Name of your shared PostgreSQL instance").types("shared-1")
	p.sees("Clients to move here").types("client-x, client-y")
	p.sees("Builtin services").sees("[users auth core]").types("")
	p.sees("wrote " + file)
	p.ends(0)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, line := range []string{"shared-1:", "dsn: ${SHARED_1_DSN}", "client-y:", "dsn: ${CLIENT_Y_DSN}", "core: { migrations: builtin }"} {
		require.Contains(t, string(text), line)
	}
	require.Contains(t, sits(t, []string{"init", "-f", file, "--no-input"}).ends(6), "is there already")
}

func TestApplyAndDeleteAskAPerson(t *testing.T) {
	t.Parallel()
	dsn := "SHARED_1_DSN=" + localtest.Database(t)
	file := filepath.Join(t.TempDir(), "tenants.yaml")
	text := "version: 1\ninstances: { shared-1: { dsn: \"${SHARED_1_DSN}\", rolePrefix: " + localtest.Prefix(t) + " } }\ntenants: { client-a: {} }\n"
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))

	p := sits(t, []string{"apply", "-f", file}, dsn)
	p.sees("client-a: create in shared-1/tenant_client_a").sees("Apply this? (yes/no): ").types("no")
	require.Contains(t, p.ends(3), "not confirmed, nothing was done")
	p = sits(t, []string{"apply", "-f", file}, dsn)
	p.sees("Apply this?").types("y")
	screen := p.ends(0)
	require.Contains(t, screen, "\x1b[32mdone\x1b[0m", "in green")
	require.NotContains(t, sits(t, []string{"status", "-f", file}, dsn, "NO_COLOR=1").ends(0), "\x1b[")
	require.NotContains(t, sits(t, []string{"status", "-f", file, "--no-color"}, dsn).ends(0), "\x1b[")

	p = sits(t, []string{"delete", "client-a", "-f", file, "--no-archive"}, dsn)
	p.sees("removes tenant client-a with schema tenant_client_a on shared-1 for good; and nothing is kept")
	p.sees("Type the tenant's name to confirm: ").types("client-b")
	require.Contains(t, p.ends(3), "nothing was removed")
	p = sits(t, []string{"delete", "client-a", "-f", file, "--no-archive"}, dsn)
	p.sees("Type the tenant's name").types("client-a")
	require.Contains(t, p.ends(0), "client-a is removed")
}

func TestAMoveIsWatched(t *testing.T) {
	t.Parallel()
	source := localtest.Database(t)
	environ := []string{"SHARED_1_DSN=" + localtest.Database(t), "CLIENT_X_DSN=" + source, "XDG_STATE_HOME=" + localtest.Folder(t)}
	file := filepath.Join(t.TempDir(), "tenants.yaml")
	text := "version: 1\ninstances: { shared-1: { dsn: \"${SHARED_1_DSN}\", rolePrefix: " + localtest.Prefix(t) + " } }\n" +
		"tenants: { client-x: { legacy: { dsn: \"${CLIENT_X_DSN}\" } } }\n"
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	conn, err := postgres.Connect(t.Context(), source, postgres.Options{Application: "test"})
	require.NoError(t, err)
	require.NoError(t, postgres.Script(t.Context(), conn, `
		create table big (id int primary key, t text);
		insert into big select i, repeat(md5(i::text), 8) from generate_series(1, 20000) i; analyze`))
	require.NoError(t, conn.Close(t.Context()))

	p := sits(t, []string{"migrate", "client-x", "-f", file, "--max-rate", "4MB"}, environ...)
	p.sees("Go ahead? (yes/no): ").types("yes")
	p.sees("\x1b[32m✓\x1b[0m inspect").sees("public.big ").sees("█").sees("MB/s").sees("A\r\x1b[J").sees("\x1b[32m✓\x1b[0m copy").sees("client-x lives on the platform now")
	p.ends(0)
	back := sits(t, []string{"rollback", "client-x", "-f", file}, environ...).ends(0)
	require.Contains(t, back, "is back on its legacy database")
	plain := sits(t, []string{"migrate", "client-x", "-f", file, "--yes"}, append(environ, "TERM=dumb")...).ends(0)
	require.NotContains(t, plain, "\x1b[", "a terminal that can't move its cursor gets lines")
	require.Contains(t, plain, "✓ copy")
}
