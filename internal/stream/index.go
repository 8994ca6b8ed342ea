package stream

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tenantctl/internal/postgres"
	"tenantctl/internal/postgres/lexer"
)

// indexState is what the catalog says of an index in the tenant's schema.
type indexState struct {
	Valid  bool
	Unique bool
	// Building tells that another session is building an index on the table concurrently, perhaps this one.
	Building bool
}

// lookAtIndex finds an index by name; nil where there is none. A builder shows itself by its row among those at work and the
// lock on the table that it holds from its first moment to its last.
func (d *driver) lookAtIndex(name string) (*indexState, error) {
	rows, err := d.conn.Query(d.ctx, `
		select i.indisvalid as valid, i.indisunique as unique, exists (
			select from pg_stat_progress_create_index p join pg_locks l on l.pid = p.pid
			where l.locktype = 'relation' and l.relation = i.indrelid and l.mode = 'ShareUpdateExclusiveLock' and l.granted
				and l.database = (select oid from pg_database where datname = current_database())
				and p.pid <> pg_backend_pid()) as building
		from pg_index i where i.indexrelid = to_regclass($1)`, postgres.Ident(d.target.Schema, name))
	if err != nil {
		return nil, fmt.Errorf("look at index %q of schema %q: %w", name, d.target.Schema, err)
	}
	state, err := pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByName[indexState])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // no index is no error
	}
	if err != nil {
		return nil, fmt.Errorf("look at index %q of schema %q: %w", name, d.target.Schema, err)
	}
	return state, nil
}

const builderPoll = 100 * time.Millisecond

// settledIndex is lookAtIndex once nobody builds it any more: an index that is being built isn't valid either.
func (d *driver) settledIndex(name string) (*indexState, error) {
	deadline := time.Now().Add(d.target.concurrentWait())
	for {
		state, err := d.lookAtIndex(name)
		switch {
		case err != nil, state == nil, state.Valid, !state.Building:
			return state, err
		case time.Now().After(deadline):
			return nil, fmt.Errorf("index %q of schema %q: another session is building it: %w", name, d.target.Schema, errLocked)
		}
		select {
		case <-d.ctx.Done():
			return nil, fmt.Errorf("wait for whoever builds index %q of schema %q: %w", name, d.target.Schema, d.ctx.Err())
		case <-time.After(builderPoll):
		}
	}
}

// dropInvalid drops an index that a build left unfinished.
func (d *driver) dropInvalid(index string) error {
	if index == "" || d.conn.IsClosed() {
		return nil
	}
	state, err := d.settledIndex(index)
	if err != nil || state == nil || state.Valid {
		return err
	}
	if _, err := d.conn.Exec(d.ctx, `drop index concurrently `+postgres.Ident(d.target.Schema, index), pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("drop unfinished index %q of schema %q: %w", index, d.target.Schema, err)
	}
	return nil
}

// invalidIndexes are the schema's invalid indexes, by name, ahead of a statement that works concurrently.
func (d *driver) invalidIndexes(w []string) (map[string]bool, error) {
	if !contains(w, "concurrently") || d.conn.PgConn().TxStatus() != 'I' {
		return nil, nil
	}
	rows, err := d.conn.Query(d.ctx, `select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid
		where not i.indisvalid and c.relkind = 'i' and c.relnamespace = to_regnamespace($1)`, postgres.Ident(d.target.Schema))
	if err != nil {
		return nil, fmt.Errorf("list the invalid indexes of schema %q: %w", d.target.Schema, err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list the invalid indexes of schema %q: %w", d.target.Schema, err)
	}
	found := make(map[string]bool, len(names))
	for _, name := range names {
		found[name] = true
	}
	return found, nil
}

// clean takes away what a statement that failed left: indexes that weren't invalid, or weren't there, before. It tells whether
// something remains.
func (d *driver) clean(w []string, before map[string]bool, failed error) (remains bool, err error) {
	if d.conn.IsClosed() {
		return true, nil
	}
	if d.conn.PgConn().TxStatus() != 'I' {
		d.abandon("rollback")
		return false, nil
	}
	if detaches(w) && !neverBegan(failed) {
		return d.halfDetached()
	}
	now, err := d.invalidIndexes(w)
	if err != nil {
		return true, err
	}
	for name := range now {
		switch {
		case before[name]:
		case begins(w, "drop"):
			return true, nil // dropped by half
		default:
			if err := d.dropInvalid(name); err != nil {
				return true, fmt.Errorf("%w; it is left until the next run", err)
			}
		}
	}
	return false, nil
}

// halfDetached tells whether DETACH PARTITION CONCURRENTLY stopped in its middle.
func (d *driver) halfDetached() (found bool, err error) {
	err = d.conn.QueryRow(d.ctx, `select exists (select from pg_inherits i join pg_class c on c.oid = i.inhrelid
		where i.inhdetachpending and c.relnamespace = to_regnamespace($1))`, postgres.Ident(d.target.Schema)).Scan(&found)
	if err != nil {
		return true, fmt.Errorf("look for half detached partitions of schema %q: %w", d.target.Schema, err)
	}
	return found, nil
}

// concurrentIndex is the name of the index that a statement builds concurrently, "" if it is no such statement.
func concurrentIndex(statement string) string {
	tokens := after(significant(statement), "create")
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

func significant(statement string) []lexer.Token {
	var tokens []lexer.Token
	for token := range lexer.Tokens(statement) {
		if token.Significant() {
			tokens = append(tokens, token)
		}
	}
	return tokens
}

// after is what follows a keyword, nil if another word stands there.
func after(tokens []lexer.Token, keyword string) []lexer.Token {
	if len(tokens) == 0 || !tokens[0].Is(keyword) {
		return nil
	}
	return tokens[1:]
}
