package cutover

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/operation/pause"
	"tenantctl/internal/postgres"
	"tenantctl/internal/tenant"
)

//go:embed sql/fence.sql
var fenceSQL string

// Schema is what the fence puts its things into, and the name of its triggers.
const Schema = "tenantctl_fence"

// Fence stops writes to a legacy database.
type Fence struct {
	// Dial opens a session of the legacy database as its owner.
	Dial      func(ctx context.Context) (*pgx.Conn, error)
	Operation string
	Tenant    tenant.Name
	Patience  time.Duration // how long to wait for the client's own transactions; 0: one minute
	Stood     bool          // for Release: the fence was set once, whatever is found of it now
}

// State is a fence that stands.
type State struct {
	Operation string    `json:"operation"`
	Tenant    string    `json:"tenant"`
	SetAt     time.Time `json:"setAt"`
	Tables    int       `json:"tables"` // with a trigger that fires always
	Missing   []string  `json:"missing,omitempty"`
	ReadOnly  bool      `json:"readOnly"` // the database's default
	LSN       string    `json:"lsn,omitempty"`
}

const (
	defaultPatience = time.Minute
	// fenceLockTimeout is shorter than deadlock_timeout: with a longer one the client's transaction could be the one to die.
	fenceLockTimeout = "250ms"
	shortestPause    = 50 * time.Millisecond
	longestPause     = 2 * time.Second
)

// Settings are what a session needs to work on a database whose default is read only.
func Settings() map[string]string {
	return map[string]string{"default_transaction_read_only": "off", "search_path": ""}
}

