package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"tenantctl/internal/tenant"
	"tenantctl/internal/tui"
)

// commands are the dashboard's actions: runs of this program, each in a session of its own, so that neither the end of the
// dashboard nor that of its terminal ends them. What they say goes to a file.
type commands struct {
	program string
	file    string // tenants.yaml
	logs    string // the folder
	known   map[string]bool
	unable  func(context.Context) string // why what the dashboard shows can't be changed from here; nil: it can
	mutex   sync.Mutex
	tasks   []*runningTask
}

type runningTask struct {
	tui.Task
	pid int
}

func (f *Factory) newCommands() (*commands, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	s, err := f.Settings()
	if err != nil {
		return nil, err
	}
	file, err := filepath.Abs(s.File)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", s.File, err)
	}
	stack, err := f.StackDir()
	if err != nil {
		return nil, err
	}
	root, err := newRoot(newFactory(f.Streams, f.env, nil))
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, cmd := range root.Commands() {
		known[cmd.Name()] = true
	}
	return &commands{program: program, file: file, logs: stack + "-dashboard", known: known}, nil
}

// Missing implements tui.Actions.
func (c *commands) Missing(verb string) string {
	if verb == "retry" || c.known[verb] {
		return ""
	}
	return "this tenantctl has no command `" + verb + "`"
}

// Unable implements tui.Actions.
func (c *commands) Unable(ctx context.Context) string {
	if c.unable == nil {
		return ""
	}
	return c.unable(ctx)
}

// lines are the command lines of a request: one for all its tenants, or one for each where the command takes one tenant.
func lines(r tui.Request) [][]string {
	names := make([]string, len(r.Tenants))
	for i, n := range r.Tenants {
		names[i] = string(n)
	}
	verb := r.Verb
	switch {
	case verb == "retry" && len(names) == 0:
		return [][]string{{"upgrade", "--resume"}}
	case verb == "retry":
		verb = "migrate"
	}
	if !slices.Contains([]string{"migrate", "rollback", "complete"}, verb) {
		return [][]string{append([]string{verb}, names...)}
	}
	var all [][]string
	for _, name := range names {
		all = append(all, []string{verb, name})
	}
	return all
}

// dryRun is the command line that shows what another would do; nil where there is none.
func dryRun(line []string) []string {
	switch {
	case line[0] == "migrate":
		return append(slices.Clone(line), "--plan")
	case line[0] == "provision":
		return append([]string{"plan"}, line[1:]...)
	case line[0] == "upgrade" && !slices.Contains(line, "--resume"):
		return append(slices.Clone(line), "--dry-run")
	}
	return nil
}

// maxPlans is how many dry runs of one request are made; each of a move looks at a whole legacy database.
const maxPlans = 3

// Plan implements tui.Actions.
func (c *commands) Plan(ctx context.Context, r tui.Request) (tui.Plan, error) {
	var plan tui.Plan
	var text strings.Builder
	for i, line := range lines(r) {
		plan.Commands = append(plan.Commands, typed(line))
		dry := dryRun(line)
		if dry == nil || i >= maxPlans {
			continue
		}
		said, err := c.ask(ctx, dry)
		if err != nil {
			return plan, err
		}
		text.WriteString(said)
	}
	plan.Text = text.String()
	return plan, nil
}

const maxSaid = 256 << 10

// ask runs a command line that changes nothing, and gives what it says.
func (c *commands) ask(ctx context.Context, line []string) (string, error) {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, c.program, append(line, "--file", c.file, "--no-input", "--no-color", "--progress", "none")...) //nolint:gosec // this program, with names of the fleet
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	text := said.String()
	text = text[:min(len(text), maxSaid)]
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() != ExitCode(tenant.ErrChanges) {
		return text, errors.New(strings.TrimSpace(text))
	}
	if err != nil && exit == nil {
		return text, fmt.Errorf("run %s: %w", typed(line), err)
	}
	return text, nil
}

// several runs command lines one after the other, though one fails, and ends with the code of the last that did. It is a shell's
// work, so that the rest are run, too, when the dashboard is closed meanwhile. $0 is the program, $1 the file, $2 the verb.
const several = `file=$1 verb=$2; shift 2; code=0
for name; do "$0" "$verb" "$name" --file "$file" --yes --no-input --progress plain || code=$?; done; exit $code`

