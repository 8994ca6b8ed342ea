package lint_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"tenantctl/internal/lint"
	"tenantctl/internal/local/localtest"
	"tenantctl/internal/postgres"
)

// shopWithRows is a table that a statement may lock, read or write anew.
const shopWithRows = `
	create table customers (id bigint primary key, email text);
	insert into customers select i, 'c' || i from generate_series(1, 100) i;
	create table orders (id bigint not null, customer_id bigint not null, code varchar(10) not null, note text, total numeric(10, 2));
	insert into orders select i, 1 + i % 100, 'c' || i, 'n', i from generate_series(1, 1000) i;
	create index orders_code on orders (code);
	create materialized view days as select count(*) as n from orders;
	create unique index on days (n);
	create table proven (a int, constraint a_given check (a is not null));
	insert into proven values (1);
	create function touch() returns trigger language plpgsql as 'begin return new; end';
	create domain grade as int;
	create table marks (grade grade);
	insert into marks values (1);`

// effect is what a statement does to a table, as the server tells it.
type effect struct {
	lock      string // the strongest, without its "Lock"
	rewritten bool
	scanned   bool
}

// TestServerDoesWhatRulesSay runs statements that rules find, and what they propose, and looks at locks, files and scans.
func TestServerDoesWhatRulesSay(t *testing.T) {
	t.Parallel()
	conn := connect(t, localtest.Database(t))
	exec(t, conn, shopWithRows)
	const all, writes, passes = "AccessExclusive", "ShareRowExclusive", "ShareUpdateExclusive"
	for _, tc := range []struct {
		rule, before, sql, table string
		want                     effect
	}{
		{"R1", "", "create index on orders (note)", "orders", effect{"Share", false, true}},
		{"R2", "", "drop index orders_code", "orders", effect{all, false, false}},
		{"R2", "", "reindex index orders_code", "orders", effect{"Share", false, true}},
		{"R3", "", "refresh materialized view days", "days", effect{all, true, true}},
		{"R3 safe", "", "refresh materialized view concurrently days", "days", effect{"Exclusive", false, true}},
		{"R4", "", "alter table orders alter code type varchar(9)", "orders", effect{all, true, true}},
		{"R4", "", "alter table orders alter total type numeric(10, 3)", "orders", effect{all, true, true}},
		{"R4 let", "", "alter table orders alter code type varchar(20)", "orders", effect{all, false, false}},
		{"R4 let", "", "alter table orders alter code type text", "orders", effect{all, false, false}},
		{"R4 let", "", "alter table orders alter total type numeric(12, 2)", "orders", effect{all, false, false}},
		{"R4 let", "", "alter table orders alter note type varchar", "orders", effect{all, false, false}},
		{"R5", "", "alter table orders add a uuid default gen_random_uuid()", "orders", effect{all, true, true}},
		{"R5", "", "alter table orders add a bigserial", "orders", effect{all, true, true}},
		{"R5", "", "alter table orders add a text generated always as (upper(note)) stored", "orders", effect{all, true, true}},
		{"R5 let", "", "alter table orders add a timestamptz not null default now(), add b int default 3", "orders", effect{all, false, false}},
		{"R5 safe", "alter table orders add a uuid", "alter table orders alter a set default gen_random_uuid()", "orders", effect{all, false, false}},
		{"R6", "", "alter table orders alter note set not null", "orders", effect{all, false, true}},
		{"R6 safe", "", "alter table proven alter a set not null", "proven", effect{all, false, false}},
		{"R7", "", "alter table orders add constraint f foreign key (customer_id) references customers", "orders", effect{writes, false, true}},
		{"R7", "", "alter table orders add constraint f foreign key (customer_id) references customers", "customers", effect{writes, false, true}},
		{"R7 safe", "", "alter table orders add constraint f foreign key (customer_id) references customers not valid", "orders", effect{writes, false, false}},
		{"R7 let", "", "alter table orders add a bigint references customers", "orders", effect{all, false, false}},
		{"R8", "", "alter table orders add check (total > 0)", "orders", effect{all, false, true}},
		{"R8", "", "alter table orders add a int check (a > 0)", "orders", effect{all, false, true}},
		{"R8 safe", "", "alter table orders add constraint c check (total > 0) not valid", "orders", effect{all, false, false}},
		{"R10", "", "alter table orders add unique (id)", "orders", effect{all, false, true}},
		{"R10 safe", "create unique index u on orders (id)", "alter table orders add unique using index u", "orders", effect{all, false, false}},
		{"R12", "", "create trigger t before update on orders for each row execute function touch()", "orders", effect{writes, false, false}},
		{"R12", "", "alter table orders enable row level security", "orders", effect{all, false, false}},
		{"R12", "", "alter table orders set unlogged", "orders", effect{all, true, true}},
		{"R13", "", "alter domain grade add check (value > 0)", "marks", effect{"Share", false, true}},
	} {
		require.Equal(t, tc.want, observe(t, conn, tc.before, tc.sql, tc.table), "%s: %s on %s", tc.rule, tc.sql, tc.table)
	}
	exec(t, conn, "alter table orders add constraint v check (total > 0) not valid")
	require.Equal(t, effect{passes, false, true}, observe(t, conn, "", "alter table orders validate constraint v", "orders"), "validating lets reads and writes go on")
}

