package faults

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// writer is a client's application that inserts rows all the time, on connections of its own, until the database refuses.
type writer struct {
	acknowledged map[int]bool
	doubtful     map[int]bool // its connection ended before the answer came
	after        int          // acknowledged after a refusal
	count        atomic.Int64
	done         chan error
}

const readOnlyTransaction = "25006"

func startWriter(dsn string) *writer {
	w := &writer{acknowledged: map[int]bool{}, doubtful: map[int]bool{}, done: make(chan error, 1)}
	go func() { w.done <- w.write(context.Background(), dsn) }()
	return w
}

// write inserts until it was refused some times in a row: none may get through once the first was refused.
func (w *writer) write(ctx context.Context, dsn string) error {
	const enough = 20
	var conn *pgx.Conn
	refused := 0
	for id := 1_000_000; refused < enough; id++ {
		if conn == nil || conn.IsClosed() {
			var err error
			if conn, err = pgx.Connect(ctx, dsn); err != nil {
				time.Sleep(pollEvery) // as an application does
				continue
			}
		}
		_, err := conn.Exec(ctx, "insert into big values ($1, 'written during the move')", id)
		var answer *pgconn.PgError
		switch {
		case err == nil && refused > 0:
			w.after++
		case err == nil:
			w.acknowledged[id] = true
			w.count.Add(1)
		case errors.As(err, &answer) && answer.Code == readOnlyTransaction:
			refused++
		default:
			w.doubtful[id] = true
		}
	}
	return conn.Close(ctx)
}

func TestClientWritesDuringTheMove(t *testing.T) {
	t.Parallel()
	s := newScene(t, setting{})
	s.exits(0, "provision", "neighbor")
	w := startWriter(s.source)
	s.until("the client never wrote", func() bool { return w.count.Load() > 10 })
	s.exits(0, migrate()...)
	select {
	case err := <-w.done:
		require.NoError(t, err)
	case <-time.After(patience):
		require.Fail(t, "the client was never refused")
	}
	require.Zero(t, w.after, "writes got through after the first was refused")
	s.proven()
	s.fenced()
	t.Logf("%d rows acknowledged, %d in doubt", len(w.acknowledged), len(w.doubtful))

	rows, err := s.open(s.target).Query(context.Background(), "select id from tenant_client_x.big where id >= 1000000")
	require.NoError(t, err)
	arrived, err := pgx.CollectRows(rows, pgx.RowTo[int])
	require.NoError(t, err)
	there := map[int]bool{}
	for _, id := range arrived {
		there[id] = true
		require.True(t, w.acknowledged[id] || w.doubtful[id], "row %d is there although its write was refused", id)
	}
	for id := range w.acknowledged {
		require.True(t, there[id], "row %d was acknowledged and is gone", id)
	}

	s.exits(0, "rollback", "client-x")
	require.NoError(t, s.clientWrites())
	require.Equal(t, strconv.Itoa(len(arrived)), s.ask(s.source, "select count(*)::text from big where id >= 1000000"))
	s.nothingLeft()
}

func TestClientHoldsALockAtTheFence(t *testing.T) {
	t.Parallel()
	s := newScene(t, setting{})
	b := s.remember()
	ctx := context.Background()
	client := s.open(s.source)
	_, err := client.Exec(ctx, "set application_name = 'monthly report'; begin; update settings set value = 'busy' where name = 'currency'")
	require.NoError(t, err)
	p := s.start("", migrate()...)
	s.phase("fence")
	// It waits meanwhile, and others write in between.
	require.NoError(t, s.clientWrites())
	e := s.wait(p)
	require.Equal(t, 1, e.code, e.stderr)
	require.Regexp(t, `session \d+ \(monthly report as \w+\) has held a lock on (public\.)?settings since`, e.stderr)
	require.Contains(t, e.stderr, "next: ")
	require.NotContains(t, e.stderr, "are BLOCKED")
	require.NoError(t, s.clientWrites())
	require.Equal(t, "legacy", s.ask(s.target, "select target from tenantctl.route where tenant = 'client-x'"))
	_, err = client.Exec(ctx, "rollback")
	require.NoError(t, err)
	s.exec(s.source, "delete from settings where value = 'by the client'")
	s.exits(0, migrate()...)
	s.moved(b)
}

func TestFenceWeakenedByHand(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"trigger":  "drop trigger tenantctl_fence on settings",
		"disabled": "alter table settings disable trigger tenantctl_fence",
		"setting":  "do $$ begin execute format('alter database %I reset default_transaction_read_only', current_database()); end $$",
		"all":      "drop schema tenantctl_fence cascade",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, setting{})
			b := s.remember()
			s.exits(0, migrate("--stop-before", "verify")...)
			s.exec(s.source, sql)
			e := s.exits(6, migrate()...)
			require.Contains(t, e.stderr, "can't be proven")
			require.Contains(t, e.stderr, "tenantctl rollback client-x")
			require.Equal(t, "hold", s.ask(s.target, "select target from tenantctl.route where tenant = 'client-x'"))
			if name == "all" { // what the database's own setting was nobody knows any more
				e = s.exits(6, "rollback", "client-x")
				require.Regexp(t, `next: .*ALTER DATABASE "?`+databaseOf(s.source)+`"? RESET default_transaction_read_only`, e.stderr)
				s.exec(s.source, "alter database "+databaseOf(s.source)+" reset default_transaction_read_only")
			}
			s.exits(0, "rollback", "client-x")
			require.Equal(t, "", s.ask(s.source, `select string_agg(c, ' ') from pg_db_role_setting s cross join unnest(s.setconfig) c
				where s.setdatabase = (select oid from pg_database where datname = current_database())`))
			s.back(b)
		})
	}
}

func TestRowChangedBeforeTheProof(t *testing.T) {
	t.Parallel()
	s := newScene(t, setting{})
	b := s.remember()
	s.exits(0, migrate("--stop-before", "verify")...)
	s.exec(s.target, `update tenant_client_x.orders set note = 'changed' where id = 417; delete from tenant_client_x.big where id = 815`)
	e := s.exits(1, migrate()...)
	require.Regexp(t, `tenant_client_x\.orders: .*1 changed .*417`, e.stderr)
	require.Regexp(t, `tenant_client_x\.big: .*1 missing .*815`, e.stderr)
	require.Equal(t, "hold", s.ask(s.target, "select target from tenantctl.route where tenant = 'client-x'"))
	s.fenced()
	s.exits(0, "rollback", "client-x")
	s.back(b)
}
