package tui

import (
	"os"
	"os/signal"
	"sync"
	"sync/atomic"

	tea "github.com/charmbracelet/bubbletea"
	"golang.org/x/sys/unix"
)

// suspension keeps a terminal in order over stops. Of its own, at ctrl+z, Bubble Tea takes care: it gives the terminal back before and
// takes it again after. A stop from elsewhere can't be met (once Go has handled SIGTSTP, it never stops the process again), so that
// the terminal is taken anew when the process goes on: by then it has the shell's settings, and what the shell said on it.
type suspension struct{ own atomic.Bool }

// follow watches for the process to go on, until end is called.
func (s *suspension) follow(program *tea.Program) (end func()) {
	continued, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(continued, unix.SIGCONT)
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-continued:
				s.retake(program)
			case <-done:
				return
			}
		}
	})
	return func() {
		signal.Stop(continued)
		close(done)
		watching.Wait()
	}
}

func (s *suspension) retake(program *tea.Program) {
	if s.own.Load() {
		return
	}
	// What can't be given back or taken is gone, and with it the program's input, which ends it.
	_ = program.ReleaseTerminal()
	_ = program.RestoreTerminal()
	program.Send(tea.ClearScreen())
}

// filter sees what Bubble Tea is about to do. It declines to suspend where no shell could bring the process back: the kernel wouldn't
// stop it, and it would wait for ever for being continued.
func (s *suspension) filter(_ tea.Model, msg tea.Msg) tea.Msg {
	switch msg.(type) {
	case tea.SuspendMsg:
		if !jobControl() {
			return notStopped{}
		}
		s.own.Store(true)
	case tea.ResumeMsg:
		s.own.Store(false)
	}
	return msg
}

// notStopped is told instead of suspending.
type notStopped struct{}

// jobControl tells whether a shell runs us as a job: it gives each a group other than its own, which is the session's first.
func jobControl() bool {
	session, err := unix.Getsid(0)
	return err == nil && session != unix.Getpgrp()
}
