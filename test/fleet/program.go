package fleet

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
)

// program is a server that a test starts beside PostgreSQL: as an unprivileged user, on a free port, in a folder of its own.
type program struct {
	path, dir string
	port      int
	args      []string
	process   *exec.Cmd
}

const patience = 20 * time.Second

// newProgram finds a program; the test is skipped where it isn't installed.
func newProgram(t testing.TB, name string) *program {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path = filepath.Join("/usr/sbin", name) // of Debian; not in everyone's path
		if _, err := os.Stat(path); err != nil {
			t.Skipf("%s is not installed: scripts/setup.sh installs it", name)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return &program{path: path, dir: localtest.Folder(t), port: listener.Addr().(*net.TCPAddr).Port}
}

// file writes one that the program may read.
func (p *program) file(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(p.dir, name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	return path
}

// start runs the program until it answers; it ends with t.
func (p *program) start(t testing.TB) {
	t.Helper()
	p.process = exec.Command(p.path, p.args...)
	p.process.Dir = p.dir
	p.process.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: unprivileged(t)}
	log, err := os.Create(filepath.Join(p.dir, "log"))
	require.NoError(t, err)
	defer log.Close()
	p.process.Stdout, p.process.Stderr = log, log
	require.NoError(t, p.process.Start())
	t.Cleanup(func() { p.stop(t) })
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", p.address(), time.Second)
		if err == nil {
			require.NoError(t, conn.Close())
			return
		}
		text, _ := os.ReadFile(log.Name())
		require.True(t, time.Now().Before(end), "%s doesn't answer: %s", p.path, text)
	}
}

func (p *program) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }

// stop ends the program, and may be called again.
func (p *program) stop(t testing.TB) {
	t.Helper()
	if p.process == nil {
		return
	}
	kill := time.AfterFunc(patience, func() { _ = p.process.Process.Kill() })
	defer kill.Stop()
	require.NoError(t, p.process.Process.Signal(syscall.SIGINT))
	err := p.process.Wait()
	var exit *exec.ExitError
	require.True(t, err == nil || errors.As(err, &exit), err)
	p.process = nil
}

// unprivileged is who programs run as that refuse to be root; nil where this process isn't.
func unprivileged(t testing.TB) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		account, err = user.Lookup("nobody")
	}
	require.NoError(t, err)
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	require.NoError(t, err)
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	require.NoError(t, err)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
