package cutover

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

const (
	endTimeout = 20 * time.Second
	endPoll    = 20 * time.Millisecond
)

// endSessions ends every other client session of the database that began before now, so that none goes on that began before the
// fence. Those of clients that come again live by it from their start: ending them, too, would end a busy client's reads for as long as
// it comes.
func endSessions(ctx context.Context, conn *pgx.Conn) error {
	deadline := time.Now().Add(endTimeout)
	var now time.Time // the server's
	if err := conn.QueryRow(ctx, `select clock_timestamp()`).Scan(&now); err != nil {
		return endError(err)
	}
	for {
		var left []string
		var sent bool
		var who string
		err := postgres.Each(ctx, conn, `select pg_terminate_backend(pid), pid || ' (' || coalesce(nullif(application_name, ''), 'unnamed') || ' as ' || coalesce(usename, '') || ')'
			from pg_stat_activity
			where datname = current_database() and pid <> pg_backend_pid() and usesysid is not null
				-- Both are hidden from those who may end a session but not read of it.
				and coalesce(backend_type, 'client backend') = 'client backend' and coalesce(backend_start, '-infinity') <= $1
				and coalesce(application_name, '') not like 'tenantctl/%'`,
			[]any{now}, []any{&sent, &who}, func() error { left = append(left, who); return nil })
		if err != nil {
			return endError(err)
		}
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("end the legacy database's sessions: still there: %s", strings.Join(left, ", "))
		}
		select {
		case <-time.After(endPoll):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func endError(err error) error {
	return tenant.WithHint(fmt.Errorf("end the legacy database's sessions: %w", err),
		"grant the move's role what it needs: `GRANT pg_signal_backend TO ...`, or stop the application first")
}

// blockers names the sessions whose locks kept a fence from its tables.
func blockers(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `
		select distinct format('session %s (%s as %s) has held a lock on %s since %s', a.pid, coalesce(nullif(a.application_name, ''), 'unnamed'), a.usename,
			l.relation::regclass, to_char(a.xact_start, 'HH24:MI:SS'))
		from pg_locks l join pg_stat_activity a using (pid) join pg_class c on c.oid = l.relation and c.relkind in ('r', 'p')
		where l.database = (select oid from pg_database where datname = current_database()) and l.pid <> pg_backend_pid() and l.granted
			and l.mode not in ('AccessShareLock', 'RowShareLock') and c.oid >= 16384
		order by 1 limit 5`)
	if err != nil {
		return fmt.Errorf("look for who blocks: %w", err)
	}
	held, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look for who blocks: %w", err)
	}
	if len(held) == 0 {
		return tenant.WithHint(fmt.Errorf("who held the lock is gone by now"), "run the same command again")
	}
	return tenant.WithHint(fmt.Errorf("%s", strings.Join(held, "; ")), "let that transaction end, or end it, and run the same command again")
}