// observe runs a statement in a transaction that is taken back.
func observe(t *testing.T, conn *pgx.Conn, before, sql, table string) effect {
	t.Helper()
	if before != "" {
		exec(t, conn, "begin; "+before+"; commit")
		defer func() { exec(t, conn, undo(before)) }()
	}
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	const look = `select pg_relation_filenode($1::regclass), pg_stat_get_xact_numscans($1::regclass)`
	var file, fileAfter uint32
	var scans, scansAfter int64
	require.NoError(t, tx.QueryRow(t.Context(), look, table).Scan(&file, &scans))
	_, err = tx.Exec(t.Context(), sql)
	require.NoError(t, err, sql)
	require.NoError(t, tx.QueryRow(t.Context(), look, table).Scan(&fileAfter, &scansAfter))
	rows, err := tx.Query(t.Context(), `select mode from pg_locks where relation = $1::regclass and pid = pg_backend_pid() and granted`, table)
	require.NoError(t, err)
	modes, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return effect{lock: strongest(modes), rewritten: file != fileAfter, scanned: scansAfter > scans}
}

// undo takes back what a test made before.
func undo(before string) string {
	if strings.HasPrefix(before, "create unique index u") {
		return "drop index if exists u"
	}
	return "alter table orders drop a"
}

func strongest(modes []string) string {
	for _, mode := range []string{"AccessExclusive", "Exclusive", "ShareRowExclusive", "Share", "ShareUpdateExclusive", "RowExclusive", "RowShare", "AccessShare"} {
		for _, held := range modes {
			if held == mode+"Lock" {
				return mode
			}
		}
	}
	return ""
}

// TestConcurrentlyLetsWritersPass holds a writer's transaction open: what rules find waits for it in front of the table, and makes
// others wait behind it; what they propose waits for the transaction alone.
func TestConcurrentlyLetsWritersPass(t *testing.T) {
	t.Parallel()
	dsn := localtest.Database(t)
	writer := connect(t, dsn)
	exec(t, writer, shopWithRows)
	for sql, wantsTable := range map[string]bool{
		"create index on orders (note)":              true,
		"create index concurrently on orders (note)": false,
		"drop index orders_code":                     true,
		"reindex index orders_code":                  true,
		"reindex index concurrently orders_code":     false,
		"drop index concurrently orders_code":        false,
	} {
		exec(t, writer, "begin; insert into orders (id, customer_id, code) values (0, 1, 'x')")
		worker := connect(t, dsn)
		done := make(chan error, 1)
		go func() {
			_, err := worker.Exec(t.Context(), sql)
			done <- err
		}()
		watcher, pid := connect(t, dsn), worker.PgConn().PID()
		require.Equal(t, wantsTable, waitsForTable(t, watcher, pid), sql)
		var gone bool
		require.NoError(t, watcher.QueryRow(t.Context(), `select pg_terminate_backend($1, 30000)`, pid).Scan(&gone))
		require.True(t, gone)
		require.Error(t, <-done)
		exec(t, writer, "rollback")
		cleanIndexes(t, writer)
	}
}

// waitsForTable waits until a session waits, and tells whether for a lock on a relation.
func waitsForTable(t *testing.T, db postgres.Querier, pid uint32) bool {
	t.Helper()
	const patience = 30 * time.Second
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) { // it happens in another process
		var kind string
		err := db.QueryRow(t.Context(), `select locktype from pg_locks where pid = $1 and not granted limit 1`, pid).Scan(&kind)
		if err == nil {
			return kind == "relation"
		}
		require.ErrorIs(t, err, pgx.ErrNoRows)
	}
	require.Fail(t, "the statement never waited")
	return false
}

// cleanIndexes drops what an index build that was canceled left behind.
func cleanIndexes(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	rows, err := conn.Query(t.Context(), `select 'drop index ' || indexrelid::regclass from pg_index where not indisvalid`)
	require.NoError(t, err)
	drops, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	for _, drop := range drops {
		exec(t, conn, drop)
	}
	exec(t, conn, "create index if not exists orders_code on orders (code)")
}

// TestFunctionsAreAsVolatileAsSaid asks the server about the functions that R5 knows.
func TestFunctionsAreAsVolatileAsSaid(t *testing.T) {
	t.Parallel()
	conn := connect(t, localtest.Database(t))
	for name, volatile := range lint.KnownFunctions() {
		var kinds []string
		require.NoError(t, conn.QueryRow(t.Context(), `select coalesce(array_agg(distinct provolatile::text), '{}') from pg_proc where pronamespace = 'pg_catalog'::regnamespace and proname = $1`, name).Scan(&kinds))
		if len(kinds) == 0 {
			continue // of an extension, of a newer server, or syntax
		}
		if volatile {
			require.Contains(t, kinds, "v", name)
		} else {
			require.NotContains(t, kinds, "v", name)
		}
	}
}
