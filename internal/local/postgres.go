package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tenantctl/internal/postgres"
)

const (
	readyTimeout = 60 * time.Second
	stopTimeout  = 30 * time.Second
	pollInterval = 10 * time.Millisecond
	startTries   = 5
)

// Postgres is one private server.
type Postgres struct {
	// DataDir, SocketDir and LogFile lie under the folder the server was made in.
	DataDir, SocketDir, LogFile string
	// Port listens on 127.0.0.1. It stays the same over restarts.
	Port int

	tools    postgres.Tools
	owner    account
	password string
	settings map[string]string
	pid      int
	ended    chan struct{} // closed when a postmaster that this process started has ended
}

// DSN is the connection string of a database for the superuser.
func (p *Postgres) DSN(database string) string { return p.DSNAs(Superuser, p.password, database) }

// DSNAs is the connection string of a database for another role.
func (p *Postgres) DSNAs(role, password, database string) string {
	dsn := url.URL{
		Scheme: "postgres", User: url.UserPassword(role, password), Host: "127.0.0.1:" + strconv.Itoa(p.Port),
		Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return dsn.String()
}

// Start starts a server that doesn't run and waits until it takes connections.
func (p *Postgres) Start(ctx context.Context) error {
	if err := p.clearStalePID(); err != nil {
		return err
	}
	if err := p.launch(); err != nil {
		return err
	}
	if err := p.waitReady(ctx); err != nil {
		return errors.Join(err, p.signal(syscall.SIGQUIT))
	}
	return nil
}

// Stop ends the server: sessions are cut off, what was committed stays.
func (p *Postgres) Stop(ctx context.Context) error { return p.end(ctx, syscall.SIGINT) }

// Kill ends the server as a crash would: the next start recovers from the WAL.
func (p *Postgres) Kill(ctx context.Context) error { return p.end(ctx, syscall.SIGQUIT) }

// Restart stops the server and starts it on the same port.
func (p *Postgres) Restart(ctx context.Context) error {
	if err := p.Stop(ctx); err != nil {
		return err
	}
	return p.Start(ctx)
}

// launch starts the postmaster, without waiting for it to be ready.
func (p *Postgres) launch() error {
	if err := p.writeSettings(); err != nil {
		return err
	}
	log, err := os.OpenFile(p.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open server log: %w", err)
	}
	defer func() { _ = log.Close() }()
	//nolint:noctx // the server outlives the context that it was started under
	cmd := exec.Command(filepath.Join(p.tools.Bin, "postgres"), "-D", p.DataDir)
	cmd.Dir = p.DataDir
	cmd.Env = serverEnvironment(p.DataDir)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = p.owner.attributes()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	p.pid = cmd.Process.Pid
	ended := make(chan struct{})
	p.ended = ended
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(ended)
	}()
	return nil
}

// waitReady waits until a session opens, the server ends, or time is up.
func (p *Postgres) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		err := p.Ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("the private PostgreSQL ended while starting: %s", p.logTail())
		case <-ctx.Done():
			return fmt.Errorf("wait for the private PostgreSQL: %w; its log ends: %s", errors.Join(ctx.Err(), err), p.logTail())
		case <-time.After(pollInterval):
		}
	}
}

// Ping opens a session and closes it.
func (p *Postgres) Ping(ctx context.Context) error {
	conn, err := postgres.Connect(ctx, p.DSN("postgres"), postgres.Options{Application: "local"})
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// end signals the postmaster and waits until it is gone; one that doesn't end in time is killed.
func (p *Postgres) end(ctx context.Context, how syscall.Signal) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := p.signal(how); err != nil {
		return err
	}
	for p.running() {
		select {
		case <-ctx.Done():
			if err := p.signal(syscall.SIGKILL); err != nil {
				return err
			}
			return fmt.Errorf("stop the private PostgreSQL (pid %d): killed after %s", p.pid, stopTimeout)
		case <-time.After(pollInterval):
		}
	}
	return nil
}

// signal sends a signal to the postmaster if it runs.
func (p *Postgres) signal(signal syscall.Signal) error {
	if !p.running() {
		return nil
	}
	if err := syscall.Kill(p.pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal the private PostgreSQL (pid %d): %w", p.pid, err)
	}
	return nil
}

// running tells whether the postmaster lives. A pid that now belongs to another program doesn't count.
func (p *Postgres) running() bool {
	if p.ended != nil {
		select {
		case <-p.ended:
			return false
		default:
			return true
		}
	}
	return p.pid > 0 && runsWith(p.pid, p.DataDir)
}

// clearStalePID removes the lock file that a machine's power cut leaves behind: its pid may be another program's by now,
// and the server would refuse to start.
func (p *Postgres) clearStalePID() error {
	path := filepath.Join(p.DataDir, "postmaster.pid")
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read server lock file: %w", err)
	}
	line, _, _ := bytes.Cut(content, []byte("\n"))
	pid, err := strconv.Atoi(strings.TrimSpace(string(line)))
	if err == nil && runsWith(pid, p.DataDir) {
		return nil // the server says itself what is wrong
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove stale server lock file: %w", err)
	}
	return nil
}

const logTailBytes = 1500

// logTail is the end of the server's log, for errors.
func (p *Postgres) logTail() string {
	content, err := os.ReadFile(p.LogFile)
	if err != nil {
		return err.Error()
	}
	if len(content) > logTailBytes {
		content = content[len(content)-logTailBytes:]
	}
	return strings.TrimSpace(string(content))
}
