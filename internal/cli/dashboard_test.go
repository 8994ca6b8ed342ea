package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/cli/terminal"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/platform/bus"
	"tenantctl/internal/platform/core"
	"tenantctl/internal/platform/jobs"
	"tenantctl/internal/platform/notifications"
	"tenantctl/internal/platform/scope"
	"tenantctl/internal/stream"
	"tenantctl/internal/tenant"
	"tenantctl/internal/tui"
	"tenantctl/test/fleet"
)

func TestWhatADashboardsActionsRun(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		verb    string
		tenants []tenant.Name
		lines   []string
		dry     string
	}{
		{"provision", []tenant.Name{"a", "b"}, []string{"provision a b"}, "plan a b"},
		{"migrate", []tenant.Name{"a", "b"}, []string{"migrate a", "migrate b"}, "migrate a --plan"},
		{"rollback", []tenant.Name{"a"}, []string{"rollback a"}, ""},
		{"complete", []tenant.Name{"a", "b"}, []string{"complete a", "complete b"}, ""},
		{"upgrade", []tenant.Name{"a", "b"}, []string{"upgrade a b"}, "upgrade a b --dry-run"},
		{"suspend", []tenant.Name{"a"}, []string{"suspend a"}, ""},
		{"retry", []tenant.Name{"a"}, []string{"migrate a"}, "migrate a --plan"},
		{"retry", nil, []string{"upgrade --resume"}, ""},
	} {
		var got []string
		all := lines(tui.Request{Verb: test.verb, Tenants: test.tenants})
		for _, line := range all {
			got = append(got, strings.Join(line, " "))
		}
		require.Equal(t, test.lines, got)
		require.Equal(t, test.dry, strings.Join(dryRun(all[0]), " "))
	}
}

// stand is a program in the place of ours: it says how it was called, and does what a test wants.
func stand(t *testing.T, does string) *commands {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "tenantctl")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\necho called \"$@\"\n"+does+"\n"), 0o700)) //nolint:gosec // it is to be run
	return &commands{program: program, file: "/fleet/tenants.yaml", logs: filepath.Join(dir, "logs"), known: map[string]bool{"migrate": true}}
}

func (c *commands) only(t *testing.T) tui.Task {
	t.Helper()
	tasks := c.Tasks()
	require.Len(t, tasks, 1)
	return tasks[0]
}

func TestATaskIsAProcessOfItsOwn(t *testing.T) {
	t.Parallel()
	c := stand(t, "trap 'echo in good order; exit 130' INT\necho begun\nwhile :; do sleep 0.05; done")
	task, err := c.Do(tui.Request{Verb: "suspend", Tenants: []tenant.Name{"a"}})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return strings.Contains(strings.Join(c.only(t).Lines, "\n"), "begun") }, 10*time.Second, 20*time.Millisecond)
	session, err := syscall.Getpgid(c.tasks[0].pid)
	require.NoError(t, err)
	require.Equal(t, c.tasks[0].pid, session, "what ends the dashboard doesn't reach it")
	require.False(t, c.only(t).Ended)
	require.NoError(t, c.Stop(task.ID))
	require.Eventually(t, func() bool { return c.only(t).Ended }, 10*time.Second, 20*time.Millisecond)
	ended := c.only(t)
	require.Equal(t, 130, ended.Code)
	require.Equal(t, []string{"called suspend a --file /fleet/tenants.yaml --yes --no-input --progress plain", "begun", "in good order"}, ended.Lines)
	require.ErrorIs(t, c.Stop(task.ID), tenant.ErrNotFound)
}

// TestATaskThatIsKilled can't say so itself: the dashboard does.
func TestATaskThatIsKilled(t *testing.T) {
	t.Parallel()
	c := stand(t, "kill -9 $$")
	_, err := c.Do(tui.Request{Verb: "suspend", Tenants: []tenant.Name{"a"}})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return c.only(t).Ended }, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, -1, c.only(t).Code)
}

func TestSeveralGoOnAfterOneThatFailed(t *testing.T) {
	t.Parallel()
	c := stand(t, `[ "$2" != b ] || exit 6`)
	_, err := c.Do(tui.Request{Verb: "migrate", Tenants: []tenant.Name{"a", "b", "c"}})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return c.only(t).Ended }, 10*time.Second, 20*time.Millisecond)
	ended := c.only(t)
	require.Equal(t, 6, ended.Code)
	require.Equal(t, "tenantctl migrate, one after the other: a b c", ended.Command)
	require.Len(t, ended.Lines, 3)
	require.Equal(t, "called migrate c --file /fleet/tenants.yaml --yes --no-input --progress plain", ended.Lines[2])
}

