package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/postgres/lexer"
)

// autocommit runs a script that can't be in a transaction: the version is marked dirty, the statements run one by one, the
// mark goes away. It goes away too where the first statement fails, which leaves nothing behind. A process that dies in between
// leaves the mark, as golang-migrate would.
func (d *driver) autocommit(script Script) error {
	return d.underLocks(func() error {
		before := d.at
		if err := d.mark(d.work.version, d.work.to, true); err != nil {
			return err
		}
		if err := d.session(); err != nil {
			return errors.Join(err, d.unmark(before))
		}
		for i, statement := range lexer.Statements(script.body) {
			err := d.runStatement(script, i, statement)
			if err != nil && i == 0 && !errors.Is(err, errLeft) {
				return errors.Join(err, d.unmark(before))
			}
			if err != nil {
				return err
			}
		}
		return d.mark(d.work.version, d.work.to, false)
	})
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
	defer d.abandon("reset all; reset role; " + unlock(d.locks))
	before := d.at
	if err := d.readPosition(); err != nil {
		return err
	}
	if before != d.at {
		return errMoved
	}
	return do()
}

// session sets what localSettings sets, for statements that have no transaction. The wait of CREATE INDEX CONCURRENTLY for old
// snapshots counts as one for a lock.
func (d *driver) session() error {
	wait := cmp.Or(d.target.ConcurrentWait, defaultConcurrentWait)
	settings := []string{
		"set search_path = " + quotePath(d.target.path()), "set statement_timeout = 0",
		fmt.Sprintf("set lock_timeout = %d", max(wait.Milliseconds(), 1)),
	}
	if d.target.Role != "" {
		settings = append(settings, "set role "+postgres.Ident(d.target.Role))
	}
	if err := postgres.Script(d.ctx, d.conn, strings.Join(settings, ";")); err != nil {
		return fmt.Errorf("set up session for schema %q: %w", d.target.Schema, err)
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
	if !dirty && d.target.Record {
		statements = append(statements, "reset role", d.recordAt(version))
	}
	if _, err := d.send(strings.Join(append(statements, "commit"), "; ")); err != nil {
		return fmt.Errorf("write version %s of %s in schema %q: %w", label(version), d.stream.Service, d.target.Schema, err)
	}
	d.at = position{table: true, version: version, dirty: dirty}
	return nil
}

// errLeft is an invalid index that couldn't be dropped.
var errLeft = errors.New("an unfinished index is left until the next run")

// runStatement runs one statement. An index that an interrupted or failing concurrent build left invalid is dropped before and
// after: IF NOT EXISTS would take it for a good one.
func (d *driver) runStatement(script Script, i int, statement lexer.Statement) error {
	index := concurrentIndex(statement.Text)
	if err := d.dropInvalid(index); err != nil {
		return err
	}
	if _, err := d.conn.Exec(d.ctx, statement.Text, pgx.QueryExecModeSimpleProtocol); err != nil {
		offset := -utf8.RuneCountInString(script.body[:statement.Pos])
		failed := locate(d.stream.Service, script, err, offset, i)
		if err := d.dropInvalid(index); err != nil {
			return errors.Join(failed, fmt.Errorf("%w: %w", errLeft, err))
		}
		return failed
	}
	return nil
}

func (d *driver) dropInvalid(index string) error {
	if index == "" || d.conn.IsClosed() {
		return nil
	}
	var invalid bool
	err := d.conn.QueryRow(d.ctx, `select exists (select from pg_index where indexrelid = to_regclass($1) and not indisvalid)`,
		postgres.Ident(d.target.Schema, index)).Scan(&invalid)
	if err == nil && invalid {
		_, err = d.conn.Exec(d.ctx, `drop index concurrently `+postgres.Ident(d.target.Schema, index), pgx.QueryExecModeSimpleProtocol)
	}
	if err != nil {
		return fmt.Errorf("clean up index %q of schema %q: %w", index, d.target.Schema, err)
	}
	return nil
}

// concurrentIndex is the name of the index that a statement builds concurrently, "" if it is no such statement.
func concurrentIndex(statement string) string {
	var tokens []lexer.Token
	for token := range lexer.Tokens(statement) {
		if token.Significant() {
			tokens = append(tokens, token)
		}
	}
	tokens = after(tokens, "create")
	if rest := after(tokens, "unique"); rest != nil {
		tokens = rest
	}
	tokens = after(after(tokens, "index"), "concurrently")
	if rest := after(after(after(tokens, "if"), "not"), "exists"); rest != nil {
		tokens = rest
	}
	if len(tokens) == 0 || tokens[0].Kind != lexer.Identifier || tokens[0].Is("on") {
		return ""
	}
	return tokens[0].Value()
}

// after is what follows a keyword, nil if another word stands there.
func after(tokens []lexer.Token, keyword string) []lexer.Token {
	if len(tokens) == 0 || !tokens[0].Is(keyword) {
		return nil
	}
	return tokens[1:]
}
