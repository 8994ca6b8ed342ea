package stream

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/postgres/lexer"
	"tenantctl/internal/tenant"
)

// restart makes a dirty version clean again where it is sure what is right: for a file of one statement of which the catalog
// tells how far it came, or that may be run again from any point. Anything else a person has to look at. A version that is dirty
// because a process is at work on it counts as locked.
func (d *driver) restart(down bool) error {
	return d.underLocks(func() error {
		i, known := d.stream.at[uint64(max(d.at.version, 0))]
		if !known || d.at.version < 0 {
			return d.dirty()
		}
		file := d.stream.files[i]
		before := -1
		if i > 0 {
			before = int(d.stream.files[i-1].Version) //nolint:gosec // Read keeps versions below MaxInt64
		}
		script, start, end := file.Up, before, int(file.Version) //nolint:gosec // see above
		if down {
			// The mark may be of the way up, of which one statement at most may have happened then.
			if file.Up.Mode == Autocommit && !restartable(file.Up) {
				return d.dirty()
			}
			script, start, end = file.Down, end, start
		}
		if !restartable(script) {
			return d.dirty()
		}
		ended, err := d.settle(script)
		if err != nil {
			return err
		}
		if ended {
			start = end
		}
		return d.mark(file.Version, start, false)
	})
}

func restartable(script Script) bool {
	statements := lexer.Statements(script.body)
	if script.Mode != Autocommit || len(statements) != 1 {
		return false
	}
	w := words(statements[0].Text, wordLimit)
	return concurrentIndex(statements[0].Text) != "" || begins(w, "drop", "index") || detaches(w) ||
		w[0] == "vacuum" || w[0] == "reindex" || w[0] == "cluster"
}

func detaches(w []string) bool { return begins(w, "alter", "table") && contains(w, "detach") }

// settle finds out whether a restartable script was run to its end, or runs it to there, and takes away what is left of one
// that has to begin again.
func (d *driver) settle(script Script) (ended bool, err error) {
	statement := lexer.Statements(script.body)[0].Text
	w := words(statement, wordLimit)
	if err := d.session(script); err != nil {
		return false, err
	}
	if err := d.limitWaits(script, w); err != nil {
		return false, err
	}
	if index := concurrentIndex(statement); index != "" {
		return d.settleIndex(index, begins(w, "create", "unique"))
	}
	if w[0] == "reindex" {
		return false, d.dropRebuilt(w)
	}
	if w[0] == "vacuum" || w[0] == "cluster" {
		return false, nil
	}
	_, err = d.conn.Exec(d.ctx, statement, pgx.QueryExecModeSimpleProtocol)
	if detaches(w) && postgres.Code(err) == notInState { // begun, and waited for the end of old transactions
		_, err = d.conn.Exec(d.ctx, finalize(statement), pgx.QueryExecModeSimpleProtocol)
	}
	if gone := postgres.Code(err); err != nil && gone != undefinedObject && gone != undefinedTable {
		return false, fmt.Errorf("run %s again for schema %q: %w", script.Path, d.target.Schema, err)
	}
	return true, nil
}

// settleIndex takes an index that is there and valid for the one that was to be built. One that isn't is dropped.
func (d *driver) settleIndex(index string, unique bool) (ended bool, err error) {
	state, err := d.settledIndex(index)
	if err != nil || state == nil {
		return false, err
	}
	if state.Valid && state.Unique == unique {
		return true, nil
	}
	drop := `drop index concurrently if exists ` + postgres.Ident(d.target.Schema, index)
	if _, err := d.conn.Exec(d.ctx, drop, pgx.QueryExecModeSimpleProtocol); err != nil {
		return false, fmt.Errorf("drop unfinished index %q of schema %q: %w", index, d.target.Schema, err)
	}
	return false, nil
}

// dropRebuilt drops what REINDEX CONCURRENTLY leaves when it is interrupted, and names so.
func (d *driver) dropRebuilt(w []string) error {
	names, err := d.invalidIndexes(w)
	for name := range names {
		if rebuiltName.MatchString(name) {
			err = errors.Join(err, d.dropInvalid(name))
		}
	}
	return err
}

var rebuiltName = regexp.MustCompile(`_cc(new|old)[0-9]*$`)

// finalize is the statement that ends a DETACH PARTITION CONCURRENTLY.
func finalize(statement string) string {
	for token := range lexer.Tokens(statement) {
		if token.Is("concurrently") {
			return statement[:token.Pos] + "finalize" + statement[token.End():]
		}
	}
	return statement
}

// What the server says of an object that is gone, and of a partition that is half detached.
const (
	undefinedObject = "42704"
	undefinedTable  = "42P01"
	notInState      = "55000"
)

func (d *driver) dirty() error {
	what := "a file that these don't have"
	if file, err := d.stream.File(uint64(max(d.at.version, 0))); err == nil {
		what = file.Up.Path
		if file.Down.Path != "" && file.Down.Mode == Autocommit {
			what += " or " + file.Down.Path
		}
	}
	return tenant.WithHint(fmt.Errorf("schema %q is dirty at version %s of %s: %s didn't end: %w", d.target.Schema, label(d.at.version), d.stream.Service, what, tenant.ErrConflict),
		fmt.Sprintf("compare the schema with that file, make it whole or undo it by hand, then set version and dirty = false in %s", d.table))
}
