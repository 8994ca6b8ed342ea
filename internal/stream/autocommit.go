package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/operation/pause"
	"tenantctl/internal/postgres"
	"tenantctl/internal/postgres/lexer"
)

// autocommit runs a script that can't be in a transaction of ours: the version is marked dirty, the script runs, the mark goes
// away. It goes away too where the script failed and left nothing behind. A process that dies in between leaves the mark, as
// golang-migrate would.
func (d *driver) autocommit(script Script) error {
	return d.underLocks(func() error {
		before := d.at
		if err := d.session(script); err != nil {
			return err
		}
		if err := d.mark(d.work.version, d.work.to, true); err != nil {
			return err
		}
		pause.Point(d.ctx, pause.StreamMarkedDirty)
		run := d.runWhole
		if script.apart {
			run = d.runApart
		}
		left, err := run(script)
		if err != nil && !left {
			return errors.Join(err, d.unmark(before))
		}
		if err != nil {
			return err
		}
		pause.Point(d.ctx, pause.StreamStatementRan)
		return d.mark(d.work.version, d.work.to, false)
	})
}

// runWhole sends a script as golang-migrate does, in one message, within which it ends its transactions itself. It tells
// whether a script that fails may have left something behind.
func (d *driver) runWhole(script Script) (left bool, err error) {
	done, err := d.send(script.SQL)
	if err == nil {
		return true, nil
	}
	left = done.committed || postgres.Code(err) == ""
	if script.statements == 1 {
		left = left || !neverBegan(err)
	}
	script.body = script.SQL
	return left, d.failed(script, err, 0, done.ended)
}

// runApart sends a script statement by statement.
func (d *driver) runApart(script Script) (left bool, err error) {
	for i, statement := range lexer.Statements(script.body) {
		w := words(statement.Text, wordLimit)
		if err := d.limitWaits(script, w); err != nil {
			return left, err
		}
		remains, err := d.runStatement(script, i, statement)
		if err != nil {
			return left || remains, err
		}
		left = left || d.conn.PgConn().TxStatus() == 'I' && !leavesNothing(w)
	}
	return left, nil
}

// leavesNothing knows the statements that change nothing which lasts.
func leavesNothing(w []string) bool {
	return slices.Contains([]string{"set", "reset", "show", "rollback", "abort", "listen", "discard"}, w[0])
}

// limitWaits bounds the waits of the next statement. What works concurrently may wait for old transactions, and stops nobody
// meanwhile; whoever takes strong locks may not.
func (d *driver) limitWaits(script Script, w []string) error {
	wait := d.target.lockTimeout(script.statements)
	switch {
	case contains(w, "concurrently") || w[0] == "vacuum" && !contains(w, "full"):
		wait = d.target.concurrentWait()
	case d.target.LockTimeout == 0:
		return nil
	}
	if err := postgres.Script(d.ctx, d.conn, setLockTimeout("set", wait)); err != nil {
		return fmt.Errorf("set the lock timeout: %w", err)
	}
	return nil
}

func setLockTimeout(set string, wait time.Duration) string {
	return fmt.Sprintf("%s lock_timeout = %d", set, max(wait.Milliseconds(), 1))
}

// unmark takes the dirty mark back, also when the context is over.
func (d *driver) unmark(before position) error {
	if d.conn.IsClosed() {
		return nil // the mark stays; restart judges it
	}
	ctx := d.ctx
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	d.ctx = cleanup
	defer func() { d.ctx = ctx }()
	return d.mark(uint64(max(before.version, 0)), before.version, false)
}

// holdLocks takes the session's locks without waiting.
func (d *driver) holdLocks() error {
	var got []bool
	row := d.conn.QueryRow(d.ctx, `select array[pg_try_advisory_lock(`+strings.Join(d.locks, `), pg_try_advisory_lock(`)+`)]`)
	if err := row.Scan(&got); err != nil {
		return fmt.Errorf("lock schema %q: %w", d.target.Schema, err)
	}
	var held []string
	for i, ok := range got {
		if ok {
			held = append(held, d.locks[i])
		}
	}
	if len(held) < len(d.locks) {
		if len(held) > 0 {
			d.abandon(unlock(held))
		}
		return errLocked
	}
	return nil
}

