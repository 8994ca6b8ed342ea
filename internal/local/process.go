package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	stopTimeout  = 30 * time.Second
	killTimeout  = 5 * time.Second
	pollInterval = 10 * time.Millisecond
)

// process is a server's process: one that this process started, or one found on record.
type process struct {
	pid   int
	word  string        // in its command line, and in no other program's
	ended chan struct{} // closed when it has ended; nil where this process didn't start it
}

// launch starts a process that outlives this one, with its output in a log file.
func launch(cmd *exec.Cmd, owner account, logFile, word string) (*process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open server log: %w", err)
	}
	defer func() { _ = log.Close() }()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = owner.attributes()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(ended)
	}()
	return &process{pid: cmd.Process.Pid, word: word, ended: ended}, nil
}

// running tells whether the process lives. A pid that is another program's by now doesn't count.
func (p *process) running() bool {
	switch {
	case p == nil:
		return false
	case p.ended == nil:
		return runsWith(p.pid, p.word)
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// signal sends a signal to the process if it lives.
func (p *process) signal(signal syscall.Signal) error {
	if !p.running() {
		return nil
	}
	if err := syscall.Kill(p.pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal process %d: %w", p.pid, err)
	}
	return nil
}

// end signals the process and waits until it is gone; one that doesn't end in time is killed. It goes on when ctx is
// canceled: nothing is worse than half a stop.
func (p *process) end(ctx context.Context, how syscall.Signal) error {
	if !p.running() {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	if err := p.signal(how); err != nil || p.gone(ctx, stopTimeout) {
		return err
	}
	if err := p.signal(syscall.SIGKILL); err != nil || p.gone(ctx, killTimeout) {
		return err
	}
	return fmt.Errorf("process %d doesn't end", p.pid)
}

// gone waits until the process is gone, for some time at most. Its command line goes first, before its sockets.
func (p *process) gone(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for p.running() || p.ended == nil && holdsOn(p.pid) {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pollInterval):
		}
	}
	return true
}

// holdsOn tells whether a process still has its files: it lives, or is about to end. A zombie has nothing but its number.
func holdsOn(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		state, err := exec.Command("ps", "-o", "state=", "-p", strconv.Itoa(pid)).Output() //nolint:noctx // answers at once
		return err == nil && !bytes.HasPrefix(bytes.TrimSpace(state), []byte("Z"))
	}
	_, state, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
	return !bytes.HasPrefix(state, []byte("Z")) && !bytes.HasPrefix(state, []byte("X"))
}

// runsWith tells whether a process lives and has a word in its command line: how a pid on record is told from one that the
// system has given to another program since. A zombie has no command line.
func runsWith(pid int, word string) bool {
	if pid <= 0 || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		//nolint:noctx // answers at once
		line, err = exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
		if err != nil {
			return false
		}
	}
	return strings.Contains(words(line), word)
}

// findProcess finds the process with a word in its command line; nil where there is none.
func findProcess(word string) (*process, error) {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(lines) == 0 {
		return listProcess(word)
	}
	for _, path := range lines {
		line, err := os.ReadFile(path)
		if err != nil || !strings.Contains(words(line), word) {
			continue // it has ended since, or isn't the one
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return nil, fmt.Errorf("find process by %s: %w", path, err)
		}
		return &process{pid: pid, word: word}, nil
	}
	return nil, nil //nolint:nilnil // a nil process is one that doesn't run
}

// listProcess is findProcess for systems without /proc.
func listProcess(word string) (*process, error) {
	out, err := exec.Command("ps", "-axww", "-o", "pid=,command=").Output() //nolint:noctx // answers at once
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		number, command, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.Contains(command, word) {
			continue
		}
		pid, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("list processes: %w", err)
		}
		return &process{pid: pid, word: word}, nil
	}
	return nil, nil //nolint:nilnil // as above
}

// processesAt finds the processes whose home is a folder. Systems without /proc have none to tell.
func processesAt(home string) []int {
	paths, _ := filepath.Glob("/proc/[0-9]*/environ") // the only error is a bad pattern
	var found []int
	for _, path := range paths {
		environment, err := os.ReadFile(path)
		if err != nil || !strings.Contains("\x00"+string(environment), "\x00HOME="+home+"\x00") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			found = append(found, pid)
		}
	}
	return found
}

// endAll waits until no process with a home is left. Those that stay longer than patience are killed, and it looks again: one that was killed may have
// started another a moment before.
func endAll(ctx context.Context, home string, patience time.Duration) error {
	patient := time.Now().Add(patience)
	ctx, cancel := context.WithTimeout(ctx, patience+killTimeout)
	defer cancel()
	for {
		helpers := processesAt(home)
		if len(helpers) == 0 {
			return nil
		}
		if time.Now().After(patient) {
			if err := killAll(helpers); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("processes %v don't end", helpers)
		case <-time.After(pollInterval):
		}
	}
}

func killAll(pids []int) error {
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill process %d: %w", pid, err)
		}
	}
	return nil
}

// words is a command line with blanks between its arguments.
func words(cmdline []byte) string { return strings.ReplaceAll(string(cmdline), "\x00", " ") }

// serverEnvironment holds nothing of this process's PG* or RABBITMQ_* variables, which would change what a server does.
func serverEnvironment(home string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LC_ALL=C", "TZ=UTC"}
}

const logTailBytes = 1500

// logTail is the end of a log, for errors.
func logTail(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	if len(content) > logTailBytes {
		content = content[len(content)-logTailBytes:]
	}
	return string(bytes.TrimSpace(content))
}
