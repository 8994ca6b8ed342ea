package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"tenantctl/internal/cli/output"
	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/config"
	"tenantctl/internal/postgres"
	"tenantctl/internal/registry"
)

// Factory has what commands need. Nothing is opened before it is asked for, and everything once.
type Factory struct {
	Streams *terminal.Streams

	env     func(string) (string, bool)
	flags   *pflag.FlagSet // the global ones
	signals *signals
	now     func() time.Time
	as      string // what stands before the user's name where it isn't the user who acts

	settings func() (Settings, error)
	config   func() (*config.File, error)
	servers  servers

	mutex   sync.Mutex
	secrets []string                    // connection strings in use, which no message may show
	closers []func(ctx context.Context) // newest last
}

func newFactory(streams *terminal.Streams, env func(string) (string, bool), signals *signals) *Factory {
	f := &Factory{Streams: streams, env: env, signals: signals, now: time.Now}
	f.settings = sync.OnceValues(func() (Settings, error) {
		s, err := readSettings(f.layers())
		if s.NoColor {
			streams.Color = false
		}
		return s, err
	})
	f.config = sync.OnceValues(f.loadConfig)
	f.servers.factory = f
	return f
}

// with is a factory for another content of tenants.yaml. What it opens is closed by its own Close; the records are shared.
func (f *Factory) with(file *config.File, records *registry.Registry) *Factory {
	made := &Factory{Streams: f.Streams, env: f.env, flags: f.flags, signals: f.signals, now: f.now, as: f.as, settings: f.settings}
	made.config = func() (*config.File, error) { return file, nil }
	made.servers.factory, made.servers.registry = made, records
	return made
}

// Settings are the global settings.
func (f *Factory) Settings() (Settings, error) { return f.settings() }

// Config is tenants.yaml, with what flags and environment override in it.
func (f *Factory) Config() (*config.File, error) { return f.config() }

func (f *Factory) loadConfig() (*config.File, error) {
	s, err := f.Settings()
	if err != nil {
		return nil, err
	}
	began := f.now()
	file, err := config.Load(s.File)
	if err != nil {
		return nil, err
	}
	f.Log().Debug("read the tenants' file", "file", s.File, "tenants", len(file.Tenants()), "duration", f.now().Sub(began))
	return file.With(f.layers()), nil
}

// Printer writes to standard output in the format that was asked for.
func (f *Factory) Printer() output.Printer {
	s, _ := f.Settings() // checked before any command runs
	return output.Printer{Out: f.Streams.Out, Format: s.Output, Color: f.Streams.OutTerminal && f.Streams.Color, Width: f.Streams.OutWidth()}
}

// Log writes to standard error what --log-level lets through.
func (f *Factory) Log() *slog.Logger {
	s, _ := f.Settings()
	return slog.New(slog.NewTextHandler(f.Streams.Err, &slog.HandlerOptions{Level: s.Level}))
}

// Tell writes a line for people to standard error; --log-level warn silences it.
func (f *Factory) Tell(format string, args ...any) {
	f.tell(slog.LevelInfo, terminal.Plain, "", format, args)
}

// Warn writes a line that somebody should read.
func (f *Factory) Warn(format string, args ...any) {
	f.tell(slog.LevelWarn, terminal.Yellow, "warning:", format, args)
}

func (f *Factory) tell(level slog.Level, style terminal.Style, head, format string, args []any) {
	s, _ := f.Settings()
	if s.Level > level {
		return
	}
	text := f.mask(fmt.Sprintf(format, args...))
	if head != "" {
		text = f.Streams.PaintErr(style, head) + " " + text
	}
	writeLine(f.Streams.Err, text)
}

// resolve gives the connection string behind a reference.
func (f *Factory) resolve(s config.Secret) (string, error) {
	value, err := s.Resolve(f.env, os.ReadFile)
	if err == nil {
		f.keepSecret(value)
	}
	return value, err
}

func (f *Factory) keepSecret(dsn string) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if !slices.Contains(f.secrets, dsn) { // who runs for long asks often
		f.secrets = append(f.secrets, dsn)
	}
}

// mask hides passwords in text that is about to be shown.
func (f *Factory) mask(text string) string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for _, dsn := range f.secrets {
		text = strings.ReplaceAll(text, dsn, postgres.MaskDSN(dsn))
	}
	return maskText(text)
}

// onClose has something closed when the command is over.
func (f *Factory) onClose(do func(ctx context.Context)) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.closers = append(f.closers, do)
}

const closeTimeout = 10 * time.Second

// Close closes what was opened, the newest first, also after ctx ended.
func (f *Factory) Close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	f.mutex.Lock()
	closers := f.closers
	f.closers = nil
	f.mutex.Unlock()
	for i := len(closers) - 1; i >= 0; i-- {
		closers[i](ctx)
	}
}

// actor is who acts, as the journal and events name them.
func (f *Factory) actor() string {
	name, host := "unknown", "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return f.as + name + "@" + host
}
