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
	"tenantctl/internal/tenant"
)

// Superuser is the administrator of every private server.
const Superuser = "tenantctl"

const (
	readyTimeout = 60 * time.Second
	startTries   = 5
)

// Postgres is one private server. Its methods are for one goroutine at a time.
type Postgres struct {
	// DataDir and LogFile lie under the folder that the server was made in.
	DataDir, LogFile string
	// SocketDir has the Unix socket; empty where its path would be too long, then there is TCP only.
	SocketDir string
	// Port listens on 127.0.0.1. It stays the same over restarts.
	Port int

	dir         string
	major       int // of the data; 0 until it is started the first time
	owner       account
	password    string
	settings    map[string]string
	environment []string
	process     *process
}

// DSN is the connection string of a database for the superuser.
func (p *Postgres) DSN(database string) string { return p.DSNAs(Superuser, p.password, database) }

// DSNAs is the connection string of a database for another role.
func (p *Postgres) DSNAs(role, password, database string) string {
	dsn := url.URL{
		Scheme: "postgres", User: url.UserPassword(role, password), Host: localAddress(p.Port),
		Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return dsn.String()
}

// Start starts a server that doesn't run and waits until it takes connections.
func (p *Postgres) Start(ctx context.Context) error {
	if err := p.clearStaleLock(); err != nil {
		return err
	}
	if err := p.writeSettings(); err != nil {
		return err
	}
	tools, err := p.programs()
	if err != nil {
		return err
	}
	//nolint:noctx // the server outlives the context that it was started under
	cmd := exec.Command(filepath.Join(tools.Bin, "postgres"), "-D", p.DataDir)
	cmd.Dir = p.DataDir
	cmd.Env = append(serverEnvironment(p.DataDir), p.environment...)
	if p.process, err = launch(cmd, p.owner, p.LogFile, p.DataDir); err != nil {
		return err
	}
	if err := p.waitReady(ctx); err != nil {
		return errors.Join(err, p.process.end(ctx, syscall.SIGINT))
	}
	return nil
}

// programs are the server programs of the version that made the data.
func (p *Postgres) programs() (postgres.Tools, error) {
	content, err := os.ReadFile(filepath.Join(p.DataDir, "PG_VERSION"))
	if err != nil {
		return postgres.Tools{}, fmt.Errorf("read version of the data folder: %w", err)
	}
	if p.major, err = strconv.Atoi(strings.TrimSpace(string(content))); err != nil {
		return postgres.Tools{}, fmt.Errorf("read version of the data folder: %w", err)
	}
	tools, err := postgres.FindServer(p.major)
	if err != nil {
		return postgres.Tools{}, tenant.WithHint(fmt.Errorf("start the private PostgreSQL: %w", err),
			"or drop the data of the older version: `tenantctl local down`")
	}
	return tools, nil
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

func (p *Postgres) end(ctx context.Context, how syscall.Signal) error {
	if err := p.process.end(ctx, how); err != nil {
		return fmt.Errorf("stop the private PostgreSQL: %w", err)
	}
	return nil
}

// PID is the postmaster's process id, 0 where the server doesn't run.
func (p *Postgres) PID() int {
	if !p.process.running() {
		return 0
	}
	return p.process.pid
}

// Ping opens a session and closes it.
func (p *Postgres) Ping(ctx context.Context) error {
	conn, err := postgres.Connect(ctx, p.DSN("postgres"), postgres.Options{Application: "local"})
	if err != nil {
		return err
	}
	return conn.Close(ctx)
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
		if errors.Is(err, tenant.ErrAuth) {
			return err
		}
		if !p.process.running() {
			return fmt.Errorf("the private PostgreSQL ended while starting: %s", logTail(p.LogFile))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the private PostgreSQL (log: %s): %w: %w", p.LogFile, ctx.Err(), err)
		case <-time.After(pollInterval):
		}
	}
}

// startOnFreePort starts on another port where the one found was taken in the meantime.
func (p *Postgres) startOnFreePort(ctx context.Context) error {
	var failures []error
	for range startTries {
		port, err := freePort()
		if err != nil {
			return err
		}
		p.Port = port
		if err = p.Start(ctx); err == nil {
			return nil
		}
		failures = append(failures, err)
		if !strings.Contains(err.Error(), "could not create any TCP/IP sockets") {
			break
		}
	}
	return errors.Join(failures...)
}

// attach finds the postmaster that runs on the data, whoever started it, by the lock file that it keeps: pid in its first line,
// port in its fourth.
func (p *Postgres) attach() error {
	content, err := os.ReadFile(p.lockFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read server lock file: %w", err)
	}
	lines := strings.Split(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || !runsWith(pid, p.DataDir) {
		return nil
	}
	p.process = &process{pid: pid, word: p.DataDir}
	if len(lines) > 3 {
		if port, err := strconv.Atoi(strings.TrimSpace(lines[3])); err == nil {
			p.Port = port
		}
	}
	return nil
}

// clearStaleLock removes the lock file that a power cut leaves behind: its pid may be another program's by now, and the
// server would refuse to start.
func (p *Postgres) clearStaleLock() error {
	content, err := os.ReadFile(p.lockFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read server lock file: %w", err)
	}
	line, _, _ := bytes.Cut(content, []byte("\n"))
	if pid, err := strconv.Atoi(strings.TrimSpace(string(line))); err == nil && runsWith(pid, p.DataDir) {
		return fmt.Errorf("start the private PostgreSQL: it runs already (pid %d): %w", pid, tenant.ErrConflict)
	}
	if err := os.Remove(p.lockFile()); err != nil {
		return fmt.Errorf("remove stale server lock file: %w", err)
	}
	return nil
}

func (p *Postgres) lockFile() string { return filepath.Join(p.DataDir, "postmaster.pid") }