// Set puts the fence up: a trigger that refuses on every table, partition and child, the database read only by default,
// and every other session ended. Triggers and setting are one transaction. Set again, it only ends sessions.
func (f Fence) Set(ctx context.Context) (State, error) {
	conn, err := f.Dial(ctx)
	if err != nil {
		return State{}, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	state, there, err := f.look(ctx, conn)
	if err != nil {
		return State{}, err
	}
	if there && state.Operation != f.Operation {
		return State{}, tenant.WithHint(fmt.Errorf("the legacy database is fenced by operation %s of tenant %s: %w", state.Operation, state.Tenant, tenant.ErrConflict),
			"finish or roll back that move first: `tenantctl status "+state.Tenant+"`")
	}
	if !there {
		if err := f.patiently(ctx, conn, f.put); err != nil {
			return State{}, fmt.Errorf("stop writes: %w", err)
		}
	}
	pause.Point(ctx, pause.FenceSet)
	if err := endSessions(ctx, conn); err != nil {
		return State{}, err
	}
	return f.standing(ctx, conn)
}

// Check tells how the fence stands now. An error that wraps tenant.ErrConflict means that somebody weakened it.
func (f Fence) Check(ctx context.Context) (State, error) {
	conn, err := f.Dial(ctx)
	if err != nil {
		return State{}, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return f.standing(ctx, conn)
}

// Release takes the fence away and puts the database's setting back, in one transaction. Then it ends the sessions that began while
// the fence stood: an application's pool would go on with connections that are read only by default. It does nothing where no fence is.
func (f Fence) Release(ctx context.Context) error {
	conn, err := f.Dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	state, there, err := f.look(ctx, conn)
	if err != nil {
		return err
	}
	if !there {
		return f.lost(ctx, conn)
	}
	if state.Operation != f.Operation {
		return fmt.Errorf("the legacy database is fenced by operation %s of tenant %s, not by %s: %w", state.Operation, state.Tenant, f.Operation, tenant.ErrConflict)
	}
	if err := f.patiently(ctx, conn, f.take); err != nil {
		return fmt.Errorf("allow writes again: %w", err)
	}
	pause.Point(ctx, pause.FenceReleased)
	return endSessions(ctx, conn)
}

// lost refuses to say that writes are allowed where somebody took the fence away by hand and left the database read only: what
// its own setting was went with the fence.
func (f Fence) lost(ctx context.Context, conn *pgx.Conn) error {
	if !f.Stood {
		return nil
	}
	readOnly, err := readOnly(ctx, conn)
	if err != nil || !readOnly {
		return err
	}
	return tenant.WithHint(fmt.Errorf("the fence was taken away by hand, but the database is still read only by default: %w", tenant.ErrConflict),
		fmt.Sprintf("`ALTER DATABASE %s RESET default_transaction_read_only`, then run the same command again", postgres.Ident(conn.Config().Database)))
}

// look reads the fence's own record.
func (f Fence) look(ctx context.Context, conn *pgx.Conn) (state State, there bool, err error) {
	err = conn.QueryRow(ctx, `select to_regclass('tenantctl_fence.fence') is not null`).Scan(&there)
	if err != nil {
		return State{}, false, fmt.Errorf("look for a fence: %w", err)
	}
	if !there {
		return State{}, false, nil
	}
	err = conn.QueryRow(ctx, `select operation, tenant, set_at from tenantctl_fence.fence`).Scan(&state.Operation, &state.Tenant, &state.SetAt)
	if err != nil {
		return State{}, false, fmt.Errorf("read the fence: %w", err)
	}
	return state, true, nil
}

// patiently runs a change that needs locks, each try with a short lock_timeout, until it works or patience ends.
func (f Fence) patiently(ctx context.Context, conn *pgx.Conn, change func(context.Context, pgx.Tx) error) error {
	patience := f.Patience
	if patience == 0 {
		patience = defaultPatience
	}
	deadline := time.Now().Add(patience)
	for wait := shortestPause; ; wait = min(2*wait, longestPause) {
		err := inTransaction(ctx, conn, change)
		if err == nil || postgres.Classify(err) != postgres.Retryable || conn.IsClosed() {
			return err
		}
		if time.Now().After(deadline) {
			return errors.Join(err, blockers(ctx, conn))
		}
		select {
		case <-time.After(wait/2 + time.Duration(rand.Int64N(int64(wait)))): //nolint:gosec // spreads retries, guards nothing
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// quiet keeps the client's event triggers out of a transaction, where the administrator may: one that forbids DDL would refuse the fence, one
// that logs it would write into the client's tables. The fence's own triggers are always on.
const quiet = `do $$ begin set local session_replication_role = replica; exception when insufficient_privilege then null; end $$`

func inTransaction(ctx context.Context, conn *pgx.Conn, change func(context.Context, pgx.Tx) error) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := postgres.Script(ctx, tx, "set local lock_timeout = '"+fenceLockTimeout+"';"+quiet); err != nil {
		return fmt.Errorf("set lock_timeout: %w", err)
	}
	if err := change(ctx, tx); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// put is the transaction that stops writes.
func (f Fence) put(ctx context.Context, tx pgx.Tx) error {
	tables, err := writable(ctx, tx)
	if err != nil {
		return err
	}
	if len(tables) > 0 {
		if _, err := tx.Exec(ctx, "lock table only "+strings.Join(tables, ", only ")+" in share row exclusive mode"); err != nil {
			return fmt.Errorf("lock the legacy tables: %w", err)
		}
	}
	if err := postgres.Script(ctx, tx, fenceSQL); err != nil {
		return fmt.Errorf("create the fence: %w", err)
	}
	_, err = tx.Exec(ctx, `insert into tenantctl_fence.fence (operation, tenant, previous_read_only)
		select $1, $2, (select split_part(c, '=', 2) from pg_db_role_setting s cross join unnest(s.setconfig) c
			where s.setdatabase = (select oid from pg_database where datname = current_database()) and s.setrole = 0
				and c like 'default_transaction_read_only=%')`, f.Operation, string(f.Tenant))
	if err != nil {
		return fmt.Errorf("record the fence: %w", err)
	}
	var script strings.Builder
	for _, table := range tables {
		fmt.Fprintf(&script, "create trigger %[1]s before insert or update or delete or truncate on %[2]s for each statement execute function %[1]s.refuse();\n"+
			"alter table %[2]s enable always trigger %[1]s;\n", Schema, table)
	}
	script.WriteString(`do $$ begin execute format('alter database %I set default_transaction_read_only = on', current_database()); end $$`)
	if err := postgres.Script(ctx, tx, script.String()); err != nil {
		return fmt.Errorf("put the fence's triggers: %w", err)
	}
	return nil
}

// take is the transaction that allows writes again.
func (f Fence) take(ctx context.Context, tx pgx.Tx) error {
	return postgres.Script(ctx, tx, `do $$
		declare previous text;
		begin
			select previous_read_only into strict previous from tenantctl_fence.fence;
			if previous is null then
				execute format('alter database %I reset default_transaction_read_only', current_database());
			else
				execute format('alter database %I set default_transaction_read_only = %L', current_database(), previous);
			end if;
		end $$;
		drop schema tenantctl_fence cascade`)
}

// writable lists the tables that rows can be written to directly: ordinary and partitioned ones, partitions and children.
func writable(ctx context.Context, db postgres.Querier) ([]string, error) {
	rows, err := db.Query(ctx, `select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.relkind in ('r', 'p') and c.relpersistence <> 't' and n.nspname not like 'pg\_%'
			and n.nspname not in ('information_schema', 'tenantctl_fence')
			and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
		order by c.oid`)
	if err != nil {
		return nil, fmt.Errorf("list the legacy tables: %w", err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list the legacy tables: %w", err)
	}
	return tables, nil
}

// standing compares what the fence should be with what is there.
func (f Fence) standing(ctx context.Context, conn *pgx.Conn) (State, error) {
	state, there, err := f.look(ctx, conn)
	if err != nil {
		return State{}, err
	}
	if !there || state.Operation != f.Operation {
		return State{}, fmt.Errorf("the fence of operation %s isn't there any more: %w", f.Operation, tenant.ErrConflict)
	}
	tables, err := writable(ctx, conn)
	if err != nil {
		return State{}, err
	}
	rows, err := conn.Query(ctx, `select tgrelid::regclass::text from pg_trigger where tgname = 'tenantctl_fence' and tgenabled = 'A'`)
	if err != nil {
		return State{}, fmt.Errorf("list the fence's triggers: %w", err)
	}
	guarded, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return State{}, fmt.Errorf("list the fence's triggers: %w", err)
	}
	state.Tables, state.Missing = len(guarded), missing(tables, guarded)
	if state.ReadOnly, err = readOnly(ctx, conn); err != nil {
		return State{}, err
	}
	if err := conn.QueryRow(ctx, `select pg_current_wal_lsn()::text`).Scan(&state.LSN); err != nil {
		return State{}, fmt.Errorf("read the server's position: %w", err)
	}
	if len(state.Missing) > 0 || !state.ReadOnly {
		return state, fmt.Errorf("the fence was weakened: read only is %t, tables without its trigger: %v: %w", state.ReadOnly, state.Missing, tenant.ErrConflict)
	}
	return state, nil
}

// readOnly tells whether the database's own default is read only.
func readOnly(ctx context.Context, conn *pgx.Conn) (is bool, err error) {
	err = conn.QueryRow(ctx, `select exists (select from pg_db_role_setting s cross join unnest(s.setconfig) c
			where s.setdatabase = (select oid from pg_database where datname = current_database()) and s.setrole = 0
				and c = 'default_transaction_read_only=on')`).Scan(&is)
	if err != nil {
		return false, fmt.Errorf("read the database's setting: %w", err)
	}
	return is, nil
}

func missing(wanted, have []string) []string {
	there := make(map[string]bool, len(have))
	for _, name := range have {
		there[name] = true
	}
	var absent []string
	for _, name := range wanted {
		if !there[name] {
			absent = append(absent, name)
		}
	}
	return absent
}
