package localtest

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

//go:embed guard.sh
var guardScript string

// guard outlives this process by a moment, so that a test process killed in the middle leaves no server and no folder.
type guard struct {
	cmd  *exec.Cmd
	pipe io.Closer
}

// startGuard watches over a folder. Only this process holds the pipe: what it starts inherits no descriptors.
func startGuard(folder string) (*guard, error) {
	cmd := exec.Command("sh", "-c", guardScript, "guard", folder)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("open guard's pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start guard: %w", err)
	}
	return &guard{cmd: cmd, pipe: pipe}, nil
}

// release lets the guard do its work now and waits for it.
func (g *guard) release() error {
	if err := g.pipe.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close guard's pipe: %w", err)
	}
	if err := g.cmd.Wait(); err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	return nil
}
