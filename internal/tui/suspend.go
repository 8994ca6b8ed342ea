package tui

import (
	"os"
	"os/signal"

	tea "github.com/charmbracelet/bubbletea"
	"golang.org/x/sys/unix"
)

// redrawWhenContinued draws the screen anew when the process goes on, whoever stopped it: by then it holds what the shell said. The
// returned function ends that. (A stop from elsewhere can't be met: once Go has handled SIGTSTP, it never stops the process again.)
func redrawWhenContinued(program *tea.Program) (end func()) {
	continued, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(continued, unix.SIGCONT)
	go func() {
		for {
			select {
			case <-continued:
				program.Send(tea.ClearScreen())
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(continued)
		close(done)
	}
}

// keepRunning declines to suspend where no shell could bring the process back: the kernel wouldn't stop it, and it would wait for ever
// for being continued.
func keepRunning(_ tea.Model, msg tea.Msg) tea.Msg {
	if _, suspends := msg.(tea.SuspendMsg); suspends && !jobControl() {
		return notStopped{}
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
