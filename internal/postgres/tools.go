package postgres

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"tenantctl/internal/tenant"
)

// Tools are PostgreSQL's own client programs of one installed version.
type Tools struct {
	Bin   string // folder of pg_dump, pg_restore and, where a server is installed, initdb and postgres
	Major int
}

// FindTools finds the newest installed client programs: those on the PATH, Debian's and Homebrew's folders.
func FindTools() (Tools, error) {
	found, err := folderOf("pg_dump", 0)
	return found, tenant.WithHint(err,
		"install PostgreSQL's client programs (Debian: `apt-get install postgresql-client`, macOS: `brew install postgresql`)")
}

// FindServer finds installed server programs (postgres, initdb) of a major version, 0 being the newest. They may be of another
// version than the client's.
func FindServer(major int) (Tools, error) {
	found, err := folderOf("postgres", major)
	return found, tenant.WithHint(err,
		"install a PostgreSQL server (Debian: `apt-get install postgresql`, macOS: `brew install postgresql`), or give `instances` in tenants.yaml")
}

// folderOf is the folder with a program of a major version, 0 being the newest.
func folderOf(program string, major int) (Tools, error) {
	var found []Tools
	for _, bin := range toolFolders(program) {
		has, err := toolMajor(filepath.Join(bin, program))
		if err == nil && (major == 0 || has == major) {
			found = append(found, Tools{Bin: bin, Major: has})
		}
	}
	if len(found) == 0 {
		if major > 0 {
			program += " " + strconv.Itoa(major)
		}
		return Tools{}, fmt.Errorf("%s: %w", program, tenant.ErrNotFound)
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].Major > found[j].Major })
	return found[0], nil
}

func toolFolders(program string) []string {
	var folders []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin", "/usr/pgsql-*/bin"} {
		matches, _ := filepath.Glob(pattern) // the only error is a bad pattern
		folders = append(folders, matches...)
	}
	if path, err := exec.LookPath(program); err == nil && !choosesItself(path, folders) {
		folders = append(folders, filepath.Dir(path))
	}
	return folders
}

// choosesItself tells Debian's wrapper, a script that takes a while to run a program of one of the folders.
func choosesItself(path string, folders []string) bool {
	real, err := filepath.EvalSymlinks(path)
	return err == nil && filepath.Base(real) == "pg_wrapper" && len(folders) > 0
}

var majorPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

func toolMajor(path string) (int, error) {
	out, err := exec.Command(path, "--version").Output() //nolint:noctx // answers at once, asks no server
	if err != nil {
		return 0, fmt.Errorf("%s --version: %w", path, err)
	}
	match := majorPattern.FindSubmatch(out)
	if match == nil {
		return 0, fmt.Errorf("%s --version printed %q", path, out)
	}
	return strconv.Atoi(string(match[1]))
}

// stopGrace is how long a tool may take to end once it was asked to.
const stopGrace = 5 * time.Second

// Command is one of the tools about to be run against a database, its output still to be connected. The password travels in
// the environment, never in the arguments that every user of the machine can list.
func (t Tools) Command(ctx context.Context, tool, dsn string, args ...string) (*exec.Cmd, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(t.Bin, tool), args...)
	cmd.Env = os.Environ()
	// pg_dump and pg_restore pass a request to end on to their workers and cancel what the server runs for them; killed
	// outright they would leave both behind, and the workers would keep our pipes open.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	if dsn != "" {
		config, err := pgconn.ParseConfig(dsn)
		if err != nil {
			return nil, invalidDSN(dsn, err)
		}
		cmd.Args = append(cmd.Args, "--dbname="+withoutPassword(dsn))
		cmd.Env = append(cmd.Env, "PGPASSWORD="+config.Password, "PGAPPNAME=tenantctl/"+tool, "PGCONNECT_TIMEOUT=10", "LC_MESSAGES=C")
	}
	return cmd, nil
}

// Run runs one of the tools against a database and returns its output. The error holds what the tool wrote to its standard
// error.
func (t Tools) Run(ctx context.Context, tool, dsn string, args ...string) ([]byte, error) {
	cmd, err := t.Command(ctx, tool, dsn, args...)
	if err != nil {
		return nil, err
	}
	return t.output(ctx, tool, cmd)
}

// Section reads the definitions that an archive in pg_dump's custom form holds of a section ("pre-data", "data" or "post-data").
// The archive stays in memory: a file would outlive us when we are killed.
func (t Tools) Section(ctx context.Context, section string, archive []byte, args ...string) (string, error) {
	cmd, err := t.Command(ctx, "pg_restore", "", append([]string{"--file=-", "--section=" + section}, args...)...)
	if err != nil {
		return "", err
	}
	cmd.Stdin = bytes.NewReader(archive)
	script, err := t.output(ctx, "pg_restore", cmd)
	if err != nil {
		return "", fmt.Errorf("read the %s section of a dump: %w", section, err)
	}
	return string(script), nil
}

func (Tools) output(ctx context.Context, tool string, cmd *exec.Cmd) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%s: %w", tool, context.Cause(ctx))
		}
		return nil, fmt.Errorf("%s: %w: %s", tool, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}
