package faults

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
	"tenantctl/test/compare"
)

// slow is how a move is slowed down so that something can happen in the middle of its copy.
const slow = "400kB"

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	s := newScene(t, setting{})
	wrong := func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "mistyped") }
	for variable, dsn := range map[string]string{"CLIENT_X_DSN": s.source, "SHARED_1_DSN": s.target} {
		usual := s.env
		s.env = append(usual[:len(usual):len(usual)], variable+"="+with(t, dsn, wrong))
		e := s.exits(4, migrate()...)
		require.Contains(t, e.stderr, "authentication failed")
		require.Contains(t, e.stderr, "next: ")
		require.NotContains(t, e.stdout+e.stderr, "mistyped")
		s.env = usual
	}
	require.NoError(t, s.clientWrites())
	s.exits(0, migrate()...)
	s.proven()
}

func TestUnreachableServers(t *testing.T) {
	t.Parallel()
	s := newScene(t, setting{})
	b := s.remember()
	gone := func(u *url.URL) { u.Host = "127.0.0.1:1" }
	for variable, dsn := range map[string]string{"CLIENT_X_DSN": s.source, "SHARED_1_DSN": s.target} {
		usual := s.env
		s.env = append(usual[:len(usual):len(usual)], variable+"="+with(t, dsn, gone))
		e := s.exits(1, migrate()...)
		require.Contains(t, e.stderr, "connect to 127.0.0.1:1")
		require.Contains(t, e.stderr, "next: ")
		s.env = usual
	}
	s.exits(0, migrate()...)
	s.moved(b)
}

func TestSourceDroppedMidway(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"between two runs", "while rows are copied"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, setting{})
			b := s.remember()
			var e ended
			if when == "between two runs" {
				s.exits(0, migrate("--stop-before", "copy")...)
				s.drop(s.source)
				e = s.run("", migrate()...)
			} else {
				p := s.start("", migrate("--max-rate", slow)...)
				s.phase("copy")
				s.drop(s.source)
				e = s.wait(p)
			}
			require.Equal(t, 1, e.code, e.stderr)
			e = s.exits(1, migrate()...)
			require.Contains(t, e.stderr, databaseOf(s.source))
			require.Contains(t, e.stderr, "does not exist")
			require.Equal(t, "hold", s.ask(s.target, "select target from tenantctl.route where tenant = 'client-x'"))
			s.exits(0, "status", "client-x")
			s.unharmed(b)
			s.nothingLeft()
		})
	}
}

func (s *scene) drop(dsn string) {
	s.t.Helper()
	s.exec(s.server.DSN("postgres"), "drop database "+databaseOf(dsn)+" with (force)")
}

func TestTargetRestartedMidway(t *testing.T) {
	t.Parallel()
	s := newScene(t, setting{server: localtest.NewServer(t, nil, localtest.ServerOptions{})})
	b := s.remember()
	p := s.start("", migrate("--max-rate", slow)...)
	s.phase("copy")
	s.until("no chunk arrived", func() bool {
		return s.ask(s.target, "select (count(*) > 0)::text from tenantctl_instance.chunk where table_name not like '#%'") == "true"
	})
	require.NoError(t, s.server.Restart(context.Background()))
	if e := s.wait(p); e.code != 0 {
		t.Logf("it ended with %d: %s", e.code, e.stderr)
		require.Contains(t, e.stderr, "next: ")
		s.exits(0, migrate()...)
	}
	s.moved(b)
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := localtest.SmallDisk(t, 120)
	filler := filepath.Join(filepath.Dir(disk), "filler")
	require.NoError(t, os.WriteFile(filler, make([]byte, 80<<20), 0o600))
	server := localtest.NewServer(t, nil, localtest.ServerOptions{})
	ctx := context.Background()
	admin, err := pgx.Connect(ctx, server.DSN("postgres"))
	require.NoError(t, err)
	defer func() { _ = admin.Close(ctx) }()
	_, err = admin.Exec(ctx, "create tablespace small location '"+disk+"'")
	require.NoError(t, err)
	_, err = admin.Exec(ctx, "create database shared tablespace small")
	require.NoError(t, err)
	s := newScene(t, setting{
		server: server, target: server.DSN("shared"),
		sql: legacySQL + "insert into big select i, repeat(md5(i::text), 60) from generate_series(10000, 26000) i; create index big_note on big (md5(note), note)",
	})
	b := s.remember()
	e := s.exits(1, migrate()...)
	require.Contains(t, e.stderr, "No space left on device")
	require.Contains(t, e.stderr, "next: ")
	require.Contains(t, e.stderr, "BLOCKED")
	s.unharmed(b)
	require.NoError(t, os.Remove(filler))
	s.exits(0, migrate()...)
	s.moved(b)
}

func TestTwoRunsAtOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t, setting{})
	b := s.remember()
	first := s.start("", migrate("--max-rate", slow)...)
	s.phase("copy")
	e := s.exits(6, migrate()...)
	require.Regexp(t, `pid \d+ .*holds it since`, e.stderr)
	e = s.exits(6, "rollback", "client-x")
	require.Regexp(t, `holds it since`, e.stderr)
	done := s.wait(first)
	require.Zero(t, done.code, done.stderr)
	s.moved(b)
}

func TestSchemaThatIsntOurs(t *testing.T) {
	t.Parallel()
	s := newScene(t, setting{})
	b := s.remember()
	s.exec(s.target, "create schema tenant_client_x; create table tenant_client_x.theirs (id int); insert into tenant_client_x.theirs values (1)")
	theirs := compare.Contents(t, s.open(s.target), "tenant_client_x")
	e := s.exits(6, migrate()...)
	require.Contains(t, e.stderr, `schema "tenant_client_x"`)
	require.Equal(t, theirs, compare.Contents(t, s.open(s.target), "tenant_client_x"))
	require.Equal(t, b.legacyNow, compare.Contents(t, s.open(s.source), "public"))
	require.NoError(t, s.clientWrites())
	s.unharmed(b)
	s.nothingLeft()
}
