package cli_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/cli"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
)

// tests runs the package's tests; its Run doesn't return.
type tests struct{ *testing.M }

func (t tests) Run() int {
	localtest.Main(t.M)
	return 0
}

func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){
		"tenantctl": func() {
			os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()...))
		},
	})
}

// TestScripts runs the stories of testdata, each as people type them, each in a folder and on databases of its own.
func TestScripts(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".txtar"), func(t *testing.T) {
			t.Parallel()
			s := &story{t: t}
			testscript.Run(t, testscript.Params{
				Files: []string{script}, Setup: s.setup, UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "", RequireUniqueNames: true,
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"database": s.database, "broker": s.broker, "sql": s.sql, "shared": s.shared, "exits": s.exits, "tidy": s.tidy, "until": s.until,
				},
			})
		})
	}
}

// story is one script's own surroundings.
type story struct {
	t *testing.T
}

// setup gives the script a home of its own, where nothing of the developer's is found, and takes its local stack down.
func (s *story) setup(env *testscript.Env) error {
	work := env.WorkDir
	env.Setenv("HOME", filepath.Join(work, "home"))
	state := localtest.Folder(s.t)
	env.Setenv("XDG_STATE_HOME", state)
	localtest.ShareTemplates(s.t, state, work)
	cache, err := os.UserCacheDir() // what may be taken from one run to the next: the compiled parser
	if err != nil {
		return err
	}
	env.Setenv("XDG_CACHE_HOME", cache)
	env.Setenv("TZ", "UTC")
	env.Setenv("TERM", "dumb")
	prefix := localtest.Prefix(s.t)
	env.Setenv("PREFIX", prefix)
	if err := replaceIn(work, "PREFIX_", prefix); err != nil {
		return err
	}
	env.Defer(func() {
		down := exec.Command("tenantctl", "local", "down", "--file", filepath.Join(work, "tenants.yaml"))
		down.Env = env.Vars
		out, err := down.CombinedOutput()
		require.NoError(s.t, err, "take the local stack down: %s", out)
	})
	return nil
}

// replaceIn puts a prefix of the script's own into its files: roles are the whole server's.
func replaceIn(work, old, by string) error {
	files, err := filepath.Glob(filepath.Join(work, "*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), old, by)), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// database makes an empty database and sets a variable to its connection string: database SHARED_1_DSN [admin].
func (s *story) database(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 1 {
		ts.Fatalf("usage: database VARIABLE [admin]")
	}
	ts.Setenv(args[0], localtest.DatabaseAs(s.t, localtest.DatabaseOptions{Admin: len(args) > 1 && args[1] == "admin"}))
}

// broker sets a variable to the address of a RabbitMQ that this process's scripts share; the script is skipped where it isn't
// installed: broker AMQP_URL.
func (s *story) broker(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: broker VARIABLE")
	}
	ts.Setenv(args[0], localtest.Broker(s.t).URL())
}

// sql runs SQL on a database, given by its variable; what it selects can be compared: sql VARIABLE SQL. With ! it must fail.
func (s *story) sql(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: sql VARIABLE SQL")
	}
	conn, err := postgres.Connect(context.Background(), ts.Getenv(args[0]), postgres.Options{Application: "script"})
	ts.Check(err)
	defer func() { _ = conn.Close(context.Background()) }()
	err = query(ts, conn, strings.ReplaceAll(args[1], "PREFIX_", ts.Getenv("PREFIX")))
	switch {
	case neg && err == nil:
		ts.Fatalf("it worked")
	case neg:
		_, _ = fmt.Fprintln(ts.Stderr(), err)
	default:
		ts.Check(err)
	}
}

func query(ts *testscript.TestScript, conn *pgx.Conn, sql string) error {
	if !strings.HasPrefix(sql, "select") {
		return postgres.Script(context.Background(), conn, sql)
	}
	rows, err := conn.Query(context.Background(), sql)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintln(ts.Stdout(), values...)
	}
	return rows.Err()
}

// shared loads one of the given databases, or skips the script where they are absent: shared VARIABLE northwind.sql.
func (s *story) shared(ts *testscript.TestScript, _ bool, args []string) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "data", args[1]))
	if err != nil {
		s.t.Skipf("%s isn't there", args[1])
	}
	conn, err := postgres.Connect(context.Background(), ts.Getenv(args[0]), postgres.Options{Application: "script"})
	ts.Check(err)
	defer func() { _ = conn.Close(context.Background()) }()
	ts.Check(postgres.Script(context.Background(), conn, string(text)))
}

// exits runs a command and wants an exit code: exits 3 tenantctl status --bogus.
func (s *story) exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("%s ended with %s, not %s", strings.Join(args[1:], " "), code, args[0])
	}
}

// until repeats a command until its output matches: until 'copy' tenantctl status.
func (s *story) until(ts *testscript.TestScript, _ bool, args []string) {
	wanted := regexp.MustCompile(args[0])
	for deadline := time.Now().Add(patience); ; {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && wanted.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s never printed %q", strings.Join(args[1:], " "), args[0])
		}
		time.Sleep(pollEvery) // what is waited for happens in another process
	}
}

const (
	patience  = 30 * time.Second
	pollEvery = 100 * time.Millisecond
)

// tidy writes the last standard output to a file with everything in place of which it is another at each run.
func (s *story) tidy(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile("stdout")
	for _, r := range changing {
		text = r.pattern.ReplaceAllString(text, r.by)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

var changing = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[0-9.]*Z`), "TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`), "TIME"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}`), "ID"},
	{regexp.MustCompile(`\b\d+(\.\d+)? (ms|s)\b`), "SOME s"},
	{regexp.MustCompile(` +(SOME s|TIME) +`), " $1 "}, // columns are as wide as the durations in them
	{regexp.MustCompile(`\b\d+[smh] ago`), "AGO"},
	{regexp.MustCompile(`"(seconds|elapsed|duration)": [0-9.e-]+`), `"$1": N`},
	{regexp.MustCompile(`\bk[a-z0-9]{5}_`), "PREFIX_"},
	{regexp.MustCompile(`[0-9A-F]+/[0-9A-F]{6,}`), "LSN"},
	{regexp.MustCompile(`\w+@[\w.-]+`), "WHO"},
	{regexp.MustCompile(`\bdb_[a-z0-9]{12}\b`), "DATABASE"},
	{regexp.MustCompile(`epoch(": | )\d+`), "epoch${1}N"},
	{regexp.MustCompile(`[ \t]+\n`), "\n"},
}