func TestAPlanIsTheCommandsOwn(t *testing.T) {
	t.Parallel()
	c := stand(t, `[ "$2" != b ] || { echo "error: b is refused" >&2; exit 6; }`)
	plan, err := c.Plan(t.Context(), tui.Request{Verb: "migrate", Tenants: []tenant.Name{"a"}})
	require.NoError(t, err)
	require.Equal(t, tui.Plan{Commands: []string{"tenantctl migrate a"}, Text: "called migrate a --plan --file /fleet/tenants.yaml --no-input --no-color --progress none\n"}, plan)
	_, err = c.Plan(t.Context(), tui.Request{Verb: "migrate", Tenants: []tenant.Name{"b"}})
	require.ErrorContains(t, err, "b is refused")
	plan, err = c.Plan(t.Context(), tui.Request{Verb: "complete", Tenants: []tenant.Name{"b"}})
	require.NoError(t, err, "there is nothing to ask")
	require.Empty(t, plan.Text)
	require.Equal(t, "this tenantctl has no command `pause`", c.Missing("pause"))
	require.Empty(t, c.Missing("migrate"))
}

func TestLogsAreKeptInBounds(t *testing.T) {
	t.Parallel()
	c := stand(t, "")
	for range keepLogs + 5 {
		file, err := c.log("migrate")
		require.NoError(t, err)
		require.NoError(t, file.Close())
	}
	kept, err := os.ReadDir(c.logs)
	require.NoError(t, err)
	require.Len(t, kept, keepLogs)
	long := filepath.Join(c.logs, "long")
	require.NoError(t, os.WriteFile(long, []byte(strings.Repeat("x", 1<<20)+"\nend\n"), 0o600))
	lines := tail(long)
	require.Equal(t, "end", lines[len(lines)-1])
	require.LessOrEqual(t, len(strings.Join(lines, "")), tailBytes)
	require.Nil(t, tail(filepath.Join(c.logs, "none")))
}

func TestADashboardNeedsATerminal(t *testing.T) {
	t.Parallel()
	var out, errs strings.Builder
	require.Equal(t, 3, Main([]string{"dashboard"}, strings.NewReader(""), &out, &errs))
	require.Contains(t, errs.String(), "the dashboard needs a terminal that moves its cursor")
	require.Contains(t, errs.String(), "tenantctl status")
}

// TestWhatWaitsOnAnInstance counts jobs and events of two tenants, over their queues.
func TestWhatWaitsOnAnInstance(t *testing.T) {
	t.Parallel()
	var streams []*stream.Stream
	for _, read := range []func() (*stream.Stream, error){core.Stream, jobs.Stream, bus.Stream} {
		s, err := read()
		require.NoError(t, err)
		streams = append(streams, s)
	}
	f := fleet.New(t, fleet.Options{Streams: streams})
	f.Provision(t, "acme", "client-b")
	read := func(sql string) []tui.Queue {
		queues, err := readQueues(t.Context(), f.Root, sql, "shared-1", f.Prefix)
		require.NoError(t, err)
		for i := range queues {
			require.Less(t, (queues[i].Oldest - time.Minute).Abs(), 10*time.Second)
			queues[i].Oldest = 0
			for j := range queues[i].Tenants {
				queues[i].Tenants[j].Oldest = 0
			}
		}
		return queues
	}
	empty, err := readQueues(t.Context(), f.Root, waitingEvents, "shared-1", f.Prefix)
	require.NoError(t, err)
	require.Equal(t, []tui.Queue{{Instance: "shared-1", Name: "events to send"}}, empty)
	f.Exec(t, `
		insert into jobs.line (queue) values ('core') on conflict do nothing;
		insert into jobs.job (id, queue, role, kind, cost, state, place, leased_to, created_at, due_at)
		select gen_random_uuid(), 'core', role, 'statement', 1, state, 1, case state when 'running' then now() end, now() - interval '1 minute', now() - interval '1 minute'
		from (values ('PREFIX_t_acme__core', 'ready'), ('PREFIX_t_acme__core', 'backlog'), ('PREFIX_t_acme__core', 'running'), ('PREFIX_t_client_b__core', 'new')) as j (role, state);
		insert into jobs.job (id, queue, role, kind, cost, state, created_at, due_at, started_at, finished_at)
		select gen_random_uuid(), 'core', 'PREFIX_t_client_b__core', 'statement', 1, 'done', now() - interval '3 seconds', now() - interval '3 seconds', now() - interval '1 second', now();
		insert into bus.outbox (role, id, type, version, payload, occurred_at) values ('PREFIX_t_client_b__core', gen_random_uuid(), 'order.placed', 1, '{}', now() - interval '1 minute');
		insert into bus.outbox (role, id, type, version, payload, sent_at) values ('PREFIX_t_acme__core', gen_random_uuid(), 'order.placed', 1, '{}', now())`)
	require.Equal(t, []tui.Queue{{Instance: "shared-1", Name: "jobs of core", Waiting: 3, Running: 1, Tenants: []tui.Waiter{
		{Tenant: "acme", Waiting: 2, Running: 1}, {Tenant: "client-b", Waiting: 1, Dwell: 2 * time.Second},
	}}}, read(waitingJobs))
	require.Equal(t, []tui.Queue{{Instance: "shared-1", Name: "events to send", Waiting: 1, Tenants: []tui.Waiter{{Tenant: "client-b", Waiting: 1}}}}, read(waitingEvents))
}