// Do implements tui.Actions.
func (c *commands) Do(r tui.Request) (tui.Task, error) {
	all := lines(r)
	args := append(slices.Clone(all[0]), "--file", c.file, "--yes", "--no-input", "--progress", "plain")
	cmd := exec.Command(c.program, args...) //nolint:gosec,noctx // this program; it is to outlive the dashboard
	told := typed(all[0])
	if len(all) > 1 {
		names := make([]string, len(all))
		for i, line := range all {
			names[i] = line[1]
		}
		cmd = exec.Command("/bin/sh", append([]string{"-c", several, c.program, c.file, all[0][0]}, names...)...) //nolint:gosec,noctx // as above
		told = fmt.Sprintf("tenantctl %s, one after the other: %s", all[0][0], strings.Join(names, " "))
	}
	log, err := c.log(r.Verb)
	if err != nil {
		return tui.Task{}, err
	}
	defer func() { _ = log.Close() }() // the child has its own
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return tui.Task{}, fmt.Errorf("begin %s: %w", told, err)
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	t := &runningTask{pid: cmd.Process.Pid, Task: tui.Task{ID: len(c.tasks) + 1, Request: r, Command: told, Began: time.Now(), Log: log.Name()}}
	c.tasks = append([]*runningTask{t}, c.tasks...)
	go c.await(t, cmd)
	return t.Task, nil
}

// await notes how a task ended. It ends with the task, or with the process.
func (c *commands) await(t *runningTask, cmd *exec.Cmd) {
	_ = cmd.Wait() // its exit code tells
	c.mutex.Lock()
	defer c.mutex.Unlock()
	t.Ended, t.Took, t.Code = true, time.Since(t.Began), cmd.ProcessState.ExitCode()
	t.Lines = tail(t.Log)
}

// Tasks implements tui.Actions.
func (c *commands) Tasks() []tui.Task {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	list := make([]tui.Task, len(c.tasks))
	for i, t := range c.tasks {
		list[i] = t.Task
		if !t.Ended {
			list[i].Lines = tail(t.Log)
		}
	}
	return list
}

// Stop implements tui.Actions.
func (c *commands) Stop(id int) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, t := range c.tasks {
		if t.ID == id && !t.Ended {
			if err := syscall.Kill(-t.pid, syscall.SIGINT); err != nil {
				return fmt.Errorf("stop %s: %w", t.Request, err)
			}
			return nil
		}
	}
	return fmt.Errorf("task %d: %w", id, tenant.ErrNotFound)
}

const (
	keepLogs  = 50
	tailBytes = 64 << 10
	tailLines = 200
)

// log makes a file for what a task says, and forgets the oldest of earlier ones.
func (c *commands) log(verb string) (*os.File, error) {
	if err := os.MkdirAll(c.logs, 0o700); err != nil {
		return nil, fmt.Errorf("folder for what actions say: %w", err)
	}
	if old, err := filepath.Glob(filepath.Join(c.logs, "*.log")); err == nil && len(old) >= keepLogs {
		slices.Sort(old)
		for _, name := range old[:len(old)-keepLogs+1] {
			_ = os.Remove(name) // it may be gone
		}
	}
	file, err := os.CreateTemp(c.logs, time.Now().Format("20060102-150405-")+verb+"-*.log")
	if err != nil {
		return nil, fmt.Errorf("file for what %s says: %w", verb, err)
	}
	return file, nil
}

// tail is the last lines of a file; none where it can't be read.
func tail(name string) []string {
	file, err := os.Open(name) //nolint:gosec // a log of ours
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err == nil && info.Size() > tailBytes {
		if _, err := file.Seek(-tailBytes, io.SeekEnd); err != nil {
			return nil
		}
	}
	body, err := io.ReadAll(io.LimitReader(file, tailBytes))
	if err != nil {
		return nil
	}
	all := strings.Split(strings.TrimRight(string(body), "\n"), "\n")
	return all[max(len(all)-tailLines, 0):]
}
