package stream

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/postgres/lexer"
	"tenantctl/internal/tenant"
)

// autocommit runs a script that can't be in a transaction: the version is marked dirty, the statements run one by one, the
// mark goes away. A process that dies in between leaves the mark, as golang-migrate would.
func (d *driver) autocommit(script Script, version int) error {
	return d.underLocks(func() error {
		if err := d.mark(version, true); err != nil {
			return err
		}
		if err := d.session(); err != nil {
			return err
		}
		for i, statement := range lexer.Statements(script.body) {
			if err := d.runStatement(script, i, statement); err != nil {
				return err
			}
		}
		return d.mark(version, false)
	})
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

// session sets what localSettings sets, for statements that have no transaction. CREATE INDEX CONCURRENTLY waits for old
// snapshots under lock_timeout and would be aborted by a short one.
func (d *driver) session() error {
	settings := []string{"set search_path = " + quotePath(d.target.path()), "set lock_timeout = 0", "set statement_timeout = 0"}
	if d.target.Role != "" {
		settings = append(settings, "set role "+postgres.Ident(d.target.Role))
	}
	if err := postgres.Script(d.ctx, d.conn, strings.Join(settings, ";")); err != nil {
		return fmt.Errorf("set up session for schema %q: %w", d.target.Schema, err)
	}
	return nil
}

// mark writes the version row as golang-migrate does; a clean version -1 is no row.
func (d *driver) mark(version int, dirty bool) error {
	role := "reset role"
	if d.target.Role != "" {
		role = "set local role " + postgres.Ident(d.target.Role)
	}
	sql := fmt.Sprintf("begin; %s; %s; delete from %s; insert into %s (version, dirty) select %d, %t where %t; commit",
		role, createTable(d.table), d.table, d.table, version, dirty, version >= 0)
	if _, err := d.send(sql); err != nil {
		return fmt.Errorf("write version %s of %s in schema %q: %w", label(version), d.stream.Service, d.target.Schema, err)
	}
	d.at = position{table: true, version: version, dirty: dirty}
	return nil
}

// runStatement runs one statement. An index that an interrupted or failing concurrent build left invalid is dropped before and
// after: IF NOT EXISTS would take it for a good one.
func (d *driver) runStatement(script Script, i int, statement lexer.Statement) error {
	index := concurrentIndex(statement.Text)
	if err := d.dropInvalid(index); err != nil {
		return err
	}
	if _, err := d.conn.Exec(d.ctx, statement.Text, pgx.QueryExecModeSimpleProtocol); err != nil {
		offset := -utf8.RuneCountInString(script.body[:statement.Pos])
		return errors.Join(locate(d.stream.Service, script, err, offset, i), d.dropInvalid(index))
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

// restart makes a dirty version runnable again where that is sure to be right: for a lone concurrent index, of which it
// drops what there is. It returns that version. A version that is dirty because a process is at work on it counts as locked.
func (d *driver) restart() (*uint64, error) {
	var version *uint64
	err := d.underLocks(func() error {
		i, index := d.loneIndex()
		if index == "" {
			return tenant.WithHint(fmt.Errorf("schema %q is dirty at version %s of %s: %w", d.target.Schema, label(d.at.version), d.stream.Service, tenant.ErrConflict),
				fmt.Sprintf("compare the schema with that file, make it whole or undo it by hand, then set dirty to false in %s", d.table))
		}
		drop := `drop index concurrently if exists ` + postgres.Ident(d.target.Schema, index)
		if _, err := d.conn.Exec(d.ctx, drop, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("drop unfinished index %q of schema %q: %w", index, d.target.Schema, err)
		}
		version = &d.stream.files[i].Version
		if i == 0 {
			return d.mark(-1, false)
		}
		return d.mark(int(d.stream.files[i-1].Version), false) //nolint:gosec // Read keeps versions below MaxInt64
	})
	return version, err
}

// loneIndex is the file of the dirty version and the index that it builds; "" if it is or does anything else.
func (d *driver) loneIndex() (i int, index string) {
	i, ok := d.stream.at[uint64(max(d.at.version, 0))]
	if !ok {
		return 0, ""
	}
	statements := lexer.Statements(d.stream.files[i].Up.body)
	if len(statements) != 1 {
		return i, ""
	}
	return i, concurrentIndex(statements[0].Text)
}