func unlock(locks []string) string {
	return "select pg_advisory_unlock(" + strings.Join(locks, "), pg_advisory_unlock(") + ")"
}

// underLocks does something that takes more than one transaction. It looks first whether the version is still what it was.
func (d *driver) underLocks(do func() error) error {
	if err := d.holdLocks(); err != nil {
		return err
	}
	defer func() {
		if d.work != nil && d.work.script.leaks {
			d.abandon("discard all")
			return
		}
		d.abandon("reset all; reset role; " + unlock(d.locks))
	}()
	before := d.at
	if err := d.readPosition(); err != nil {
		return err
	}
	if before != d.at {
		return errMoved
	}
	return do()
}

// session sets what localSettings sets, for a script that has no transaction of ours, and makes sure that unqualified names land
// in the tenant's schema.
func (d *driver) session(script Script) error {
	settings := []string{"set search_path = " + quotePath(d.target.path()), "set statement_timeout = 0"}
	if d.target.LockTimeout > 0 {
		settings = append(settings, setLockTimeout("set", d.target.lockTimeout(script.statements)))
	}
	if d.target.Role != "" {
		settings = append(settings, "set role "+postgres.Ident(d.target.Role))
	}
	if err := postgres.Script(d.ctx, d.conn, strings.Join(append(settings, guardSchema(d.target.Schema, nil)), ";")); err != nil {
		return d.declined(script, err, math.MaxInt, -1)
	}
	return nil
}

// mark writes the version row as golang-migrate does: dirty, it names the file that is at work, clean, the version that the
// schema has; a clean version -1 is no row.
func (d *driver) mark(file uint64, version int, dirty bool) error {
	if dirty {
		version = int(file) //nolint:gosec // Read keeps versions below MaxInt64
	}
	statements := []string{
		"begin", setRole(d.target.Role), createTable(d.table), "delete from " + d.table,
		fmt.Sprintf("insert into %s (version, dirty) select %d, %t where %t", d.table, version, dirty, version >= 0),
	}
	if !dirty && d.work != nil && d.work.script.Creates && d.target.Grants != "" {
		statements = append(statements, d.target.Grants)
	}
	if !dirty && d.target.Record {
		statements = append(statements, "reset role", d.recordAt(version))
	}
	if _, err := d.send(strings.Join(append(statements, "commit"), "; ")); err != nil {
		err = fmt.Errorf("write version %s of %s in schema %q: %w", label(version), d.stream.Service, d.target.Schema, err)
		if postgres.Code(err) == "" {
			return unanswered(err)
		}
		return err
	}
	d.at = position{table: true, version: version, dirty: dirty}
	return nil
}

// runStatement runs one statement, and takes away what a concurrent one left when it failed. It tells whether something remains.
func (d *driver) runStatement(script Script, i int, statement lexer.Statement) (remains bool, err error) {
	if err := d.dropInvalid(concurrentIndex(statement.Text)); err != nil {
		return false, err
	}
	w := words(statement.Text, wordLimit)
	before, err := d.invalidIndexes(w)
	if err != nil {
		return false, err
	}
	if _, err := d.conn.Exec(d.ctx, statement.Text, pgx.QueryExecModeSimpleProtocol); err != nil {
		offset := -utf8.RuneCountInString(script.body[:statement.Pos])
		failed := d.failed(script, fmt.Errorf("send migration: %w", err), offset, i)
		remains, err := d.clean(w, before, failed)
		return remains, errors.Join(failed, err)
	}
	return false, nil
}

func (t Target) concurrentWait() time.Duration {
	return cmp.Or(t.ConcurrentWait, defaultConcurrentWait)
}
