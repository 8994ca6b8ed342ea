package operator

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/config"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/provision"
	"tenantctl/internal/registry"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
	"tenantctl/internal/upgrade"
	"tenantctl/test/fleet"
)

func TestMain(m *testing.M) { localtest.Main(m) }

const patience = 20 * time.Second

// bench is a fleet and the file that declares it.
type bench struct {
	*fleet.Fleet
	t    *testing.T
	file string
}

const notes = "create table note (id int primary key, body text);\n"

func setup(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "1_note.up.sql"), []byte(notes), 0o600))
	notesStream, err := stream.Read("notes", os.DirFS(dir))
	require.NoError(t, err)
	return &bench{Fleet: fleet.New(t, fleet.Options{Streams: []*stream.Stream{notesStream}}), t: t, file: filepath.Join(t.TempDir(), "tenants.yaml")}
}

// declare writes the file as Git would: another one in its place.
func (b *bench) declare(tenants string, args ...any) {
	b.t.Helper()
	b.write("version: 1\ninstances: { " + fleet.Instance + ": { dsn: '${DSN}' } }\nservices: { notes: { migrations: ./notes } }\ntenants:\n" + fmt.Sprintf(tenants, args...))
}

func (b *bench) write(text string) {
	b.t.Helper()
	next := b.file + ".next"
	require.NoError(b.t, os.WriteFile(next, []byte(text), 0o600))
	require.NoError(b.t, os.Rename(next, b.file))
}

// shop is a workshop of the tests' fleet.
type shop struct {
	b      *bench
	opened atomic.Int64
	away   *atomic.Bool // the instance can't be reached
	slow   chan struct{}
	moved  chan tenant.Name
}

func (s *shop) Home(context.Context, string) (*provision.Provisioner, error) {
	if s.away != nil && s.away.Load() {
		return nil, fmt.Errorf("the instance is away")
	}
	s.opened.Add(1)
	return s.b.Provisioner, nil
}

func (s *shop) Targets(context.Context) ([]upgrade.Target, error) {
	return []upgrade.Target{{Service: "notes", Version: 1}}, nil
}

func (s *shop) Move(ctx context.Context, name tenant.Name, _ string, drain <-chan struct{}) error {
	s.moved <- name
	select {
	case <-s.slow:
	case <-drain:
		return tenant.ErrInterrupted
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (s *shop) Complete(context.Context, tenant.Name) error { return nil }
func (s *shop) Rollout(context.Context, func(tenant.Name) bool, <-chan struct{}) error {
	return nil
}

func (s *shop) Close(context.Context) {}

func (b *bench) options(s *shop) Options {
	s.b = b
	return Options{
		Records: b.Records, Control: b.Config.ConnString(), File: b.file, Load: func() (*config.File, error) { return config.Load(b.file) },
		Open: func(*config.File) Workshop { return s }, Workers: 2, Moves: 1, Resync: time.Second, Heal: time.Hour, RemovalShare: 10,
		DiffersAfter: time.Second, Clock: &Clock{}, Actor: "operator", Log: slog.New(slog.DiscardHandler),
	}
}

// run runs a replica until t ends, or until the function that it returns is called.
func (b *bench) run(opts Options) (*Operator, func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	o, err := New(ctx, opts)
	require.NoError(b.t, err)
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(b.t, <-done)
		}
	}
	b.t.Cleanup(stop)
	return o, stop
}

func (b *bench) eventually(what string, is func() bool) {
	b.t.Helper()
	require.Eventually(b.t, is, patience, 50*time.Millisecond, what)
}

// stands waits until the records have the tenants as NAME=STATE.
func (b *bench) stands(want ...string) {
	b.t.Helper()
	var got string
	require.Eventually(b.t, func() bool {
		statuses, err := b.Records.Statuses(b.t.Context(), registry.StatusFilter{})
		require.NoError(b.t, err)
		var list []string
		for _, s := range statuses {
			list = append(list, fmt.Sprintf("%s=%s", s.Name, s.State))
		}
		got = strings.Join(list, " ")
		return got == strings.Join(want, " ")
	}, patience, 50*time.Millisecond, "want %v", want)
}

// told tells whether an event of a type was published.
func (b *bench) told(kind string) bool {
	events, err := b.Records.Events(b.t.Context(), 0, registry.EventFilter{Types: []string{kind}})
	require.NoError(b.t, err)
	return len(events) > 0
}
