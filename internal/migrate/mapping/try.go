package mapping

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tenantctl/internal/migrate/copy"
	"tenantctl/internal/migrate/inspect"
	"tenantctl/internal/postgres"
)

// mostListed is how many rows a finding names.
const mostListed = 20

// Try evaluates the mapping over the legacy rows, as they are now: one scan of each table whose rows could fail, one query for
// each key that the legacy database doesn't keep itself. It writes nothing and needs no more than SELECT. Rows that the target
// couldn't hold are refusals that name them; rows that a reverse wouldn't give back are warnings.
func (c *Compiled) Try(ctx context.Context, source *pgx.Conn) ([]inspect.Finding, error) {
	var findings []inspect.Finding
	failed := map[string]bool{} // legacy tables with rows that can't be evaluated
	for _, t := range c.trials {
		found, err := c.tryTable(ctx, source, t)
		if err != nil {
			return nil, fmt.Errorf("try the mapping over %s: %w", t.table, err)
		}
		for _, f := range found {
			if f.Code == failingRows {
				failed[t.from] = true
			}
		}
		findings = append(findings, found...)
	}
	keys, err := c.tryKeys(ctx, source, failed)
	return append(findings, keys...), err
}

const failingRows = "failing-rows"

// begin opens a transaction that sees one state of the rows, with the settings under which they are copied.
func (c *Compiled) begin(ctx context.Context, source *pgx.Conn) (pgx.Tx, error) {
	tx, err := source.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	if err := pin(ctx, tx, quotedPath(c.path)); err != nil {
		_ = tx.Rollback(context.WithoutCancel(ctx))
		return nil, err
	}
	return tx, nil
}

// pin gives a transaction the settings under which rows are copied: they decide how values are read and written as text.
func pin(ctx context.Context, tx pgx.Tx, searchPath string) error {
	settings := copy.SessionSettings(searchPath)
	delete(settings, "max_parallel_workers_per_gather") // a copy's rows must keep their order, a trial only counts
	for name, value := range settings {
		if _, err := tx.Exec(ctx, "select set_config($1, $2, true)", name, value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

// tally is what a trial found of one group: rows that can't be evaluated, and bad rows of each check.
type tally struct {
	failed  int64
	errors  []sample
	bad     []int64
	rows    [][]sample
	stopped bool // counting was given up: there are at least so many
}

// sample is one row, and the error that it gave.
type sample struct {
	Row, Error string
}

func newTallies(t trial) []tally {
	tallies := make([]tally, len(t.groups)+1) // the last is the filter's
	for i, g := range t.groups {
		tallies[i].bad, tallies[i].rows = make([]int64, len(g.checks)), make([][]sample, len(g.checks))
	}
	return tallies
}

// tryTable scans one table. Only if a row can't be evaluated, those that can't are searched for.
func (c *Compiled) tryTable(ctx context.Context, source *pgx.Conn, t trial) ([]inspect.Finding, error) {
	tx, err := c.begin(ctx, source)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	tallies := newTallies(t)
	err = within(ctx, tx, func(tx pgx.Tx) error { return t.scan(ctx, tx, "", tallies) })
	switch {
	case err == nil:
	case misfit(err):
		return t.misfits(ctx, tx, err)
	case rowsAtFault(err):
		tallies = newTallies(t)
		err = (&search{trial: t, tx: tx, tallies: tallies}).run(ctx)
	}
	if err != nil {
		return nil, err
	}
	return t.findings(tallies), nil
}

// within runs work in a savepoint, which an error rolls back.
func within(ctx context.Context, tx pgx.Tx, work func(pgx.Tx) error) error {
	inner, err := tx.Begin(ctx)
	if err != nil {
		return fmt.Errorf("savepoint: %w", err)
	}
	if err := work(inner); err != nil {
		_ = inner.Rollback(context.WithoutCancel(ctx)) // the transaction tells if it is lost
		return err
	}
	return inner.Commit(ctx)
}

// rowsAtFault tells errors that a value earns: data, constraints raised by functions, errors that functions raise.
func rowsAtFault(err error) bool {
	code := postgres.Code(err)
	return slices.ContainsFunc([]string{"22", "23", "2F", "38", "39", "P0", "54", "XX", "55000", "25006"}, func(class string) bool { return strings.HasPrefix(code, class) })
}

// misfit tells errors that the statement earns: the legacy server is of another version, and lacks what the scratch server has.
func misfit(err error) bool {
	code := postgres.Code(err)
	return (strings.HasPrefix(code, "42") || strings.HasPrefix(code, "0A")) && code != "42501"
}

// noLanguage tells that the server has no PL/pgSQL for us.
func noLanguage(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && (pgErr.Code == "42704" || pgErr.Code == "42501") && strings.Contains(pgErr.Message, "plpgsql")
}

// scan evaluates all groups over the rows in one pass, and only where one is bad, counts in a second what is. extra is one more
// condition, on ctid.
func (t trial) scan(ctx context.Context, tx pgx.Tx, extra string, tallies []tally) error {
	bad, from := conditions(t.groups), t.rows(extra, t.groups...).sql()
	sql := "select count(*) from " + from
	if len(bad) > 0 { // without checks it is only the filter that is tried
		sql += " where " + anyOf(bad)
	}
	var found int64
	if err := tx.QueryRow(ctx, sql).Scan(&found); err != nil || found == 0 || len(bad) == 0 {
		return err
	}
	columns, counts, into := make([]string, len(bad)), make([]int64, len(bad)), make([]any, len(bad))
	for i, condition := range bad {
		columns[i], into[i] = "count(*) filter (where "+condition+")", &counts[i]
	}
	if err := tx.QueryRow(ctx, "select "+strings.Join(columns, ", ")+" from "+from).Scan(into...); err != nil {
		return err
	}
	next := 0
	for i, g := range t.groups {
		for j, check := range g.checks {
			count := counts[next]
			next++
			if count == 0 {
				continue
			}
			tallies[i].bad[j] += count
			samples, err := t.list(ctx, tx, g, check, extra, mostListed-len(tallies[i].rows[j]))
			if err != nil {
				return err
			}
			tallies[i].rows[j] = append(tallies[i].rows[j], samples...)
		}
	}
	return nil
}

// list names bad rows of one check.
func (t trial) list(ctx context.Context, tx pgx.Tx, g group, check check, extra string, limit int) ([]sample, error) {
	if limit <= 0 {
		return nil, nil
	}
	rows, err := tx.Query(ctx, fmt.Sprintf("select %s, '' from %s where %s limit %d", t.key, t.rows(extra, g).sql(), check.bad, limit))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[sample])
}
