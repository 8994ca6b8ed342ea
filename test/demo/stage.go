package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"tenantctl/internal/local"
)

// stage is where the demo plays: a folder with a copy of the project's tenants.yaml and mappings, the server on which the
// clients' old databases stand, and the program.
type stage struct {
	root    string // of the project's checkout
	folder  string // everything lies in here
	project string // where commands are typed
	state   string // XDG_STATE_HOME: the local stack is made in here
	program string
	server  *local.Postgres // the clients'; nil until it runs
	clients map[string]*client
	shared  string   // DSN of the local stack's shared instance, for the demo's own counts
	company *company // of the acts about what tenants do to one another; nil before
	acts    int
}

func newStage() (*stage, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	folder, err := local.ServerFolder("tenantctl-demo-")
	if err != nil {
		return nil, err
	}
	s := &stage{
		root: root, folder: folder, project: filepath.Join(folder, "project"), state: filepath.Join(folder, "state"),
		program: filepath.Join(root, "bin", "tenantctl"), clients: map[string]*client{},
	}
	if err := s.furnish(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	return s, nil
}

// furnish copies what the commands read: the demo edits tenants.yaml as a user would.
func (s *stage) furnish() error {
	if _, err := os.Stat(s.program); err != nil {
		return fmt.Errorf("find the program, which `make build` makes, in the project's folder: %w", err)
	}
	if err := os.CopyFS(filepath.Join(s.project, "examples", "monolith"), os.DirFS(filepath.Join(s.root, "examples", "monolith"))); err != nil {
		return fmt.Errorf("copy the mappings: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(s.root, "tenants.yaml"))
	if err != nil {
		return fmt.Errorf("copy tenants.yaml: %w", err)
	}
	return os.WriteFile(s.file(), text, 0o600)
}

func (s *stage) file() string { return filepath.Join(s.project, "tenants.yaml") }

// clear ends the servers and removes all files. It goes on after a failure, to leave as little as can be.
func (s *stage) clear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var failures []error
	if s.company != nil {
		failures = append(failures, s.company.close(ctx))
	}
	failures = append(failures, s.localDown(ctx))
	if s.server != nil {
		failures = append(failures, s.server.Stop(ctx))
	}
	return errors.Join(append(failures, os.RemoveAll(s.folder))...)
}

// localDown takes the local stack down where it is up still. The command has a process group of its own: a second Ctrl-C
// doesn't reach it.
func (s *stage) localDown(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(s.state, "tenantctl")); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	cmd := s.command(ctx, "local", "down")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.typed("local", "down")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("tenantctl local down: %w", err)
	}
	left, err := os.ReadDir(s.state)
	if err != nil {
		return err
	}
	return equal("folders that `local down` leaves", len(left), 0)
}

// command is the program with the demo's surroundings: the variables of tenants.yaml, and none of the developer's own.
func (s *stage) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.program, args...) //nolint:gosec // the program that is shown
	cmd.Dir = s.project
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "TENANTCTL_") && !strings.HasPrefix(variable, "PG") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(cmd.Env, "XDG_STATE_HOME="+s.state, "PAGER=cat")
	for _, c := range s.clients {
		cmd.Env = append(cmd.Env, c.variable()+"="+c.dsn)
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 15 * time.Second
	return cmd
}

// ran is how a command ended and what it said.
type ran struct {
	stdout, stderr string
	exit           int
}

// run types a command and shows what it says. It has to end with the wanted exit code.
func (s *stage) run(ctx context.Context, exit int, args ...string) (ran, error) {
	s.typed(args...)
	return s.finish(s.command(ctx, args...), os.Stdout, os.Stderr, exit, args)
}

// ask runs a command out of sight, to read what it says.
func (s *stage) ask(ctx context.Context, args ...string) (string, error) {
	result, err := s.finish(s.command(ctx, args...), io.Discard, io.Discard, 0, args)
	return strings.TrimSpace(result.stdout), err
}

// move types a command that draws bars: it gets the terminal itself.
func (s *stage) move(ctx context.Context, args ...string) error {
	s.typed(args...)
	cmd := s.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("tenantctl %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

func (s *stage) finish(cmd *exec.Cmd, out, messages io.Writer, exit int, args []string) (ran, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.MultiWriter(out, &stdout), io.MultiWriter(messages, &stderr)
	err := cmd.Run()
	result := ran{stdout: stdout.String(), stderr: stderr.String(), exit: cmd.ProcessState.ExitCode()}
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		return result, fmt.Errorf("tenantctl %s: %w", strings.Join(args, " "), err)
	}
	if result.exit != exit {
		return result, fmt.Errorf("tenantctl %s ended with %d instead of %d: %s", strings.Join(args, " "), result.exit, exit, result.stderr)
	}
	return result, nil
}

func (s *stage) heading(title string) {
	s.acts++
	fmt.Printf("\n━━ %d. %s\n\n", s.acts, title)
}

func (s *stage) say(text string) {
	if text != "" {
		fmt.Println(text)
	}
}

// typed shows a command as it is typed.
func (s *stage) typed(args ...string) {
	words := make([]string, len(args))
	for i, arg := range args {
		words[i] = arg
		if strings.ContainsAny(arg, " '\"()*") {
			words[i] = `"` + strings.ReplaceAll(arg, `"`, `\"`) + `"`
		}
	}
	fmt.Printf("\n$ tenantctl %s\n", strings.Join(words, " "))
}
