package tui

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"tenantctl/internal/local/localtest"
	"tenantctl/internal/tenant"
)

// sitter reads a terminal's screen.
type sitter struct {
	mutex sync.Mutex
	seen  strings.Builder
}

func (s *sitter) watch(screen *os.File) {
	buffer := make([]byte, 4096)
	for {
		n, err := screen.Read(buffer)
		s.mutex.Lock()
		s.seen.Write(buffer[:n])
		s.mutex.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *sitter) saw(text string) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return strings.Contains(s.seen.String(), text)
}

// mad is a source that panics when its time has come.
type mad struct {
	*script
	now chan struct{}
}

func (m *mad) Events(ctx context.Context, after int64, limit int) ([]tenant.Event, error) {
	select {
	case <-m.now:
		panic("the source went mad")
	default:
		return m.script.Events(ctx, after, limit)
	}
}

// TestTheTerminalIsLeftInOrder ends a dashboard in every way there is, on a real terminal, and compares its settings.
func TestTheTerminalIsLeftInOrder(t *testing.T) {
	t.Parallel()
	interrupted := errors.New("ended by signal terminated")
	for name, end := range map[string]func(screen *os.File, source *mad, cancel context.CancelCauseFunc) error{
		"left": func(screen *os.File, _ *mad, _ context.CancelCauseFunc) error {
			_, err := screen.WriteString("q")
			return err
		},
		"ctrl-c": func(screen *os.File, _ *mad, _ context.CancelCauseFunc) error {
			_, err := screen.WriteString("\x03")
			return err
		},
		"signal": func(_ *os.File, _ *mad, cancel context.CancelCauseFunc) error {
			cancel(interrupted)
			return nil
		},
		"panic": func(_ *os.File, source *mad, _ context.CancelCauseFunc) error {
			close(source.now)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			screen, slave := localtest.Terminal(t, 100, 30)
			before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
			require.NoError(t, err)
			s := &sitter{}
			go s.watch(screen)
			source := &mad{aScript(), make(chan struct{})}
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			done := make(chan error, 1)
			go func() {
				done <- Run(ctx, Options{Source: source, Every: 20 * time.Millisecond}, Terminal{In: slave, Out: slave, NoColor: true, Environ: []string{"TERM=xterm"}})
			}()
			require.Eventually(t, func() bool { return s.saw("40 tenants") }, 10*time.Second, 10*time.Millisecond)
			require.True(t, s.saw("\x1b[?1049h"), "it has a screen of its own")
			during, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
			require.NoError(t, err)
			require.NotEqual(t, before.Lflag, during.Lflag)
			require.NoError(t, end(screen, source, cancel))
			var ended error
			select {
			case ended = <-done:
			case <-time.After(10 * time.Second):
				t.Fatal("it doesn't end")
			}
			switch name {
			case "signal":
				require.ErrorIs(t, ended, interrupted)
			case "panic":
				require.ErrorContains(t, ended, "mistake of the program")
			default:
				require.NoError(t, ended)
			}
			after, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
			require.NoError(t, err)
			require.Equal(t, before, after)
			require.Eventually(t, func() bool { return s.saw("\x1b[?1049l") && s.saw("\x1b[?25h") }, 10*time.Second, 10*time.Millisecond,
				"the screen that was there before, and the cursor")
		})
	}
}
