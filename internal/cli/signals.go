package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/tenant"
)

// signals turns a first Ctrl-C into draining, for commands that can, and a second into the end of the context. A third one ends
// the process as if nobody listened.
type signals struct {
	streams *terminal.Streams
	cancel  context.CancelCauseFunc
	arrived chan os.Signal
	done    chan struct{}

	mutex    sync.Mutex
	drain    chan struct{} // nil until a command says that it can drain
	drained  bool
	ignoring bool
}

func listen(streams *terminal.Streams) (context.Context, *signals) {
	ctx, cancel := context.WithCancelCause(context.Background())
	s := &signals{streams: streams, cancel: cancel, arrived: make(chan os.Signal, 2), done: make(chan struct{})}
	signal.Notify(s.arrived, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go s.watch()
	return ctx, s
}

func (s *signals) watch() {
	defer close(s.done)
	for sig := range s.arrived {
		if s.one(sig) {
			signal.Stop(s.arrived)
		}
	}
}

// one answers a signal and tells whether it was the last one to be listened to.
func (s *signals) one(sig os.Signal) (last bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch {
	case s.ignoring && sig == os.Interrupt:
		return false
	case s.drain != nil && !s.drained:
		s.drained = true
		close(s.drain)
		_, _ = fmt.Fprintln(s.streams.Err, "\nstopping in good order: what is under way is brought to its end; once more aborts it")
		return false
	}
	s.cancel(fmt.Errorf("%w by signal %s", tenant.ErrInterrupted, sig))
	return true
}

// draining makes the first signal close the channel instead of ending the context.
func (s *signals) draining() <-chan struct{} {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.drain == nil {
		s.drain = make(chan struct{})
	}
	return s.drain
}

// leaveInterrupts leaves Ctrl-C to a program that runs in the foreground, until the returned function is called.
func (s *signals) leaveInterrupts() (back func()) {
	set := func(on bool) {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.ignoring = on
	}
	set(true)
	return func() { set(false) }
}

func (s *signals) stop() {
	signal.Stop(s.arrived)
	close(s.arrived)
	<-s.done
	s.cancel(nil)
}

// interrupted makes whatever a canceled context led to an interruption.
func interrupted(err error) error {
	return fmt.Errorf("%w: %w", tenant.ErrInterrupted, err)
}
