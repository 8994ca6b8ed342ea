package faults

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
)

//go:embed testdata/legacy.sql
var legacySQL string

// setting is how a scene differs from the usual one: the shop of testdata/legacy.sql, lifted, on the shared server.
type setting struct {
	source, target string // connection strings; "": a fresh database
	server         *local.Postgres
	sql            string // what the legacy database holds; "": the shop
	mapping        string // of client-x, with the services' core; "": a lift
	initdb         bool   // throw-away servers begin with initdb, as a user's first one
}

// scene is a legacy database, an instance, and a folder from which somebody moves the one into the other.
type scene struct {
	t              testing.TB
	server         *local.Postgres // the instance's
	dir, prefix    string
	source, target string
	env            []string
}

func newScene(t testing.TB, given setting) *scene {
	t.Helper()
	if given.server == nil {
		given.server = localtest.Server(t)
	}
	if given.sql == "" {
		given.sql = legacySQL
	}
	s := &scene{t: t, server: given.server, source: given.source, target: given.target}
	s.dir = localtest.Folder(t)
	s.prefix = localtest.PrefixOn(t, given.server)
	if s.target == "" {
		s.target = localtest.DatabaseAs(t, localtest.DatabaseOptions{Server: given.server})
	}
	if s.source == "" {
		s.source = localtest.Database(t)
		s.exec(s.source, given.sql)
	}
	s.write(given.mapping)
	for _, folder := range []string{"tmp", "state"} {
		require.NoError(t, os.Mkdir(filepath.Join(s.dir, folder), 0o755)) //nolint:gosec // the servers' user passes through
	}
	if !given.initdb {
		localtest.ShareTemplates(t, filepath.Join(s.dir, "state"), s.dir)
	}
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "XDG_CACHE_HOME=" + cache, "XDG_STATE_HOME=" + filepath.Join(s.dir, "state"),
		"TMPDIR=" + filepath.Join(s.dir, "tmp"), "TZ=UTC", "SHARED_1_DSN=" + s.target, "CLIENT_X_DSN=" + s.source,
	}
	t.Cleanup(func() {
		done := s.run("", "local", "down")
		require.Zero(t, done.code, done.stderr)
	})
	return s
}

// write writes tenants.yaml, and the mapping where there is one.
func (s *scene) write(mapping string) {
	s.t.Helper()
	client, services := `{ services: [], legacy: { dsn: "${CLIENT_X_DSN}" } }`, "{ core: { migrations: builtin } }"
	if mapping != "" {
		client = `{ services: [core], legacy: { dsn: "${CLIENT_X_DSN}", mapping: client-x.yaml } }`
		require.NoError(s.t, os.WriteFile(filepath.Join(s.dir, "client-x.yaml"), []byte(mapping), 0o600))
	}
	file := fmt.Sprintf("version: 1\ninstances: { shared-1: { dsn: \"${SHARED_1_DSN}\", rolePrefix: %s } }\nservices: %s\ntenants:\n  client-x: %s\n  neighbor: {}\n",
		s.prefix, services, client)
	require.NoError(s.t, os.WriteFile(filepath.Join(s.dir, "tenants.yaml"), []byte(file), 0o600))
}

// ended is how a run of the program came to its end.
type ended struct {
	code           int // -1: by a signal
	signal         syscall.Signal
	stdout, stderr string
}

// process is a run of the program that may still be under way.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr strings.Builder
	done           chan struct{}
}

// start starts the program. kill is a moment of package pause at which it dies, "" for none.
func (s *scene) start(kill string, args ...string) *process {
	s.t.Helper()
	p := &process{cmd: exec.Command(program(s.t), args...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = s.dir, append(s.env[:len(s.env):len(s.env)], "TENANTCTL_KILL_AT="+kill)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	// What the program started itself may outlive it and hold the pipes.
	p.cmd.WaitDelay = time.Second
	require.NoError(s.t, p.cmd.Start())
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // the state says how it ended
	}()
	return p
}

// longest is how long a run may take before it counts as hanging.
const longest = 3 * time.Minute

func (s *scene) wait(p *process) ended {
	s.t.Helper()
	select {
	case <-p.done:
	case <-time.After(longest):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT)
		<-p.done
		s.t.Fatalf("%v hangs:\n%s", p.cmd.Args, p.stderr.String())
	}
	e := ended{code: p.cmd.ProcessState.ExitCode(), stdout: p.stdout.String(), stderr: p.stderr.String()}
	if status, is := p.cmd.ProcessState.Sys().(syscall.WaitStatus); is && status.Signaled() {
		e.signal = status.Signal()
	}
	return e
}

func (s *scene) run(kill string, args ...string) ended {
	s.t.Helper()
	return s.wait(s.start(kill, args...))
}

// exits runs the program and wants an exit code.
func (s *scene) exits(code int, args ...string) ended {
	s.t.Helper()
	e := s.run("", args...)
	require.Equal(s.t, code, e.code, "tenantctl %s\n%s%s", strings.Join(args, " "), e.stdout, e.stderr)
	return e
}

// migrate are the arguments of the move that all tests make: a table of several chunks is in it.
func migrate(more ...string) []string {
	return append([]string{"migrate", "client-x", "--yes", "--chunk-size", "400kB"}, more...)
}

// open connects to a database, also one that is read only by default, by a session that isn't the product's.
func (s *scene) open(dsn string) *pgx.Conn {
	s.t.Helper()
	config, err := pgx.ParseConfig(dsn)
	require.NoError(s.t, err)
	config.RuntimeParams["default_transaction_read_only"] = "off"
	conn, err := pgx.ConnectConfig(context.Background(), config)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (s *scene) exec(dsn, sql string) {
	s.t.Helper()
	conn := s.open(dsn)
	require.NoError(s.t, postgres.Script(context.Background(), conn, sql))
	require.NoError(s.t, conn.Close(context.Background()))
}

// ask reads one value as text.
func (s *scene) ask(dsn, sql string, args ...any) string {
	s.t.Helper()
	conn := s.open(dsn)
	var value *string
	err := conn.QueryRow(context.Background(), sql, args...).Scan(&value)
	require.NoError(s.t, err, sql)
	require.NoError(s.t, conn.Close(context.Background()))
	if value == nil {
		return ""
	}
	return *value
}

// write as the client's application does, which knows nothing of any move.
func (s *scene) clientWrites() error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.source)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "insert into settings values ('written at ' || clock_timestamp(), 'by the client')")
	return errors.Join(err, conn.Close(ctx))
}

// until waits for what another process brings about.
func (s *scene) until(what string, holds func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(pollEvery) {
		require.True(s.t, time.Now().Before(deadline), what)
	}
}

const (
	patience  = 20 * time.Second
	pollEvery = 20 * time.Millisecond
)

// phase waits until a move works on a phase.
func (s *scene) phase(name string) {
	s.t.Helper()
	s.until("the move never came to "+name, func() bool {
		there := s.ask(s.target, "select (to_regclass('tenantctl.operation') is not null)::text")
		return there == "true" && s.ask(s.target, "select coalesce(max(phase), '') from tenantctl.operation where state = 'running'") == name
	})
}

func databaseOf(dsn string) string {
	parsed, err := url.Parse(dsn)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(parsed.Path, "/")
}

// with is a connection string with another part.
func with(t testing.TB, dsn string, change func(*url.URL)) string {
	t.Helper()
	parsed, err := url.Parse(dsn)
	require.NoError(t, err)
	change(parsed)
	return parsed.String()
}