// atBroker asks what waits at the broker of a tenants.yaml, and makes sure that none is started for it.
func atBroker(t *testing.T, url, file string) []tui.Queue {
	t.Helper()
	path, state := filepath.Join(t.TempDir(), "tenants.yaml"), t.TempDir()
	require.NoError(t, os.WriteFile(path, []byte("version: 1\n"+file+"tenants: {}\n"), 0o600))
	env := func(name string) (string, bool) {
		value, set := map[string]string{"TENANTCTL_FILE": path, "XDG_STATE_HOME": state, "AMQP_URL": url}[name]
		return value, set
	}
	f := newFactory(terminal.New(strings.NewReader(""), io.Discard, io.Discard, env), env, nil)
	_, err := newRoot(f)
	require.NoError(t, err)
	found, err := f.waitingAtBroker(t.Context())
	require.NoError(t, err)
	left, err := os.ReadDir(state)
	require.NoError(t, err)
	require.Empty(t, left, "a look starts none")
	return found
}

// TestWhatWaitsAtTheBroker has a service take two events from a real broker: one that it fails at, and one of nobody's, which is parked.
// Then it ends, and what comes waits for it.
func TestWhatWaitsAtTheBroker(t *testing.T) {
	t.Parallel()
	const builtin = "services: { bus: { migrations: builtin } }\n"
	require.Empty(t, atBroker(t, "", ""), "its services need none")
	require.Empty(t, atBroker(t, "", builtin), "the one of this machine isn't up")

	url := localtest.Broker(t).URL()
	own, err := bus.Stream()
	require.NoError(t, err)
	platform, err := core.Stream()
	require.NoError(t, err)
	f := fleet.New(t, fleet.Options{Streams: []*stream.Stream{platform, own}})
	f.Provision(t, "acme")
	namespace := "test-waiting-" + strings.Trim(f.Prefix, "_")
	broker, err := bus.Open(bus.Options{URL: url, Namespace: namespace})
	require.NoError(t, err)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	during := func(run func(context.Context)) (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { run(ctx) })
		stop = sync.OnceFunc(func() { cancel(); running.Wait() })
		t.Cleanup(stop)
		return stop
	}
	relay := bus.NewRelay(bus.RelayOptions{
		Broker: broker, Instance: fleet.Instance, RolePrefix: f.Prefix, Poll: 5 * time.Millisecond, Log: log,
		DSN: func(ctx context.Context) (string, error) {
			return f.Login(bus.Service)(ctx, scope.Cell{Cell: "shared"})
		},
	})
	consumer := &bus.Consumer{
		Broker: broker, Queue: notifications.Service, Types: map[string]int{"order.placed": 1}, Pools: f.Pools(t, scope.PoolOptions{}), Tenants: f.Directory(t), Log: log,
		Handle: func(context.Context, scope.Tx, bus.Message) error { return errors.New("not yet") },
	}
	end := during(consumer.Run)
	is := func(want ...tui.Queue) {
		t.Helper()
		file := "broker: { url: \"${AMQP_URL}\", namespace: " + namespace + " }\n" + builtin
		require.EventuallyWithT(t, func(c *assert.CollectT) { require.Equal(c, want, atBroker(t, url, file)) }, time.Minute, 100*time.Millisecond)
	}
	is(tui.Queue{Name: "notifications (broker)", Takers: 1}, tui.Queue{Name: "parked (broker)", Parked: true})
	during(relay.Run)
	publish := `insert into bus.outbox (role, id, type, version, payload) values ('PREFIX_t_acme__core', gen_random_uuid(), 'order.placed', 1, '{}')`
	f.Exec(t, publish+`, ('stranger', gen_random_uuid(), 'order.placed', 1, '{}')`)
	is(tui.Queue{Name: "notifications (broker)", Takers: 1, Again: 1}, tui.Queue{Name: "parked (broker)", Parked: true, Waiting: 1})
	end()
	f.Exec(t, publish+`, ('PREFIX_t_acme__core', gen_random_uuid(), 'order.placed', 1, '{}')`)
	is(tui.Queue{Name: "notifications (broker)", Waiting: 3}, tui.Queue{Name: "parked (broker)", Parked: true, Waiting: 1})
}
